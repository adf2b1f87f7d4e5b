/** `holdfast bulk`: operations on many runs: what there is, how far one has come, its end, and beginning others than retries. */
import {
  AbortBulkOperationResponseSchema,
  BulkKind,
  type BulkOperationView,
  FailureModeSchema,
  type FailureMode,
  GetBulkOperationResponseSchema,
  ListBulkOperationsResponseSchema,
  StartBulkOperationResponseSchema,
} from "@holdfast/proto";
import type { Command } from "commander";
import type { AdminClient, CommandContext } from "../context.js";
import { ExitCode, usageError } from "../exit-codes.js";
import { renderBegun, renderBulk, renderBulkList, renderBulkResults } from "../render/bulk.js";
import { withId } from "../render/command.js";
import { enumValue, listOf, wholeNumber } from "../values.js";
import type { Register } from "./register.js";

interface BulkOptions {
  readonly workflow?: string;
  readonly queue?: string;
  readonly run?: string[];
  readonly signature?: string;
  readonly mode?: FailureMode[];
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly limit?: number;
  readonly all?: boolean;
}

const BEGINS: Readonly<Record<string, BulkKind>> = {
  cancel: BulkKind.CANCEL,
  "dead-letter": BulkKind.MOVE_TO_DEAD_LETTERS,
  discard: BulkKind.DISCARD,
};
const LISTED = 50;
/** One less than a call may ask for. */
const LISTED_MAX = 999;
const RESULTS_SHOWN = 100;

export function registerBulk(program: Command, register: Register): void {
  const command = program
    .command("bulk")
    .summary("operations on many runs: list, show, abort; cancel, dead-letter or discard many")
    .description(
      "Without words: the operations of the last day. `bulk <id>` shows one with its newest results; `bulk abort <id>` ends it early. " +
        "`bulk cancel`, `bulk dead-letter` and `bulk discard` begin one: exactly one of --workflow, --queue, --run and --signature. " +
        "`retry-failed` begins a retry. Exit 5 if what is given with --run can be no run id; the others count.",
    )
    .argument("[words...]", "an id, `abort <id>`, `cancel`, `dead-letter` or `discard`")
    .option("-w, --workflow <name>", "runs of this workflow")
    .option("--queue <name>", "runs with an action of this queue")
    .option(
      "--run <id>",
      "these runs; several with commas",
      listOf((text) => text.trim()),
    )
    .option("--signature <id>", "runs that failed in this way")
    .option(
      "--mode <mode>",
      "only what failed in this mode; several with commas",
      listOf(enumValue(FailureModeSchema, "mode")),
    )
    .option("--reason <text>", "why, for whoever reads the runs' history")
    .option("--dry-run", "say what would be done, and change nothing")
    .option(
      "-n, --limit <n>",
      "at most so many runs; without words, so many operations",
      wholeNumber(1, 1_000_000),
    )
    .option("--all", "with an id: every result, not only the newest; with --json one line a page");
  register(command, (context, words, options: BulkOptions) =>
    context.withAdmin((admin) => run(context, admin, words.flat(), options)),
  );
}

function run(
  context: CommandContext,
  admin: AdminClient,
  words: readonly string[],
  options: BulkOptions,
): Promise<ExitCode> {
  const [first, second] = words;
  if (first === undefined) return list(context, admin, Math.min(options.limit ?? LISTED, LISTED_MAX));
  if (first === "abort" && second !== undefined && words.length === 2)
    return abort(context, admin, second, options.reason ?? "");
  const kind = BEGINS[first];
  if (kind !== undefined && words.length === 1) return begin(context, admin, kind, options);
  if (words.length === 1 && first !== "abort") return show(context, admin, first, options);
  throw usageError(
    "Say `bulk`, `bulk <id>`, `bulk abort <id>`, or `bulk cancel|dead-letter|discard` with a selector.",
  );
}

async function list(context: CommandContext, admin: AdminClient, limit: number): Promise<ExitCode> {
  // One more than is shown says whether there are more.
  const answer = await admin.listBulkOperations({ limit: limit + 1 });
  const operations = answer.operations.slice(0, limit);
  if (context.json) context.printJson(ListBulkOperationsResponseSchema, { ...answer, operations });
  else {
    context.print(renderBulkList(operations, context.screen()));
    if (operations.length < answer.operations.length)
      context.print([
        `… and more: ${context.screen().command(`bulk --limit ${Math.min(limit * 2, LISTED_MAX)}`)}`,
      ]);
  }
  return ExitCode.done;
}

async function show(
  context: CommandContext,
  admin: AdminClient,
  operationId: string,
  options: BulkOptions,
): Promise<ExitCode> {
  let pageToken = "";
  for (let isFirst = true; isFirst || (options.all === true && pageToken !== ""); isFirst = false) {
    const answer = await admin.getBulkOperation({ operationId, pageSize: RESULTS_SHOWN, pageToken });
    pageToken = answer.nextPageToken;
    if (context.json && options.all === true) context.printJsonLine(GetBulkOperationResponseSchema, answer);
    else if (context.json) context.printJson(GetBulkOperationResponseSchema, answer);
    else if (answer.operation !== undefined) {
      if (isFirst) context.print(renderBulk(answer.operation, context.screen()));
      context.print(renderBulkResults(answer.results, answer.operation, context.screen()));
    }
  }
  if (!context.json && pageToken !== "")
    context.print([`  … and more: ${context.screen().command(withId("bulk", operationId, "--all"))}`]);
  return ExitCode.done;
}

async function abort(
  context: CommandContext,
  admin: AdminClient,
  operationId: string,
  reason: string,
): Promise<ExitCode> {
  const answer = await admin.abortBulkOperation({ operationId, reason });
  if (context.json) context.printJson(AbortBulkOperationResponseSchema, answer);
  else context.print([`Operation ${operationId} comes to no more runs. What it has set off goes on.`]);
  return ExitCode.done;
}

/** It is not waited for: that something of the list was refused is known at once. */
export const exitCodeOfBegun = (operation: BulkOperationView | undefined): ExitCode =>
  (operation?.wrongIds ?? 0) > 0 ? ExitCode.refused : ExitCode.done;

async function begin(
  context: CommandContext,
  admin: AdminClient,
  kind: BulkKind,
  options: BulkOptions,
): Promise<ExitCode> {
  const answer = await admin.startBulkOperation({
    kind,
    workflow: options.workflow ?? "",
    queue: options.queue ?? "",
    runIds: options.run ?? [],
    signature: options.signature ?? "",
    modes: options.mode ?? [],
    reason: options.reason ?? "",
    dryRun: options.dryRun === true,
    limit: options.limit ?? 0,
  });
  if (context.json) context.printJson(StartBulkOperationResponseSchema, answer);
  else context.print(renderBegun(answer.operation, "done", options.dryRun === true, context.screen()));
  return exitCodeOfBegun(answer.operation);
}
