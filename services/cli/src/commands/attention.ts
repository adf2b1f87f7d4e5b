/** `holdfast attention`: what needs a person now, and then as it happens. */
import {
  type Attention,
  AttentionKind,
  ListAttentionResponseSchema,
  WatchAttentionResponseSchema,
} from "@holdfast/proto";
import type { Command } from "commander";
import type { AdminClient } from "../context.js";
import { ExitCode } from "../exit-codes.js";
import { safeText } from "../render/text.js";
import type { Register } from "./register.js";

interface Options {
  readonly workflow?: string;
  readonly now?: boolean;
}

const line = ({ kind, message }: Attention): string =>
  `▲ ${AttentionKind[kind] ?? "OTHER"}  ${safeText(message)}`;

async function openMatters(admin: AdminClient, workflow: string): Promise<string[]> {
  const { attentions, more } = await admin.listAttention({ workflow });
  if (attentions.length === 0) return ["Nothing needs a person now."];
  const lines = attentions.toReversed().map(line);
  return more ? ["… and older ones: look at `holdfast runs --failed`", ...lines] : lines;
}

export function registerAttention(program: Command, register: Register): void {
  const command = program
    .command("attention")
    .summary("show what needs a person, and watch for it")
    .description(
      "Prints what needs a person now, then, as it happens, what comes to: failed runs that nothing recovers by itself, work that no worker takes, open breakers, broken rules, retention that is behind, instants of schedules that were missed. Ctrl-C ends it.",
    )
    .option("-w, --workflow <name>", "of this workflow only")
    .option("--now", "only what needs a person now");
  register(command, (context, _args, options: Options) =>
    context.withAdmin(async (admin) => {
      const { workflow = "", now = false } = options;
      if (now) {
        if (context.json)
          context.printJson(ListAttentionResponseSchema, await admin.listAttention({ workflow }));
        else context.print(await openMatters(admin, workflow));
        return ExitCode.done;
      }
      for await (const answer of admin.watchAttention({ workflow }, { signal: context.io.interrupted })) {
        const { attention } = answer;
        // The watch has begun: what comes to need somebody from here on is not missed.
        if (attention === undefined) {
          if (context.json) {
            const { attentions } = await admin.listAttention({ workflow });
            for (const open of attentions.toReversed())
              context.printJsonLine(WatchAttentionResponseSchema, { ...answer, attention: open });
          } else context.print([...(await openMatters(admin, workflow)), "Watching."]);
        } else if (context.json) context.printJsonLine(WatchAttentionResponseSchema, answer);
        else context.print([line(attention)]);
      }
      return ExitCode.done;
    }),
  );
}
