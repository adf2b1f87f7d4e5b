/**
 * RetryFailed: retries every failed run that one selector names, and accounts for each.
 *
 * 1. matched = retried + raced + refused, always; each run is counted once. What was pruned is counted beside them.
 * 2. A run whose fate is not known (its partition is silent) is in no count: the call then ends with that error, having
 *    streamed what is certain. Calling again is safe: what was retried is not failed any more.
 * 3. A dry run submits nothing; its results say what a real one would have done at that moment.
 */
import { randomUUID } from "node:crypto";
import { isRunRetryable, RUN_RETRYABLE_STATUSES, traitsOf } from "@holdfast/core";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { QueryFailedError, type QueryOptions, retryRunCommand } from "@holdfast/engine";
import {
  FailureMode,
  RejectCode,
  type RetryFailedRequest,
  RetryResultKind as Kind,
  RunStatus,
  type RunView,
} from "@holdfast/proto";
import { type CallContext, RpcError } from "@holdfast/rpc";
import { asTheyFinish } from "./as-they-finish.js";
import { retryStrategy } from "./change-run.js";
import { commandId, submit } from "./control-command.js";
import { refusalOf, statusName, translate } from "./errors.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import { registered } from "./start-run.js";
import * as check from "./validate/fields.js";

/** Run ids that one call names. */
export const RETRY_IDS_MAX = 10_000;
/** Retries under way at once. */
export const RETRIES_AT_ONCE = 256;
/** Runs that one question to the partitions brings. */
const PAGE_SIZE = 500;

interface Result {
  readonly runId: string;
  readonly kind: Kind;
  readonly reason: string;
  readonly items: number;
  /** Of a refusal: the same sentence for every run refused for the same reason. */
  readonly summary?: string;
}

interface Plan {
  readonly parts: AdminParts;
  readonly context: CallContext;
  readonly request: RetryFailedRequest;
  readonly modes: ReadonlySet<FailureMode>;
}

export async function* retryFailed(parts: AdminParts, request: RetryFailedRequest, context: CallContext) {
  const selected = selector(request);
  const strategy = retryStrategy(request.strategy);
  const reason = check.reason(request.reason);
  const modes = new Set(check.enumFilter("modes", FailureMode, request.modes));
  const plan: Plan = { parts, context, request, modes };
  if (selected.by === "workflow") await registered(parts, request.workflow);

  const limit = new Limit(request.limit);
  const operation = randomUUID();
  const retry = async (runId: string): Promise<Result> => {
    const command = retryRunCommand({
      id: commandId("retry", runId, operation),
      runId,
      who: context.who,
      reason,
      nowMs: parts.clock.nowMs(),
      strategy,
      force: request.force,
    });
    const { accepted, rejected } = await submit(parts, runId, command);
    if (rejected !== undefined) return turnedDown(runId, rejected.code, rejected.message, rejected.status);
    return { runId, kind: Kind.RETRIED, reason: "", items: accepted.items };
  };
  const matches = limit.apply(runsOf(plan, selected));
  const sum = new Sum();
  const work = request.dryRun ? (runId: string) => foresee(plan, runId) : retry;
  try {
    for await (const result of asTheyFinish(matches, RETRIES_AT_ONCE, work)) {
      sum.add(result);
      const { summary: _summary, ...value } = result;
      yield { kind: { case: "result" as const, value } };
    }
  } catch (error) {
    throw sum.interrupted(error);
  }
  const pruned = selected.by === "workflow" ? await prunedOf(plan) : {};
  const outcome = { ...sum.outcome(), ...pruned, dryRun: request.dryRun, limited: limit.exceeded };
  yield { kind: { case: "outcome" as const, value: outcome } };
}

type Selected =
  | { readonly by: "workflow" }
  | { readonly by: "run_ids"; readonly runIds: readonly string[] }
  | { readonly by: "signature"; readonly id: string };

/** The one that is given, checked: ids each once. */
function selector({ workflow, runIds, signature }: RetryFailedRequest): Selected {
  const selectors = "give exactly one selector: workflow, run_ids, or signature";
  const given = [
    ...(workflow === "" ? [] : [`workflow (${JSON.stringify(workflow.slice(0, 64))})`]),
    ...(runIds.length === 0 ? [] : [`run_ids (${runIds.length} of them)`]),
    ...(signature === "" ? [] : [`signature (${JSON.stringify(signature.slice(0, 64))})`]),
  ];
  if (given.length === 0)
    throw check.invalid("selector", `neither workflow, run_ids nor signature was given; ${selectors}`);
  if (given.length > 1)
    throw check.invalid(
      "selector",
      `${given.length === 2 ? "both " : ""}${given.join(" and ")} were given; ${selectors}`,
    );
  if (signature !== "") return { by: "signature", id: check.signatureId(signature, "signature") };
  if (runIds.length === 0) {
    check.workflowName(workflow);
    return { by: "workflow" };
  }
  const unique = [...new Set(runIds)];
  if (unique.length > RETRY_IDS_MAX) throw check.tooMany("run_ids", unique.length, RETRY_IDS_MAX);
  return { by: "run_ids", runIds: unique.map((runId) => check.runId(runId, "run_ids")) };
}

function runsOf(plan: Plan, selected: Selected): AsyncGenerator<string> {
  const { parts, context } = plan;
  if (selected.by === "workflow") return failedRuns(plan);
  if (selected.by === "run_ids") return namedRuns(plan, selected.runIds);
  return namedRuns(plan, parts.queries.failedRunsOf(selected.id, withinDeadline(context, parts.clock)));
}

/** Every failed run of the workflow whose mode is wanted, newest first, a page at a time as they are needed. */
async function* failedRuns({ parts, context, request, modes }: Plan): AsyncGenerator<string> {
  const statuses = [...RUN_RETRYABLE_STATUSES];
  let pageToken = "";
  do {
    const filter = { workflow: request.workflow, statuses, pageSize: PAGE_SIZE, pageToken };
    const page = await parts.queries.listRuns(filter, withinDeadline(context, parts.clock));
    for (const { runId, failureMode } of page.runs) {
      if (modes.size === 0 || modes.has(failureMode)) yield runId;
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

/** The named runs; with a filter by mode those that are there and of another mode are left out. */
async function* namedRuns(
  { parts, context, modes }: Plan,
  runIds: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<string> {
  for await (const runId of runIds) {
    const view =
      modes.size === 0 ? undefined : await find(parts, runId, withinDeadline(context, parts.clock));
    const summary = view instanceof QueryFailedError ? undefined : view?.summary;
    if (summary === undefined || modes.has(summary.failureMode)) yield runId;
  }
}

/** The error where there is no such run, or none any more. */
async function find(
  parts: AdminParts,
  runId: string,
  options: QueryOptions,
): Promise<RunView | QueryFailedError> {
  try {
    return await parts.queries.getRun(runId, options);
  } catch (error) {
    if (error instanceof QueryFailedError && error.code === "NOT_FOUND") return error;
    throw error;
  }
}

/** What a retry of the run would come to now, by what its owner shows of it. */
async function foresee({ parts, context, request }: Plan, runId: string): Promise<Result> {
  const view = await find(parts, runId, withinDeadline(context, parts.clock));
  if (view instanceof QueryFailedError)
    return turnedDown(runId, view.pruned ? RejectCode.PRUNED : RejectCode.RUN_NOT_FOUND, view.message);
  if (view.summary === undefined)
    return turnedDown(runId, RejectCode.RUN_NOT_FOUND, `there is no run ${runId}`);
  const { status } = view.summary;
  if (status === RunStatus.CANCELLED) {
    return turnedDown(runId, RejectCode.NOT_RECOVERABLE, `run ${runId} was cancelled by request`, status);
  }
  if (!isRunRetryable(status)) return turnedDown(runId, RejectCode.NOT_FAILED, "", status);
  const modes = view.actions.flatMap(({ failure, modes: byItem }) => {
    if (byItem.length > 0) return byItem.map(({ mode }) => mode);
    return failure === undefined ? [] : [failure.mode];
  });
  if (!request.force && modes.length > 0 && modes.every((mode) => traitsOf(mode).terminal)) {
    return turnedDown(runId, RejectCode.TERMINAL_MODE, "", status);
  }
  return { runId, kind: Kind.RETRIED, reason: "", items: view.summary.items?.failed ?? 0 };
}

function turnedDown(
  runId: string,
  code: RejectCode,
  message: string,
  status = RunStatus.UNSPECIFIED,
): Result {
  if (code === RejectCode.NOT_FAILED) {
    return { runId, kind: Kind.RACED, reason: `no longer failed: it is ${statusName(status)}`, items: 0 };
  }
  const { summary } = refusalOf(code);
  const kind = code === RejectCode.PRUNED ? Kind.PRUNED : Kind.REFUSED;
  return { runId, kind, reason: message || summary, items: 0, summary };
}

/** Lets through as many as asked for, and looks whether there was one more. */
class Limit {
  exceeded = false;
  constructor(private readonly max: number) {}

  async *apply(source: AsyncIterable<string>): AsyncGenerator<string> {
    let count = 0;
    for await (const each of source) {
      if (this.max !== 0 && count >= this.max) {
        this.exceeded = true;
        return;
      }
      count += 1;
      yield each;
    }
  }
}

/** How many failed runs of the workflow were pruned past their retention, and between when they had ended. */
async function prunedOf({ parts, context, request }: Plan) {
  const { workflows } = await parts.queries.retention(
    request.workflow,
    0,
    withinDeadline(context, parts.clock),
  );
  let prunedPastRetention = 0n;
  let prunedFrom: Timestamp | undefined;
  let prunedUntil: Timestamp | undefined;
  for (const { counts, firstEndedAt, lastEndedAt } of workflows.flatMap(({ pruned }) => pruned)) {
    const failed = counts.filter(({ status }) => isRunRetryable(status));
    if (failed.length === 0) continue;
    for (const { runs } of failed) prunedPastRetention += runs;
    if (prunedFrom === undefined || (firstEndedAt?.seconds ?? 0n) < prunedFrom.seconds)
      prunedFrom = firstEndedAt;
    if (prunedUntil === undefined || (lastEndedAt?.seconds ?? 0n) > prunedUntil.seconds)
      prunedUntil = lastEndedAt;
  }
  return {
    prunedPastRetention,
    ...(prunedFrom === undefined ? {} : { prunedFrom }),
    ...(prunedUntil === undefined ? {} : { prunedUntil }),
  };
}

class Sum {
  #retried = 0n;
  #raced = 0n;
  #refused = 0n;
  #pruned = 0n;
  readonly #reasons = new Map<string, bigint>();

  add({ kind, summary = "" }: Result): void {
    if (kind === Kind.PRUNED) this.#pruned += 1n;
    else if (kind === Kind.RETRIED) this.#retried += 1n;
    else if (kind === Kind.RACED) this.#raced += 1n;
    else {
      this.#refused += 1n;
      this.#reasons.set(summary, (this.#reasons.get(summary) ?? 0n) + 1n);
    }
  }

  outcome() {
    return {
      matched: this.#retried + this.#raced + this.#refused,
      retried: this.#retried,
      raced: this.#raced,
      refused: this.#refused,
      prunedPastRetention: this.#pruned,
      refusedReasons: [...this.#reasons]
        .map(([reason, count]) => ({ reason, count }))
        .toSorted((a, b) => Number(b.count - a.count)),
    };
  }

  /** The error that ended the operation, with how far it had come. Errors about the request itself stay as they are. */
  interrupted(error: unknown): unknown {
    const known = error instanceof RpcError ? error : translate(error);
    if (known?.code !== "UNAVAILABLE") return error;
    const { retried, raced, refused } = this.outcome();
    return new RpcError(
      "UNAVAILABLE",
      `${known.message}. Until then ${retried} were retried, ${raced} raced and ${refused} refused; call again for the rest`,
      { reason: "INTERRUPTED", retried: Number(retried), raced: Number(raced), refused: Number(refused) },
      { cause: error },
    );
  }
}
