/** `holdfast retry`, `retry-failed` and `cancel`: an operator's decisions about runs that are there. */
import { randomUUID } from "node:crypto";
import {
  FailureMode,
  FailureModeSchema,
  RecoveryStrategy,
  RecoveryStrategySchema,
  type RetryOutcome,
  RetryFailedResponseSchema,
  RetryRunResponseSchema,
  StartBulkRetryResponseSchema,
} from "@holdfast/proto";
import { type Command, InvalidArgumentError } from "commander";
import type { AdminClient, CommandContext } from "../context.js";
import { CliError, ExitCode, InterruptedError } from "../exit-codes.js";
import { followWithProgress } from "../follow.js";
import { renderBegun } from "../render/bulk.js";
import { withId } from "../render/command.js";
import { renderRetryOutcome, renderRetryResult } from "../render/retry.js";
import { runStatusWord } from "../render/status.js";
import { countOf, safeText } from "../render/text.js";
import { enumValue, listOf, wholeNumber } from "../values.js";
import { exitCodeOfBegun } from "./bulk.js";
import { addItems, namedItems } from "./item-names.js";
import type { Register } from "./register.js";
import { exitCodeOfRun, showRun } from "./show-run.js";
import { addWaiting } from "./start.js";

export interface RetryOptions {
  readonly strategy?: RecoveryStrategy;
  readonly force?: boolean;
  readonly reason?: string;
  readonly wait?: boolean;
  readonly strict?: boolean;
  readonly timeout?: number;
  readonly action?: string;
  readonly items?: number[];
  readonly itemKey?: string[];
}

export const addRetrying = (command: Command): Command =>
  command
    .option(
      "--strategy <strategy>",
      "RETRY_FAILED, RETRY_FROM_CHECKPOINT or RETRY_ALL; default: the failed parts only",
      // These two are advice for a person, not ways to retry.
      enumValue(RecoveryStrategySchema, "strategy", [RecoveryStrategy.ABORT, RecoveryStrategy.MANUAL]),
    )
    .option("--force", "also failures whose mode is terminal; this is audited")
    .option("--reason <text>", "why, for whoever reads the run's history");

export function registerRetry(program: Command, register: Register): void {
  const command = addRetrying(
    program
      .command("retry")
      .summary("retry one run's failed parts, or single items of it")
      .description(
        "Runs again what failed in one run; what succeeded stays, and flows on. With --action and --items or --item-key only those: what else failed stays as it is.",
      ),
  );
  register(addWaiting(addItems(command, "which")), (context, [runId = ""], options: RetryOptions) =>
    context.withAdmin(async (admin) => {
      const { action, items, itemKeys } = namedItems(options);
      if (action !== "" && items.length + itemKeys.length === 0)
        throw new CliError(
          ExitCode.usage,
          "Say which with --items or --item-key; to retry all that failed, retry the run: leave out --action.",
        );
      await retryOne(context, admin, { runId, action, items, itemKeys }, options);
      if (options.wait !== true) return ExitCode.done;
      const timeoutMs = options.timeout === undefined ? undefined : options.timeout * 1_000;
      const run = await followWithProgress(context, admin, runId, {
        signal: context.io.interrupted,
        timeoutMs,
      });
      if (!context.json) context.print([""]);
      await showRun(context, admin, run);
      return exitCodeOfRun(run, options.strict === true);
    }),
  );
}

/** Sends one retry, says what it set off, and where to look unless it is waited for. */
export async function retryOne(
  context: CommandContext,
  admin: AdminClient,
  which: { runId: string; action: string; items: number[]; itemKeys: string[]; deadLetters?: boolean },
  options: RetryOptions,
): Promise<void> {
  const answer = await admin.retryRun({
    ...which,
    strategy: options.strategy ?? RecoveryStrategy.UNSPECIFIED,
    force: options.force === true,
    reason: options.reason ?? "",
    // Of our own making, so that the same call sent again is the same retry.
    requestId: randomUUID(),
  });
  const { runId, action } = which;
  const counts = action === "" ? [countOf(answer.items, "item"), countOf(answer.actions, "action")] : [];
  const what =
    action === "" ? counts.join(" and ") : `${countOf(answer.items, "item")} of ${safeText(action)}`;
  if (!context.json)
    context.print([`Retrying ${what} of run ${safeText(runId)}: ${runStatusWord(answer.status)}`]);
  if (options.wait === true) return;
  if (context.json) context.printJson(RetryRunResponseSchema, answer);
  else context.print([`Follow it: ${context.screen().command(withId("run", runId, "--watch"))}`]);
}

export interface RetryFailedOptions {
  readonly workflow?: string;
  readonly run?: string[];
  readonly signature?: string;
  readonly mode?: FailureMode[];
  readonly strategy?: RecoveryStrategy;
  readonly force?: boolean;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly limit?: number;
  readonly queue?: string;
  readonly recommended?: boolean;
  readonly canary?: Waves;
  readonly detach?: boolean;
}

interface Waves {
  readonly first: number;
  readonly later: number;
}

const WAVE = wholeNumber(1, 1_000_000);
/** `5` or `5,50`. */
function waves(text: string): Waves {
  const [first = "", later, ...rest] = text.split(",");
  if (rest.length > 0) throw new InvalidArgumentError(`"${text}" is not <first> or <first>,<then>.`);
  return { first: WAVE(first), later: later === undefined ? 0 : WAVE(later) };
}

export function registerRetryFailed(program: Command, register: Register): void {
  const command = addRetrying(
    program
      .command("retry-failed")
      .summary("retry every failed run that one selector matches")
      .description(
        "Retries all failed runs of a workflow or a queue, those named, or those that failed alike, as one durable operation: exactly one of --workflow, --queue, --run and --signature. " +
          "Exit 5 if any was refused. With --json: one JSON line for each result, the outcome last.",
      ),
  )
    .option("-w, --workflow <name>", "every failed run of this workflow")
    .option(
      "--run <id>",
      "these runs; several with commas",
      listOf((text) => text.trim()),
    )
    .option("--signature <id>", "every run that is failed in this way (`failures` lists them)")
    .option(
      "--mode <mode>",
      "only what failed in this mode; several with commas",
      listOf(enumValue(FailureModeSchema, "mode")),
    )
    .option("--dry-run", "say what would be retried, and change nothing")
    .option("-n, --limit <n>", "at most so many runs", wholeNumber(1, 1_000_000))
    .option("--queue <name>", "every failed run with a failed action of this queue")
    .option("--recommended", "each run with the strategy that is recommended for it")
    .option(
      "--canary <first[,then]>",
      "so many at first; the rest, in waves of <then>, once those have ended and half are better",
      waves,
    )
    .option("--detach", "begin it, print its id, and do not wait: `holdfast bulk <id>` shows it");
  register(command, (context, _args, options: RetryFailedOptions) =>
    context.withAdmin(async (admin) => {
      if (options.detach === true) return detach(context, admin, options);
      const outcome = await retryFailed(context, admin, options);
      return outcome.refused > 0n ? ExitCode.refused : ExitCode.done;
    }),
  );
}

function requestOf(options: RetryFailedOptions) {
  return {
    workflow: options.workflow ?? "",
    runIds: options.run ?? [],
    signature: options.signature ?? "",
    modes: options.mode ?? [],
    strategy: options.strategy ?? RecoveryStrategy.UNSPECIFIED,
    force: options.force === true,
    reason: options.reason ?? "",
    dryRun: options.dryRun === true,
    limit: options.limit ?? 0,
    queue: options.queue ?? "",
    recommended: options.recommended === true,
    canaryFirst: options.canary?.first ?? 0,
    canaryThen: options.canary?.later ?? 0,
  };
}

async function detach(
  context: CommandContext,
  admin: AdminClient,
  options: RetryFailedOptions,
): Promise<ExitCode> {
  const answer = await admin.startBulkRetry({ retry: requestOf(options) });
  if (context.json) context.printJson(StartBulkRetryResponseSchema, answer);
  else context.print(renderBegun(answer.operation, "retried", options.dryRun === true, context.screen()));
  return exitCodeOfBegun(answer.operation);
}

/** Where the caller is interrupted, the operation is not: says where to look at it. */
async function* interruptible<T>(
  answers: AsyncIterable<T>,
  context: CommandContext,
  operationId: () => string,
): AsyncGenerator<T> {
  try {
    yield* answers;
  } catch (error) {
    const id = operationId();
    if (!context.io.interrupted.aborted || id === "") throw error;
    const { command } = context.screen();
    throw new InterruptedError(
      `Operation ${id} goes on by itself. Look at it: ${command(withId("bulk", id))}; end it: ${command(withId("bulk abort", id))}`,
    );
  }
}

/** Prints each result as it happens, then the outcome, which it returns. */
export async function retryFailed(
  context: CommandContext,
  admin: AdminClient,
  options: RetryFailedOptions,
): Promise<RetryOutcome> {
  let outcome: RetryOutcome | undefined;
  const request = requestOf(options);
  let operationId = "";
  const answers = admin.retryFailed(request, { signal: context.io.interrupted });
  for await (const response of interruptible(answers, context, () => operationId)) {
    const { kind } = response;
    if (kind.case === "started") ({ operationId } = kind.value);
    if (context.json) context.printJsonLine(RetryFailedResponseSchema, response);
    else if (kind.case === "result")
      context.print(renderRetryResult(kind.value, context.screen(), request.dryRun));
    else if (kind.case === "outcome") context.print(renderRetryOutcome(kind.value, context.screen()));
    if (kind.case === "outcome") outcome = kind.value;
  }
  if (outcome === undefined) {
    throw new CliError(
      ExitCode.unreachable,
      "The answer ended before its outcome. The operation goes on by itself: look at it with `holdfast bulk`.",
    );
  }
  return outcome;
}
