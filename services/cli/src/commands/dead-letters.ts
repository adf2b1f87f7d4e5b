/** `holdfast dead-letters`, `dead-letter` and `discard`: what failed for good, put aside, looked at, retried, and given up. */
import { randomUUID } from "node:crypto";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  DeadLetterViewSchema,
  DiscardDeadLettersResponseSchema,
  FailureModeSchema,
  type FailureMode,
  ListDeadLettersResponseSchema,
  MoveToDeadLettersResponseSchema,
} from "@holdfast/proto";
import type { Command } from "commander";
import { CliError, ExitCode, usageError } from "../exit-codes.js";
import { discardedLine, movedText, renderDeadLetters, renderReasons } from "../render/dead-letters.js";
import { enumValue, listOf, moment, wholeNumber } from "../values.js";
import { addItems, ITEM, ITEM_KEY_OPTION, namedItems } from "./item-names.js";
import type { Register } from "./register.js";
import { retryOne } from "./retry.js";

interface ListOptions {
  readonly workflow?: string;
  readonly queue?: string;
  readonly mode?: FailureMode[];
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
  readonly page?: string;
  readonly all?: boolean;
  readonly reasons?: boolean;
  readonly action?: string;
  readonly items?: number[];
  readonly itemKey?: string[];
  readonly force?: boolean;
  readonly reason?: string;
}

const PAGE_SIZE = 50;
const PAGE_SIZE_ALL = 500;

export function registerDeadLetters(program: Command, register: Register): void {
  const list = program
    .command("dead-letters")
    .summary("what was put aside because it failed for good, the last first")
    .description(
      "Lists runs and items in the dead letters: nothing prunes them until they are retried, discarded, or were there for as long as `holdfast retention` says. With --all --json: one JSON line each. `dead-letters retry <id>` sets off what of a run is there.",
    )
    .argument("[words...]", "an id: of this run only; or `retry <id>`")
    .option("-w, --workflow <name>", "of this workflow only")
    .option("-q, --queue <name>", "of this queue only")
    .option(
      "-m, --mode <mode>",
      "that failed with this, such as TIMEOUT; several with commas",
      listOf(enumValue(FailureModeSchema, "failure mode")),
    )
    .option("--since <time>", "moved at or after (ISO 8601), or within so long (15m, 2h, 7d)")
    .option("--until <time>", "moved before, in the same forms")
    .option("--reasons", "one after the other, with the whole reason and error")
    .option("-n, --limit <n>", `how many; default: ${PAGE_SIZE}`, wholeNumber(1, 1_000))
    .option("--page <token>", "go on where a page ended")
    .option("--all", "every page")
    .option("--action <name>", "with retry: not all that is there, items of this action")
    .option("--items <indices>", "with retry: which; default: all that are there of the action", listOf(ITEM))
    .option("--item-key <key>", "with retry: the item of this key; may be repeated", ITEM_KEY_OPTION[2])
    .option("--force", "with retry: also failures whose mode is terminal; this is audited")
    .option("--reason <text>", "with retry: why, for whoever reads the run's history");
  register(list, (context, words, options: ListOptions) => {
    const [first = "", second] = words.flat();
    const isRetry = first === "retry" && second !== undefined;
    if (words.flat().length > (isRetry ? 2 : 1))
      throw usageError("Say `dead-letters`, `dead-letters <id>`, or `dead-letters retry <id>`.");
    if (isRetry)
      return context.withAdmin(async (admin) => {
        await retryOne(context, admin, { runId: second, ...namedItems(options), deadLetters: true }, options);
        return ExitCode.done;
      });
    if (options.action !== undefined || options.items !== undefined || options.itemKey !== undefined)
      throw usageError("--action, --items and --item-key belong to `dead-letters retry <id>`.");
    const runId = first;
    const nowMs = context.io.nowMs();
    const movedAfter = momentOf("--since", options.since, nowMs);
    const movedBefore = momentOf("--until", options.until, nowMs);
    const filter = {
      workflow: options.workflow ?? "",
      queue: options.queue ?? "",
      modes: options.mode ?? [],
      runId,
      pageSize: options.limit ?? (options.all === true ? PAGE_SIZE_ALL : PAGE_SIZE),
      ...(movedAfter === undefined ? {} : { movedAfter }),
      ...(movedBefore === undefined ? {} : { movedBefore }),
    };
    return context.withAdmin(async (admin) => {
      let pageToken = options.page ?? "";
      do {
        const page = await admin.listDeadLetters({ ...filter, pageToken });
        pageToken = page.nextPageToken;
        const { letters } = page;
        if (context.json && options.all === true) {
          for (const letter of letters) context.printJsonLine(DeadLetterViewSchema, letter);
        } else if (context.json) context.printJson(ListDeadLettersResponseSchema, page);
        else if (options.reasons === true && letters.length > 0)
          context.print(renderReasons(letters, context.screen()));
        else if (letters.length > 0 || pageToken === "")
          context.print(renderDeadLetters(letters, context.screen()));
      } while (options.all === true && pageToken !== "");
      if (!context.json && pageToken !== "") context.print([`… and more: add --page ${pageToken}, or --all`]);
      return ExitCode.done;
    });
  });
}

function momentOf(option: string, text: string | undefined, nowMs: number): Timestamp | undefined {
  if (text === undefined) return undefined;
  try {
    return moment(text, nowMs);
  } catch (error) {
    throw usageError(`${option}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface ChangeOptions {
  readonly reason?: string;
  readonly action?: string;
  readonly items?: number[];
  readonly itemKey?: string[];
}

export function registerDeadLetter(program: Command, register: Register): void {
  const move = addItems(
    program
      .command("dead-letter")
      .summary("put a failed run, or failed items of it, aside")
      .description(
        "Moves a run that failed to the dead letters, where nothing prunes it, until it is retried (`holdfast retry`), discarded, or was there for as long as `holdfast retention` says. A run that would be recovered by itself is not any more.",
      ),
    "which",
  ).option("--reason <text>", "why, for whoever finds it there");
  register(move, (context, [runId = ""], options: ChangeOptions) =>
    context.withAdmin(async (admin) => {
      const { action, items, itemKeys } = namedItems(options);
      if (action !== "" && items.length + itemKeys.length === 0)
        throw new CliError(
          ExitCode.usage,
          "Say which with --items or --item-key; to move all of them, move the run: leave out --action.",
        );
      const { reason = "" } = options;
      const answer = await admin.moveToDeadLetters({
        runId,
        action,
        items,
        itemKeys,
        reason,
        requestId: randomUUID(),
      });
      if (context.json) context.printJson(MoveToDeadLettersResponseSchema, answer);
      else context.print([movedText(answer.runId, answer.items, action)]);
      return ExitCode.done;
    }),
  );

  const discard = addItems(
    program
      .command("discard")
      .summary("give up what is in the dead letters, for a reason that is kept")
      .description(
        "Takes a run, and items of it, out of the dead letters for good. It can still be retried until the retention of what failed is over, then it is pruned. Who discarded it, when and why stays in its history.",
      ),
    "which; default: all that are there of the action",
  ).requiredOption("--reason <text>", "why; it stays in the run's history");
  register(discard, (context, [runId = ""], options: ChangeOptions) =>
    context.withAdmin(async (admin) => {
      const { action, items, itemKeys } = namedItems(options);
      const { reason = "" } = options;
      if (reason.trim() === "")
        throw new CliError(ExitCode.usage, "Say why with --reason: it stays in the run's history.");
      const answer = await admin.discardDeadLetters({
        runId,
        action,
        items,
        itemKeys,
        reason,
        requestId: randomUUID(),
      });
      if (context.json) context.printJson(DiscardDeadLettersResponseSchema, answer);
      else context.print([discardedLine(answer.runId, answer.status, answer.items)]);
      return ExitCode.done;
    }),
  );
}
