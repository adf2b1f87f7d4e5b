/** The kinds of moves, how often each is drawn, and mixes in which what a test is about is frequent. */
import * as fc from "fast-check";

export const MOVE_KINDS = [
  "start",
  ...Array.from({ length: 12 }, () => "report" as const),
  "report-undo",
  "report-undo",
  "report-undo",
  "report-undo",
  "report-twice",
  "results",
  "results",
  "checkpoint",
  "stale-report",
  "load",
  "load",
  "load",
  "load",
  "wrong-load",
  "pass-time",
  "pass-time",
  "retry",
  "retry",
  "retry-items",
  "signal",
  "signal",
  "decide",
  "decide",
  "messages",
  "messages",
  "messages",
  "let-go",
  "cancel",
  "pause",
  "pause",
  "pause-workflow",
  "prune",
  "dead-letter",
  "dead-letter",
  "discard",
  "retention",
  "breaker",
  "breaker",
  "tasks-held",
  "tasks-held",
  "schedule",
  "plan",
  "plan",
  "instant",
  "told",
  "bulk",
  "bulk-step",
  "bulk-step",
  "bulk-step",
  "repeat-control",
  "garbage",
  "announce",
  "old-owner",
] as const;

export interface Move {
  readonly kind: (typeof MOVE_KINDS)[number];
  /** Chooses among what there is. */
  readonly pick: number;
  /** Chooses how. */
  readonly how: number;
  /** Whether it goes into the same entry as the move before. */
  readonly joined: boolean;
}

const moveOf = (kinds: readonly Move["kind"][]): fc.Arbitrary<Move> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    pick: fc.nat(63),
    how: fc.nat(63),
    joined: fc.integer({ min: 0, max: 3 }).map((n) => n === 3),
  });

export const arbitraryMove: fc.Arbitrary<Move> = moveOf(MOVE_KINDS);

/** Moves among which whatever ends a run, undoes it and opens it again is frequent. */
export const endingMove: fc.Arbitrary<Move> = moveOf([
  ...MOVE_KINDS,
  ...Array.from({ length: 30 }, () => "report" as const),
  ...Array.from({ length: 12 }, () => "report-undo" as const),
  ...Array.from({ length: 8 }, () => "load" as const),
  ...Array.from({ length: 6 }, () => "pass-time" as const),
  ...Array.from({ length: 6 }, () => "retry" as const),
  ...Array.from({ length: 6 }, () => "cancel" as const),
  ...Array.from({ length: 3 }, () => "checkpoint" as const),
]);

/** Moves among which what schedules do, and what befalls them, is frequent. */
export const scheduleMoves: fc.Arbitrary<Move> = moveOf([
  ...MOVE_KINDS,
  ...Array.from({ length: 12 }, () => "schedule" as const),
  ...Array.from({ length: 24 }, () => "plan" as const),
  ...Array.from({ length: 16 }, () => "instant" as const),
  ...Array.from({ length: 24 }, () => "report" as const),
  ...Array.from({ length: 12 }, () => "messages" as const),
  ...Array.from({ length: 4 }, () => "retry" as const),
]);

/** Moves among which whatever goes into the dead-letter set, out of it, and past its time there is frequent. */
export const deadLetterMoves: fc.Arbitrary<Move> = moveOf([
  ...MOVE_KINDS,
  ...Array.from({ length: 40 }, () => "report" as const),
  ...Array.from({ length: 12 }, () => "dead-letter" as const),
  ...Array.from({ length: 6 }, () => "discard" as const),
  ...Array.from({ length: 12 }, () => "load" as const),
  ...Array.from({ length: 6 }, () => "pass-time" as const),
  ...Array.from({ length: 3 }, () => "retry" as const),
  ...Array.from({ length: 8 }, () => "retry-items" as const),
  ...Array.from({ length: 12 }, () => "prune" as const),
  ...Array.from({ length: 4 }, () => "start" as const),
  ...Array.from({ length: 2 }, () => "retention" as const),
]);

/** Moves among which what opens breakers, and what they then do, is frequent. */
export const breakerMove: fc.Arbitrary<Move> = moveOf([
  ...MOVE_KINDS,
  ...Array.from({ length: 40 }, () => "report" as const),
  ...Array.from({ length: 14 }, () => "pass-time" as const),
  ...Array.from({ length: 8 }, () => "load" as const),
  ...Array.from({ length: 12 }, () => "start" as const),
  ...Array.from({ length: 6 }, () => "breaker" as const),
  ...Array.from({ length: 6 }, () => "tasks-held" as const),
  ...Array.from({ length: 6 }, () => "retry" as const),
]);

/** Moves among which operations on many runs, and the steps that they take, are frequent. */
export const bulkMoves: fc.Arbitrary<Move> = moveOf([
  ...MOVE_KINDS,
  ...Array.from({ length: 30 }, () => "report" as const),
  ...Array.from({ length: 10 }, () => "start" as const),
  ...Array.from({ length: 10 }, () => "bulk" as const),
  ...Array.from({ length: 30 }, () => "bulk-step" as const),
  ...Array.from({ length: 30 }, () => "messages" as const),
  ...Array.from({ length: 6 }, () => "retry" as const),
]);
