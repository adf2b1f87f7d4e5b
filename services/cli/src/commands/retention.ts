/** `holdfast retention` and `set-retention`: how long ended runs are kept, and what became of those that were not. */
import { randomUUID } from "node:crypto";
import { GetRetentionResponseSchema, SetRetentionResponseSchema } from "@holdfast/proto";
import { type Command, InvalidArgumentError } from "commander";
import { CliError, ExitCode } from "../exit-codes.js";
import { renderRetention } from "../render/retention.js";
import { safeText } from "../render/text.js";
import { wholeNumber } from "../values.js";
import type { Register } from "./register.js";

/** What the service takes at most. */
const SPAN_S_MAX = 3_650 * 86_400;
const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

function seconds(text: string): number {
  const [, amount, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text.trim()) ?? [];
  if (amount !== undefined) {
    const span = Number(amount) * (UNIT_S[unit] ?? 0);
    if (span > 0 && span <= SPAN_S_MAX) return span;
    throw new InvalidArgumentError(
      `"${text}" is out of range: 1s to 3650d; leave the option out to keep what the workflow's definition or the default says`,
    );
  }
  throw new InvalidArgumentError(`"${text}" is no span: write it like 90m, 24h or 14d`);
}

interface SetOptions {
  readonly workflow?: string;
  readonly all?: boolean;
  readonly completed?: number;
  readonly failed?: number;
  readonly deadLetters?: number;
  readonly max?: number;
  readonly reset?: boolean;
  readonly reason?: string;
}

export function registerRetention(program: Command, register: Register): void {
  const show = program
    .command("retention")
    .summary("how long ended runs are kept, and what was pruned")
    .description(
      "Shows for each workflow how long ended runs are kept, what was pruned, and, with --sweeps, what the last sweeps did.",
    )
    .option("-w, --workflow <name>", "of this workflow only")
    .option("--sweeps <n>", "the newest sweeps, too", wholeNumber(1, 1_000));
  register(show, (context, _args, options: { readonly workflow?: string; readonly sweeps?: number }) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.getRetention({
        workflow: options.workflow ?? "",
        sweeps: options.sweeps ?? 0,
      });
      if (context.json) context.printJson(GetRetentionResponseSchema, answer);
      else context.print(renderRetention(answer, context.screen()));
      return ExitCode.done;
    }),
  );

  const set = program
    .command("set-retention")
    .summary("change how long ended runs are kept")
    .description(
      "Says how long ended runs are kept, of one workflow or of all that say nothing themselves. Counts at once, also for runs that have ended; a floor that was promised to a failed run is never cut. What is not named here is left to the workflow's definition or the defaults.",
    )
    .option("-w, --workflow <name>", "of this workflow")
    .option("--all", "of all workflows that say nothing themselves")
    .option("--completed <span>", "how long completed runs are kept (24h)", seconds)
    .option("--failed <span>", "how long runs that failed, wholly or in part, stay retryable (7d)", seconds)
    .option("--dead-letters <span>", "how long dead letters are kept (30d)", seconds)
    .option(
      "--max <n>",
      "ended runs that are kept at most; never cuts a floor",
      wholeNumber(1, 4_000_000_000),
    )
    .option("--reset", "say nothing any more")
    .option("--reason <text>", "why, for whoever wonders");
  register(set, (context, _args, options: SetOptions) =>
    context.withAdmin(async (admin) => {
      if ((options.workflow === undefined) === (options.all !== true))
        throw new CliError(ExitCode.usage, "Give --workflow <name>, or --all: exactly one of them.");
      const { completed, failed, deadLetters, max, reset = false } = options;
      const said = [completed, failed, deadLetters, max].some((part) => part !== undefined);
      if (said === reset)
        throw new CliError(
          ExitCode.usage,
          "Say what to change (--completed, --failed, --dead-letters, --max), or --reset.",
        );
      const policy = {
        completedRetentionS: completed ?? 0,
        failedRetentionS: failed ?? 0,
        deadLetterRetentionS: deadLetters ?? 0,
        maxTerminalRuns: max ?? 0,
      };
      const answer = await admin.setRetention({
        workflow: options.workflow ?? "",
        ...(reset ? {} : { policy }),
        reason: options.reason ?? "",
        requestId: randomUUID(),
      });
      const of = options.workflow === undefined ? "all workflows" : `workflow ${safeText(options.workflow)}`;
      if (context.json) context.printJson(SetRetentionResponseSchema, answer);
      else context.print([`Retention of ${of} is changed; \`holdfast retention\` shows what is in force.`]);
      return ExitCode.done;
    }),
  );
}
