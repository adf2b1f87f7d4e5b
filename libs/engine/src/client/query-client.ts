/**
 * Asks the owners of partitions, and puts the answers of all partitions together.
 *
 * 1. A question changes nothing, so one without an answer is asked again until its deadline.
 * 2. A partition that can't answer is an error that names it, never a gap in a list or a count that is too low.
 */
import { partitionOf } from "@holdfast/core";
import {
  type BulkOperationView,
  type GetBulkAnswer,
  type ItemCounts,
  type ItemStatus,
  type ItemView,
  type PartitionStatus,
  type RetentionAnswer,
  type Payload,
  type QueryError,
  QueryErrorCode,
  type QueryRequest,
  QueryRequestSchema,
  type QueryResponse,
  QueryResponseSchema,
  type RunView,
  type ScheduleView,
  type WorkflowCounts,
} from "@holdfast/proto";
import type { Bus } from "../ports/bus.js";
import { type Clock, systemClock } from "../ports/clock.js";
import { PortError } from "../ports/errors.js";
import { querySubject } from "../subjects.js";
import { decode, encode } from "./codec.js";
import { addRetention } from "./retention.js";
import { addCounts, sortedCounts } from "./counts.js";
import { decodeItemsToken, encodeItemsToken } from "./page-token.js";
import { QueryFailedError } from "./query-errors.js";
import { type DeadLettersPage, listDeadLetters, type ListDeadLettersFilter } from "./list-dead-letters.js";
import { listBulk } from "./bulk.js";
import { type ListSchedulesFilter, listSchedules, type SchedulesPage } from "./schedules.js";
import {
  type AskSignatures,
  type FailureSignature,
  type FailureSignatures,
  failedRunsOf,
  getSignature,
  type ListSignaturesFilter,
  listSignatures,
  SIGNATURES_DEFAULT,
  SIGNATURES_MAX,
} from "./signatures.js";
import { type ListRunsFilter, listRuns, type RunsPage } from "./list-runs.js";

export interface QueryLimits {
  /** A question is asked again until this long after it was first asked. */
  readonly timeoutMs: number;
  /** One try is given up after this long. */
  readonly tryMs: number;
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

export const DEFAULT_QUERY_LIMITS: QueryLimits = {
  timeoutMs: 5_000,
  tryMs: 2_000,
  backoffMs: 20,
  backoffMsMax: 500,
};

/** Rows of one page of anything. */
export const PAGE_SIZE_DEFAULT = 50;
export const PAGE_SIZE_MAX = 1_000;

export interface QueryOptions {
  /** Give up with `UNAVAILABLE` after this long. */
  readonly timeoutMs?: number | undefined;
  /** Answer only from a state that has folded this log sequence: an outcome's `seq` reads one's own write. */
  readonly minSeq?: number | bigint | undefined;
}

export interface ListItemsFilter {
  /** Empty: the run's only action over items. */
  readonly action?: string;
  /** Empty: any. */
  readonly statuses?: readonly ItemStatus[];
  /** At most 100, where the action says where its items' keys stand; empty: any. */
  readonly keys?: readonly string[];
  readonly pageSize?: number;
  readonly pageToken?: string;
}

export interface ItemsPage {
  readonly items: ItemView[];
  readonly counts: ItemCounts | undefined;
  /** Empty: no more. */
  readonly nextPageToken: string;
}

export interface Counts {
  /** By workflow, in order of names. */
  readonly workflows: WorkflowCounts[];
  readonly total: WorkflowCounts;
}

type Kind = QueryRequest["kind"];
type Result = QueryResponse["result"];
type Answered =
  | "run"
  | "runs"
  | "items"
  | "counts"
  | "payload"
  | "status"
  | "retention"
  | "deadLetters"
  | "schedule"
  | "schedules"
  | "signatures"
  | "signatureRuns"
  | "bulk"
  | "bulks";
type ResultOf<C extends Result["case"]> = Extract<Result, { case: C }> extends { value: infer V } ? V : never;

export class QueryClient {
  readonly partitions: number;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #limits: QueryLimits;

  constructor(deps: {
    readonly bus: Bus;
    readonly partitions: number;
    readonly clock?: Clock;
    readonly limits?: Partial<QueryLimits>;
  }) {
    this.partitions = deps.partitions;
    this.#bus = deps.bus;
    this.#clock = deps.clock ?? systemClock;
    this.#limits = { ...DEFAULT_QUERY_LIMITS, ...deps.limits };
  }

  /** The answer of one partition's owner. Rejects with a `QueryFailedError`. */
  async query(partition: number, kind: Kind, options: QueryOptions = {}): Promise<Result> {
    const data = encode(QueryRequestSchema, {
      $typeName: "holdfast.v1.QueryRequest",
      minSeq: BigInt(options.minSeq ?? 0),
      kind,
    });
    const deadlineMs = this.#clock.monotonicMs() + (options.timeoutMs ?? this.#limits.timeoutMs);
    let backoffMs = this.#limits.backoffMs;
    for (;;) {
      const leftMs = deadlineMs - this.#clock.monotonicMs();
      const answer = await this.#ask(partition, data, Math.max(1, Math.min(this.#limits.tryMs, leftMs)));
      if (!(answer instanceof QueryFailedError)) return answer;
      if (answer.code !== "UNAVAILABLE") throw answer;
      if (this.#clock.monotonicMs() + backoffMs >= deadlineMs) throw answer;
      const pauseMs = backoffMs;
      await new Promise<void>((resolve) => void this.#clock.after(pauseMs, resolve));
      backoffMs = Math.min(backoffMs * 2, this.#limits.backoffMsMax);
    }
  }

  /** One run as its owner sees it; `full` also brings input, outputs and history. `NOT_FOUND` where there is none. */
  getRun(runId: string, options: QueryOptions & { readonly full?: boolean } = {}): Promise<RunView> {
    const kind: Kind = {
      case: "getRun",
      value: { $typeName: "holdfast.v1.GetRunQuery", runId, full: options.full ?? false },
    };
    return this.#expect(this.#home(runId), kind, "run", options);
  }

  /** A payload kept in state: an action's output (by index in the definition) or, without `action`, the run's input. */
  getPayload(runId: string, action: number | undefined, options: QueryOptions = {}): Promise<Payload> {
    const value = { $typeName: "holdfast.v1.GetPayloadQuery" as const, runId };
    const kind: Kind = { case: "getPayload", value: action === undefined ? value : { ...value, action } };
    return this.#expect(this.#home(runId), kind, "payload", options);
  }

  /** Runs of all partitions, newest first, a page at a time. `INVALID` for a page token that is not of this list. */
  listRuns(filter: ListRunsFilter = {}, options: QueryOptions = {}): Promise<RunsPage> {
    return listRuns(this.partitions, { ...filter, pageSize: pageSize(filter.pageSize) }, (partition, value) =>
      this.#expect(partition, { case: "listRuns", value }, "runs", options),
    );
  }

  /** What is in the dead-letter set of all partitions, the last moved first, a page at a time. */
  listDeadLetters(filter: ListDeadLettersFilter = {}, options: QueryOptions = {}): Promise<DeadLettersPage> {
    const paged = { ...filter, pageSize: pageSize(filter.pageSize) };
    return listDeadLetters(this.partitions, paged, (partition, value) =>
      this.#expect(partition, { case: "listDeadLetters", value }, "deadLetters", options),
    );
  }

  /** Items of one action of a run, by index, a page at a time. */
  async listItems(
    runId: string,
    filter: ListItemsFilter = {},
    options: QueryOptions = {},
  ): Promise<ItemsPage> {
    const action = filter.action ?? "";
    const kind: Kind = {
      case: "listItems",
      value: {
        $typeName: "holdfast.v1.ListItemsQuery",
        runId,
        action,
        statuses: [...(filter.statuses ?? [])],
        keys: [...(filter.keys ?? [])],
        limit: pageSize(filter.pageSize),
        fromIndex: filter.pageToken ? decodeItemsToken(filter.pageToken, runId, action) : 0,
      },
    };
    const answer = await this.#expect(this.#home(runId), kind, "items", options);
    return {
      items: answer.items,
      counts: answer.counts,
      nextPageToken: answer.more ? encodeItemsToken(runId, action, answer.nextIndex) : "",
    };
  }

  /** Counts of runs by workflow over all partitions. */
  async counts(workflow = "", options: QueryOptions = {}): Promise<Counts> {
    const kind: Kind = { case: "getCounts", value: { $typeName: "holdfast.v1.GetCountsQuery", workflow } };
    const answers = await this.#scatter((partition) => this.#expect(partition, kind, "counts", options));
    return sortedCounts(addCounts(answers.flatMap((answer) => answer.workflows)));
  }

  /** How long ended runs are kept, what was pruned over all partitions, and the newest sweeps. */
  async retention(workflow = "", sweeps = 0, options: QueryOptions = {}): Promise<RetentionAnswer> {
    const kind: Kind = {
      case: "retention",
      value: { $typeName: "holdfast.v1.RetentionQuery", workflow, sweeps },
    };
    const answers = await this.#scatter((partition) => this.#expect(partition, kind, "retention", options));
    return addRetention(answers, sweeps);
  }

  /** One schedule, with the history that is kept of it. `NOT_FOUND` where there is none. */
  schedule(name: string, options: QueryOptions = {}): Promise<ScheduleView> {
    const kind: Kind = {
      case: "getSchedule",
      value: { $typeName: "holdfast.v1.GetScheduleQuery", name },
    };
    return this.#expect(this.#home(name), kind, "schedule", options);
  }

  /** Schedules of all partitions in the order of their names, a page at a time, each with its last instant. */
  schedules(filter: ListSchedulesFilter = {}, options: QueryOptions = {}): Promise<SchedulesPage> {
    const wanted = { ...filter, pageSize: pageSize(filter.pageSize) };
    return listSchedules(this.partitions, wanted, (partition, value) =>
      this.#expect(partition, { case: "listSchedules", value }, "schedules", options),
    );
  }

  /** Failures alike over all partitions: those that most runs are failed with now first. */
  signatures(filter: ListSignaturesFilter = {}, options: QueryOptions = {}): Promise<FailureSignatures> {
    const limit = Math.min(SIGNATURES_MAX, Math.max(1, Math.floor(filter.limit || SIGNATURES_DEFAULT)));
    return listSignatures(this.#askSignatures(options), { ...filter, limit });
  }

  /** One failure signature, with examples and the newest runs that are failed so. `NOT_FOUND` where no partition keeps it. */
  signature(id: string, options: QueryOptions = {}): Promise<FailureSignature> {
    return getSignature(this.#askSignatures(options), id);
  }

  /** The ids of all runs that are failed in the way of a signature. */
  failedRunsOf(signature: string, options: QueryOptions = {}): AsyncGenerator<string> {
    return failedRunsOf(this.#askSignatures(options), signature);
  }

  /** A bulk operation with the results of some of its runs: from `fromPage` on, so many pages. `NOT_FOUND` where there is none. */
  bulk(
    operationId: string,
    wanted: { readonly fromPage?: number; readonly pages?: number } = {},
    options: QueryOptions = {},
  ): Promise<GetBulkAnswer> {
    const { fromPage = 0, pages = 0 } = wanted;
    const value = { $typeName: "holdfast.v1.GetBulkQuery" as const, operationId, fromPage, pages };
    return this.#expect(this.#home(operationId), { case: "getBulk", value }, "bulk", options);
  }

  /** Bulk operations of all partitions, the newest first. */
  bulks(limit = 50, options: QueryOptions = {}): Promise<BulkOperationView[]> {
    return listBulk(this.partitions, limit, (partition, value) =>
      this.#expect(partition, { case: "listBulk", value }, "bulks", options),
    );
  }

  /** How each partition fares. One that does not answer is in the list too, as `unavailable` with the problem. */
  status(options: QueryOptions = {}): Promise<PartitionStatus[]> {
    const kind: Kind = { case: "status", value: { $typeName: "holdfast.v1.StatusQuery" } };
    return this.#scatter(async (partition) => {
      try {
        return await this.#expect(partition, kind, "status", options);
      } catch (error) {
        if (!(error instanceof QueryFailedError)) throw error;
        return unavailableStatus(partition, error.message);
      }
    });
  }

  #askSignatures(options: QueryOptions): AskSignatures {
    return {
      partitions: this.partitions,
      nowMs: this.#clock.nowMs(),
      list: (partition, value) =>
        this.#expect(partition, { case: "listSignatures", value }, "signatures", options),
      runs: (partition, value) =>
        this.#expect(partition, { case: "signatureRuns", value }, "signatureRuns", options),
    };
  }

  #home(runId: string): number {
    return partitionOf(runId, this.partitions);
  }

  #scatter<T>(ask: (partition: number) => Promise<T>): Promise<T[]> {
    return Promise.all(Array.from({ length: this.partitions }, (_, partition) => ask(partition)));
  }

  async #expect<C extends Answered>(
    partition: number,
    kind: Kind,
    wanted: C,
    options: QueryOptions,
  ): Promise<ResultOf<C>> {
    const result = await this.query(partition, kind, options);
    if (result.case === wanted) return result.value as ResultOf<C>;
    throw new QueryFailedError(
      "INTERNAL",
      `partition ${partition} answered ${kind.case ?? "nothing"} with ${result.case ?? "nothing"}: its node may be of another version`,
      partition,
    );
  }

  async #ask(partition: number, data: Uint8Array, timeoutMs: number): Promise<Result | QueryFailedError> {
    try {
      const answer = await this.#bus.request(querySubject(partition), data, timeoutMs);
      const { result } = decode(QueryResponseSchema, answer);
      return result.case === "error" ? answeredError(partition, result.value) : result;
    } catch (thrown) {
      if (thrown instanceof PortError && thrown.retry !== "never") {
        const why =
          thrown.code === "no-responders" ? "no node owns it just now" : "its owner does not answer";
        return new QueryFailedError(
          "UNAVAILABLE",
          `partition ${partition} is unavailable: ${why}; try again, and look at the cluster's status if it lasts`,
          partition,
          { cause: thrown },
        );
      }
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      return new QueryFailedError(
        "INTERNAL",
        `partition ${partition} could not be asked: ${why}`,
        partition,
        {
          cause: thrown,
        },
      );
    }
  }
}

function pageSize(asked: number | undefined): number {
  return Math.min(PAGE_SIZE_MAX, Math.max(1, Math.floor(asked || PAGE_SIZE_DEFAULT)));
}

function answeredError(partition: number, { code, message, pruned }: QueryError): QueryFailedError {
  const named: Partial<Record<QueryErrorCode, QueryFailedError["code"]>> = {
    [QueryErrorCode.NOT_FOUND]: "NOT_FOUND",
    [QueryErrorCode.INVALID]: "INVALID",
    [QueryErrorCode.UNAVAILABLE]: "UNAVAILABLE",
  };
  const name = named[code] ?? "INTERNAL";
  const text = name === "UNAVAILABLE" ? `partition ${partition} is unavailable: ${message}` : message;
  return new QueryFailedError(name, text, partition, { pruned });
}

function unavailableStatus(partition: number, problem: string): PartitionStatus {
  return {
    $typeName: "holdfast.v1.PartitionStatus",
    partition,
    state: "unavailable",
    owner: "",
    epoch: 0n,
    appliedSeq: 0n,
    lastSeq: 0n,
    problem,
    readyTasks: 0,
    inFlightTasks: 0,
    retentionBehindMs: 0n,
    paused: [],
    openBreakers: 0,
    heldActions: 0,
    ownerSilentMs: 0n,
    logBytes: 0n,
    logBytesMax: 0n,
    workerWarnings: [],
  };
}
