/** How far an operation on many runs is and what it came to, as programs read it: names for codes, numbers and dates. Reads only. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { isBulkEnded } from "@holdfast/core";
import {
  BulkKind,
  type BulkOperationView,
  type BulkResult,
  BulkResultKind,
  BulkStatus,
} from "@holdfast/proto";

export type BulkKindName = Exclude<keyof typeof BulkKind, "UNSPECIFIED">;
/** MATCHING, RUNNING, WAITING (for a wave's runs, or a breaker), CLOSING; then COMPLETED, ABORTED or HALTED. */
export type BulkStatusName = Exclude<keyof typeof BulkStatus, "UNSPECIFIED">;
/** DONE: retried, cancelled, moved or discarded; RACED: it was not any more what it was matched as. */
export type BulkResultName = Exclude<keyof typeof BulkResultKind, "UNSPECIFIED">;

/** What became of one run. */
export interface BulkRunResult {
  readonly runId: string;
  readonly kind: BulkResultName;
  /** Why it was refused, or what it was found as. */
  readonly reason: string;
  /** Failed items that run again. */
  readonly items: number;
}

export interface BulkProgress {
  readonly operationId: string;
  readonly kind: BulkKindName;
  readonly status: BulkStatusName;
  /** It has nothing more to do. Runs that it set off may go on. */
  readonly isEnded: boolean;
  readonly dryRun: boolean;
  /** Runs that match, as far as is known; and to how many of them it is to come. */
  readonly found: number;
  readonly total: number;
  /** done + raced + refused: what it came to, each run once. */
  readonly matched: number;
  readonly done: number;
  readonly raced: number;
  readonly refused: number;
  /** Why, and how many. */
  readonly refusals: readonly { readonly why: string; readonly count: number }[];
  /** Of those that were named: pruned before. Not among the matched. */
  readonly pruned: number;
  /** Failed items that were set off again. */
  readonly items: number;
  /** It was ended before it came to these. */
  readonly left: number;
  /** How the runs that it set off have ended since, and how many have not. */
  readonly ends: {
    readonly completed: number;
    readonly completedWithFailures: number;
    readonly failed: number;
    readonly cancelled: number;
  };
  readonly outstanding: number;
  /** From 1; 0: none has begun. */
  readonly wave: number;
  /** What it waits for, or why it was ended early. */
  readonly detail: string;
  readonly startedAt: Date | undefined;
  readonly endedAt: Date | undefined;
  /** Until when it and its results are kept. */
  readonly keptUntil: Date | undefined;
}

export function progressOf(view: BulkOperationView): BulkProgress {
  const { operationId, spec, status, counts, ends } = view;
  const [done, raced, refused] = [counts?.done, counts?.raced, counts?.refused].map(numberOf) as [
    number,
    number,
    number,
  ];
  return {
    operationId,
    kind: (BulkKind[spec?.kind ?? 0] ?? "UNSPECIFIED") as BulkKindName,
    status: (BulkStatus[status] ?? "UNSPECIFIED") as BulkStatusName,
    isEnded: isBulkEnded(status),
    dryRun: spec?.dryRun ?? false,
    found: numberOf(view.found),
    total: numberOf(view.total),
    matched: done + raced + refused,
    done,
    raced,
    refused,
    refusals: (counts?.refusals ?? []).map(({ why, count }) => ({ why, count: Number(count) })),
    pruned: numberOf(counts?.pruned),
    items: numberOf(counts?.items),
    left: numberOf(view.left),
    ends: {
      completed: numberOf(ends?.completed),
      completedWithFailures: numberOf(ends?.completedWithFailures),
      failed: numberOf(ends?.failed),
      cancelled: numberOf(ends?.cancelled),
    },
    outstanding: numberOf(view.outstanding),
    wave: view.wave,
    detail: view.detail,
    startedAt: dateOf(view.startedAt),
    endedAt: dateOf(view.endedAt),
    keptUntil: dateOf(view.keptUntil),
  };
}

export const runResultOf = ({ runId, kind, reason, items }: BulkResult): BulkRunResult => ({
  runId,
  kind: (BulkResultKind[kind] ?? "UNSPECIFIED") as BulkResultName,
  reason,
  items,
});

/** Whether anything of it is different. */
export const isNews = (before: BulkProgress | undefined, now: BulkProgress): boolean =>
  before === undefined || JSON.stringify(before) !== JSON.stringify(now);

const numberOf = (count: bigint | undefined): number => Number(count ?? 0n);

const dateOf = (at: Timestamp | undefined): Date | undefined =>
  at === undefined ? undefined : new Date(Number(at.seconds) * 1_000 + Math.floor(at.nanos / 1_000_000));
