/** `holdfast attention`: what needs a person now, and then as it happens. */
import {
  type Attention,
  AttentionKind,
  ListAttentionResponseSchema,
  WatchAttentionResponseSchema,
} from "@holdfast/proto";
import type { Command } from "commander";
import type { AdminClient, CommandContext } from "../context.js";
import { ExitCode } from "../exit-codes.js";
import { shellWord, withId } from "../render/command.js";
import type { Screen } from "../render/style.js";
import { safeText, wrapAround } from "../render/text.js";
import type { Register } from "./register.js";

interface Options {
  readonly workflow?: string;
  readonly watch?: boolean;
}

/** What happened and what to do, as the server says it, and what to type to look at it. */
function linesOf({ kind, message, runId }: Attention, screen: Screen): string[] {
  const id = safeText(runId);
  const text = wrapAround(id, `▲ ${AttentionKind[kind] ?? "OTHER"}  ${safeText(message)}`, screen.width - 2);
  const look =
    runId === "" ? (kind === AttentionKind.BREAKER_OPEN ? "breakers --open" : "") : withId("run", runId);
  return [
    ...text.map((line, at) => (at === 0 ? line : `  ${line}`)),
    ...(look === "" ? [] : [`  ${screen.command(look)}`]),
  ];
}

async function openMatters(context: CommandContext, admin: AdminClient, workflow: string): Promise<string[]> {
  const { attentions, more } = await admin.listAttention({ workflow });
  if (attentions.length === 0) return ["Nothing needs a person now."];
  const lines = attentions.toReversed().flatMap((each) => linesOf(each, context.screen()));
  const of = workflow === "" ? "" : ` --workflow ${shellWord(workflow)}`;
  return more ? [`… and older ones: ${context.screen().command(`runs --failed${of}`)}`, ...lines] : lines;
}

export function registerAttention(program: Command, register: Register): void {
  const command = program
    .command("attention")
    .summary("list what needs a person now; with --watch, also what comes to")
    .description(
      "Lists what needs a person now: failed runs that nothing recovers by itself, work that no worker takes, open breakers, broken rules, retention that is behind, instants of schedules that were missed. With --watch it goes on with what comes to, as it happens, until Ctrl-C; with --json then one line each.",
    )
    .option("-w, --workflow <name>", "of this workflow only")
    .option("--watch", "then what comes to need a person, as it happens");
  register(command, (context, _args, options: Options) =>
    context.withAdmin((admin) =>
      options.watch === true
        ? watch(context, admin, options.workflow ?? "")
        : list(context, admin, options.workflow ?? ""),
    ),
  );
}

async function list(context: CommandContext, admin: AdminClient, workflow: string): Promise<ExitCode> {
  if (context.json) context.printJson(ListAttentionResponseSchema, await admin.listAttention({ workflow }));
  else context.print(await openMatters(context, admin, workflow));
  return ExitCode.done;
}

async function watch(context: CommandContext, admin: AdminClient, workflow: string): Promise<ExitCode> {
  for await (const answer of admin.watchAttention({ workflow }, { signal: context.io.interrupted })) {
    const { attention } = answer;
    // The watch has begun: what comes to need somebody from here on is not missed.
    if (attention === undefined) {
      if (context.json) {
        const { attentions } = await admin.listAttention({ workflow });
        for (const open of attentions.toReversed())
          context.printJsonLine(WatchAttentionResponseSchema, { ...answer, attention: open });
      } else context.print([...(await openMatters(context, admin, workflow)), "Watching; Ctrl-C ends it."]);
    } else if (context.json) context.printJsonLine(WatchAttentionResponseSchema, answer);
    else context.print(linesOf(attention, context.screen()));
  }
  return ExitCode.done;
}
