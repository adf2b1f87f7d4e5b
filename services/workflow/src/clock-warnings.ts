/**
 * What people are told of clocks that differ.
 *
 * 1. From 500 ms on, where every partition says so: an offset is measured by entries that arrive, and one that was late by half a second on a busy machine looks
 *    like a clock that is ahead by as much. All partitions' at once are not late.
 * 2. From 1 s on, where one does: of several servers one may be wrong alone.
 */
const ALL_OFF_MS = 500;
const ONE_OFF_MS = 1_000;

/** `most`: by how much the log's clock is ahead of this machine's (less than 0: behind), where that is the most; `least`: where entries come the fastest. */
export function clockWarnings(mostMs: number, leastMs: number): string[] {
  const offsetMs = Math.abs(mostMs) >= ONE_OFF_MS ? mostMs : leastMs;
  if (Math.abs(offsetMs) < ALL_OFF_MS) return [];
  const seconds = Math.round(Math.abs(offsetMs) / 100) / 10;
  const where = offsetMs < 0 ? "ahead of" : "behind";
  return [
    `this machine's clock is ${seconds} s ${where} the clock of the log's server: set the wrong one right; runs go by the log's, and commands of clients by their own machines'`,
  ];
}
