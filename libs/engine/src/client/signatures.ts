/**
 * Failure signatures over all partitions: each has an own record of a signature, under the same id; here they are one.
 *
 * 1. A list is put together from all records of all partitions, so that what is small everywhere is not missed; what a partition has
 *    beyond `LOOKED_AT_MAX` is not looked at, and the list says so.
 */
import { SIGNATURE_EXAMPLES_MAX, SIGNATURE_HOURS } from "@holdfast/core";
import {
  type FailedRunRef,
  type FailureSignatureView,
  type ListSignaturesAnswer,
  type ListSignaturesQuery,
  ListSignaturesQuerySchema,
  type SignatureRunsAnswer,
  type SignatureRunsQuery,
  SignatureRunsQuerySchema,
  type SignaturesGaveWay,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { QueryFailedError } from "./query-errors.js";

export interface ListSignaturesFilter {
  /** Empty: of all workflows. */
  readonly workflow?: string;
  /** Only those that something is failed with now. */
  readonly failedOnly?: boolean;
  /** How many are shown: 1-1,000; default 20. */
  readonly limit?: number;
}

export interface FailureSignatures {
  /** Those that most runs are failed with now first, then those with most items, then the last seen. */
  readonly signatures: FailureSignatureView[];
  /** There are more than are shown. */
  readonly more: boolean;
  /** Not all could be looked at: name a workflow. */
  readonly incomplete: boolean;
  /** By workflow, what gave way to newer signatures. */
  readonly gaveWay: SignaturesGaveWay[];
}

export interface FailureSignature {
  readonly signature: FailureSignatureView;
  /** The newest runs that are failed so now. */
  readonly failedRuns: FailedRunRef[];
  readonly moreFailedRuns: boolean;
}

export const SIGNATURES_DEFAULT = 20;
export const SIGNATURES_MAX = 1_000;
const LOOKED_AT_MAX = 10_000;
const A_PAGE = 200;
const RUNS_A_PAGE = 500;
const FAILED_RUNS_SHOWN = 10;
const HOUR_MS = 3_600_000;

export interface AskSignatures {
  readonly partitions: number;
  readonly nowMs: number;
  readonly list: (partition: number, query: ListSignaturesQuery) => Promise<ListSignaturesAnswer>;
  readonly runs: (partition: number, query: SignatureRunsQuery) => Promise<SignatureRunsAnswer>;
}

const everywhere = <T>(ask: AskSignatures, of: (partition: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: ask.partitions }, (_, partition) => of(partition)));

/** The hour that is under way. */
const untilHour = (nowMs: number): bigint => BigInt(Math.floor(nowMs / HOUR_MS));

export async function listSignatures(
  ask: AskSignatures,
  { workflow = "", failedOnly = false, limit = SIGNATURES_DEFAULT }: ListSignaturesFilter,
): Promise<FailureSignatures> {
  const answers = await everywhere(ask, (partition) =>
    allOf(ask, partition, { workflow, failedOnly, untilHour: untilHour(ask.nowMs) }),
  );
  const merged = merge(answers.flatMap(({ signatures }) => signatures)).toSorted(byWeight);
  return {
    signatures: merged.slice(0, limit),
    more: merged.length > limit,
    incomplete: answers.some(({ incomplete }) => incomplete),
    gaveWay: addGaveWay(answers.flatMap(({ gaveWay }) => gaveWay)),
  };
}

async function allOf(ask: AskSignatures, partition: number, wanted: Init<ListSignaturesQuery>) {
  const signatures: FailureSignatureView[] = [];
  const gaveWay: SignaturesGaveWay[] = [];
  let after = "";
  let looked = 0;
  do {
    const query = init(ListSignaturesQuerySchema, { ...wanted, limit: A_PAGE, after });
    const page = await ask.list(partition, query);
    signatures.push(...page.signatures);
    gaveWay.push(...page.gaveWay);
    after = page.nextAfter;
    looked += A_PAGE;
  } while (after !== "" && looked < LOOKED_AT_MAX);
  return { signatures, gaveWay, incomplete: after !== "" };
}

/** Rejects with `NOT_FOUND` where no partition keeps it. */
export async function getSignature(ask: AskSignatures, id: string): Promise<FailureSignature> {
  const query = init(ListSignaturesQuerySchema, { id, untilHour: untilHour(ask.nowMs) });
  const runsQuery = init(SignatureRunsQuerySchema, {
    id,
    limit: FAILED_RUNS_SHOWN + 1,
    before: new Uint8Array(),
  });
  const answers = await everywhere(ask, async (partition) => {
    const { signatures } = await ask.list(partition, query);
    const { runs } = await ask.runs(partition, runsQuery);
    return { signatures, runs };
  });
  const [signature] = merge(answers.flatMap(({ signatures }) => signatures));
  if (signature === undefined)
    throw new QueryFailedError(
      "NOT_FOUND",
      `no failure signature ${id} is kept: nothing has failed so, or it gave way to newer ones`,
      0,
    );
  const runs = answers.flatMap((answer) => answer.runs).toSorted((a, b) => compare(b.createdAt, a.createdAt));
  return {
    signature,
    failedRuns: runs.slice(0, FAILED_RUNS_SHOWN),
    moreFailedRuns: runs.length > FAILED_RUNS_SHOWN,
  };
}

/**
 * The ids of all runs that are failed so, partition by partition, the newest first, a page at a time as they are needed. Also of a
 * signature that gave way: its index is still there. Rejects with `NOT_FOUND` where there is neither a run nor a signature.
 */
export async function* failedRunsOf(ask: AskSignatures, id: string): AsyncGenerator<string> {
  let found = false;
  for (let partition = 0; partition < ask.partitions; partition++) {
    let before: Uint8Array = new Uint8Array();
    do {
      const query = init(SignatureRunsQuerySchema, { id, limit: RUNS_A_PAGE, before });
      const { runs, next } = await ask.runs(partition, query);
      for (const { runId } of runs) {
        found = true;
        yield runId;
      }
      before = next;
    } while (before.length > 0);
  }
  if (!found) await getSignature(ask, id);
}

/** One for each id. */
function merge(views: readonly FailureSignatureView[]): FailureSignatureView[] {
  const byId = new Map<string, FailureSignatureView>();
  // What was seen last comes last, so that its sample and its examples do.
  for (const view of views.toSorted((a, b) => compare(a.lastSeen, b.lastSeen))) {
    const known = byId.get(view.id);
    if (known === undefined) byId.set(view.id, view);
    else add(known, view);
  }
  return [...byId.values()];
}

function add(known: FailureSignatureView, later: FailureSignatureView): void {
  if (compare(later.firstSeen, known.firstSeen) < 0) known.firstSeen = later.firstSeen;
  known.lastSeen = later.lastSeen;
  known.sample = later.sample;
  known.count += later.count;
  known.runs += later.runs;
  known.items += later.items;
  known.partitions += later.partitions;
  known.trend = Array.from(
    { length: SIGNATURE_HOURS },
    (_, i) => (known.trend[i] ?? 0) + (later.trend[i] ?? 0),
  );
  // The newest of each, in turn, as many as are kept of one.
  const newest: FailureSignatureView["examples"] = [];
  for (let i = 1; newest.length < SIGNATURE_EXAMPLES_MAX && i <= SIGNATURE_EXAMPLES_MAX; i++) {
    for (const { examples } of [later, known]) {
      const example = examples.at(-i);
      if (example !== undefined && newest.length < SIGNATURE_EXAMPLES_MAX) newest.unshift(example);
    }
  }
  known.examples = newest;
}

function addGaveWay(all: readonly SignaturesGaveWay[]): SignaturesGaveWay[] {
  const byWorkflow = new Map<string, SignaturesGaveWay>();
  for (const one of all) {
    const known = byWorkflow.get(one.workflow);
    if (known === undefined) {
      byWorkflow.set(one.workflow, one);
      continue;
    }
    known.signatures += one.signatures;
    known.failures += one.failures;
    if (compare(known.at, one.at) < 0) known.at = one.at;
  }
  return [...byWorkflow.values()].toSorted((a, b) => (a.workflow < b.workflow ? -1 : 1));
}

function byWeight(a: FailureSignatureView, b: FailureSignatureView): number {
  if (a.runs !== b.runs) return a.runs > b.runs ? -1 : 1;
  if (a.items !== b.items) return a.items > b.items ? -1 : 1;
  return compare(b.lastSeen, a.lastSeen) || (a.id < b.id ? -1 : 1);
}

type Moment = FailureSignatureView["lastSeen"];

function compare(a: Moment, b: Moment): number {
  const seconds = (a?.seconds ?? 0n) - (b?.seconds ?? 0n);
  if (seconds !== 0n) return seconds < 0n ? -1 : 1;
  return (a?.nanos ?? 0) - (b?.nanos ?? 0);
}
