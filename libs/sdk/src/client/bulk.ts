/**
 * Operations on many runs: retries, cancels, moves to the dead letters and discards that belong to the cluster, and go on whoever has asked.
 *
 * 1. What is wrong with a wish is said before anything begins.
 * 2. Everything that is thrown is a `HoldfastError`.
 */
import { runIdProblem } from "@holdfast/core";
import {
  abortBulkCommand,
  bulkHome,
  type Clock,
  type CommandClient,
  prunedFailed,
  type QueryClient,
  QueryFailedError,
  startBulkCommand,
} from "@holdfast/engine";
import { BulkKind, type GetBulkAnswer, RejectCode } from "@holdfast/proto";
import { from, HoldfastError } from "../errors.js";
import { handedOutEach } from "../handed-out.js";
import { freshId } from "../ids.js";
import { acceptedOf } from "./accepted.js";
import { guardBy } from "./boundary.js";
import {
  type AnyBulkOptions,
  type BulkCancelOptions,
  type BulkDiscardOptions,
  type BulkMoveOptions,
  type BulkRetryOptions,
  wantedBulk,
} from "./bulk-options.js";
import { type BulkProgress, type BulkRunResult, isNews, progressOf, runResultOf } from "./bulk-progress.js";
import { BulkWaits } from "./bulk-waits.js";
import { checkCallOptions } from "./option-names.js";
import type { ChangeOptions } from "./options.js";
import type { WorkflowRegistry } from "./registry.js";

/** Whose options are whose, by what an operation does. */
const CALLS = {
  [BulkKind.UNSPECIFIED]: ["bulkRetry", "bulk.retry"],
  [BulkKind.RETRY]: ["bulkRetry", "bulk.retry"],
  [BulkKind.CANCEL]: ["bulkCancel", "bulk.cancel"],
  [BulkKind.MOVE_TO_DEAD_LETTERS]: ["bulkMove", "bulk.moveToDeadLetters"],
  [BulkKind.DISCARD]: ["bulkMove", "bulk.discard"],
} as const satisfies Readonly<Record<BulkKind, readonly [string, string]>>;
const LIST_DEFAULT = 50;
const LIST_MAX = 1_000;

/** What an operation came to. */
export interface BulkOutcome extends BulkProgress {
  /** Between when those had ended that were pruned; of a retry of a workflow or a queue. */
  readonly prunedFrom?: Date;
  readonly prunedUntil?: Date;
}

export interface BulkDeps {
  readonly commands: CommandClient;
  readonly queries: QueryClient;
  readonly registry: WorkflowRegistry;
  readonly clock: Clock;
  readonly who: string;
}

export class Bulk {
  readonly #deps: BulkDeps;
  readonly #waits: BulkWaits;

  constructor(deps: BulkDeps) {
    this.#deps = deps;
    this.#waits = new BulkWaits(deps.queries, deps.clock);
  }

  /** Sets failed runs off again. Resolves once it is durable; what matches is what does when it begins. */
  retry(options: BulkRetryOptions): Promise<BulkOperation> {
    return this.#begin(BulkKind.RETRY, options);
  }

  /** Cancels runs that have not ended. */
  cancel(options: BulkCancelOptions): Promise<BulkOperation> {
    return this.#begin(BulkKind.CANCEL, options);
  }

  /** Puts failed runs aside. */
  moveToDeadLetters(options: BulkMoveOptions): Promise<BulkOperation> {
    return this.#begin(BulkKind.MOVE_TO_DEAD_LETTERS, options);
  }

  /** Gives up what is in the dead letters. There has to be a reason; it stays in each run's history. */
  discard(options: BulkDiscardOptions): Promise<BulkOperation> {
    return this.#begin(BulkKind.DISCARD, options);
  }

  /** How far one is. Kept for a day after its end; `OPERATION_NOT_FOUND` then. */
  get(operationId: string): Promise<BulkProgress> {
    return guard(async () => {
      const { operation } = await this.#deps.queries.bulk(checkedId(operationId), { fromPage: 0, pages: 0 });
      if (operation === undefined) throw new Error(`operation ${operationId} was answered without itself`);
      return progressOf(operation);
    });
  }

  /** Operations of the whole cluster, the newest first. */
  list(options: { readonly limit?: number } = {}): Promise<BulkProgress[]> {
    return guard(async () => {
      checkCallOptions("bulkList", options, "bulk.list");
      const { limit = LIST_DEFAULT } = options;
      if (!Number.isInteger(limit) || limit < 1 || limit > LIST_MAX)
        throw new HoldfastError("INVALID_ARGUMENT", `limit is ${String(limit)}: give 1 to ${LIST_MAX}`);
      return (await this.#deps.queries.bulks(limit)).map(progressOf);
    });
  }

  /** It comes to no more runs; what it has set off goes on. `OPERATION_ENDED` where it does so anyway. */
  abort(operationId: string, options: ChangeOptions = {}): Promise<void> {
    return guard(async () => {
      checkCallOptions("change", options, "bulk.abort");
      const { reason = "", requestId } = options;
      const { commands, queries, clock, who } = this.#deps;
      const id = requestId ?? freshId("bulk");
      const command = abortBulkCommand({
        operationId: checkedId(operationId),
        who,
        reason,
        id,
        nowMs: clock.nowMs(),
      });
      acceptedOf(await commands.submit(bulkHome(operationId, queries.partitions), command));
    });
  }

  /** An operation that somebody began, to be followed. Nothing is asked until something of it is. */
  operation(operationId: string): BulkOperation {
    return new BulkOperation(this, checkedId(operationId), true);
  }

  /** For `BulkOperation`. */
  until(
    operationId: string,
    fromPage: number | undefined,
    isWanted: (found: GetBulkAnswer) => boolean,
  ): Promise<GetBulkAnswer> {
    return guard(() => this.#waits.until(operationId, fromPage, isWanted));
  }

  /** For `BulkOperation`: what it came to, with what was pruned before it could. */
  outcome({ operation }: GetBulkAnswer): Promise<BulkOutcome> {
    return guard(async () => {
      if (operation === undefined) throw new Error("an operation was answered without itself");
      const progress = progressOf(operation);
      const { spec } = operation;
      if (spec?.kind !== BulkKind.RETRY || spec.byIds || spec.signature !== "") return progress;
      const pruned = prunedFailed(await this.#deps.queries.retention(spec.workflow, 0), spec.queue);
      if (pruned.from === undefined || pruned.until === undefined) return progress;
      const [prunedFrom, prunedUntil] = [pruned.from, pruned.until].map(
        ({ seconds }) => new Date(Number(seconds) * 1_000),
      ) as [Date, Date];
      return { ...progress, pruned: Number(pruned.runs), prunedFrom, prunedUntil };
    });
  }

  /** For tests whose time skips: how many wait for news, how many ever began to, and having them all ask at once. */
  get awaited(): number {
    return this.#waits.size;
  }

  get waitsBegun(): number {
    return this.#waits.begun;
  }

  askNow(): Promise<void> {
    return this.#waits.askNow();
  }

  /** Whoever waits gets `error`. */
  close(error: Error): void {
    this.#waits.close(error);
  }

  #begin(kind: BulkKind, options: AnyBulkOptions): Promise<BulkOperation> {
    return guard(async () => {
      const { commands, queries, registry, clock, who } = this.#deps;
      const [of, call] = CALLS[kind];
      checkCallOptions(of, options, call);
      checkCallOptions("canary", options.canary, `canary in ${call}`);
      const { spec, ids } = wantedBulk(kind, options, who);
      const { workflow } = spec;
      if (workflow !== "" && (await registry.latest(workflow)) === undefined)
        throw new HoldfastError("UNKNOWN_WORKFLOW", `no workflow ${workflow} was ever registered`);
      const operationId =
        options.operationId === undefined ? freshId("bulk") : checkedId(options.operationId);
      const command = startBulkCommand({
        operationId,
        spec,
        ids,
        id: freshId("bulk"),
        nowMs: clock.nowMs(),
      });
      const outcome = await commands.submit(bulkHome(operationId, queries.partitions), command);
      const { result } = outcome;
      const existed = result.case === "rejected" && result.value.code === RejectCode.OPERATION_EXISTS;
      if (!existed) acceptedOf(outcome);
      return new BulkOperation(this, operationId, existed);
    });
  }
}

/** One operation: to follow it, to wait for its end, and to end it early. It goes on whether anybody does. */
export class BulkOperation {
  readonly #bulk: Bulk;

  constructor(
    bulk: Bulk,
    readonly operationId: string,
    /** It was there before. */
    readonly existed: boolean,
  ) {
    this.#bulk = bulk;
  }

  get(): Promise<BulkProgress> {
    return this.#bulk.get(this.operationId);
  }

  abort(options?: ChangeOptions): Promise<void> {
    return this.#bulk.abort(this.operationId, options);
  }

  /** What became of each run, as it happens, each run once, from the first on; ends when the operation does. */
  results(): AsyncGenerator<BulkRunResult, void, undefined> {
    return handedOutEach(this.#results());
  }

  async *#results(): AsyncGenerator<BulkRunResult, void, undefined> {
    for (let page = 0; ; ) {
      const at = page;
      const { results, nextPage, operation } = await this.#bulk.until(
        this.operationId,
        at,
        (found) => found.nextPage > at || hasEnded(found),
      );
      for (const result of results) yield runResultOf(result);
      page = nextPage;
      if (operation !== undefined && page >= operation.pages && progressOf(operation).isEnded) return;
    }
  }

  /** How far it is: now, and whenever that has changed. The last one has ended. */
  progress(): AsyncGenerator<BulkProgress, void, undefined> {
    return handedOutEach(this.#progress());
  }

  async *#progress(): AsyncGenerator<BulkProgress, void, undefined> {
    let last: BulkProgress | undefined;
    while (last?.isEnded !== true) {
      const before: BulkProgress | undefined = last;
      const { operation } = await this.#bulk.until(
        this.operationId,
        undefined,
        (found) => found.operation !== undefined && isNews(before, progressOf(found.operation)),
      );
      if (operation === undefined) return;
      last = progressOf(operation);
      yield last;
    }
  }

  /** Waits until it has nothing more to do; runs that it set off may go on. Says what it came to. */
  ended(): Promise<BulkOutcome> {
    return guard(async () =>
      this.#bulk.outcome(await this.#bulk.until(this.operationId, undefined, hasEnded)),
    );
  }
}

const hasEnded = ({ operation }: GetBulkAnswer): boolean =>
  operation !== undefined && progressOf(operation).isEnded;

function checkedId(operationId: string): string {
  const problem = runIdProblem(operationId);
  if (problem !== undefined)
    throw new HoldfastError("INVALID_ARGUMENT", `an operation's id is written as a run's: ${problem}`);
  return operationId;
}

/** The boundary: whatever is thrown below becomes a `HoldfastError`. */
const guard = <T>(run: () => T | Promise<T>): Promise<T> =>
  guardBy(run, (error) =>
    error instanceof QueryFailedError && error.code === "NOT_FOUND"
      ? new HoldfastError("OPERATION_NOT_FOUND", error.message, "never", {}, { cause: error })
      : from(error),
  );
