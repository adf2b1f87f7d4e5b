/** Why a command is refused for the time at which it says that it was issued: both clocks, by how much they differ, and what to do. */
import { CLOCK_SKEW_NS, DEDUPE_WINDOW_NS } from "../limits.js";
import { spanText, timeText } from "../text.js";

const NS_PER_S = 1_000_000_000n;
const HOUR_NS = 3_600n * NS_PER_S;

/** Undefined: its time is well. */
export function expiredText(id: string, issuedAtNs: bigint, atNs: bigint): string | undefined {
  const aheadNs = issuedAtNs - atNs;
  if (aheadNs <= CLOCK_SKEW_NS && -aheadNs < DEDUPE_WINDOW_NS) return undefined;
  if (issuedAtNs === 0n)
    return `command ${id} does not say when it was issued, so it can't be told from a repetition: send it with issued_at_ns, its sender's time in Unix nanoseconds`;
  const clocks = `command ${id} was issued at ${timeText(issuedAtNs)} by its sender's clock, and the log had it at ${timeText(atNs)} by its server's`;
  if (aheadNs > CLOCK_SKEW_NS)
    return `${clocks}: ${span(aheadNs)} ahead, and at most ${span(CLOCK_SKEW_NS)} is taken. Set the sender's clock, or the server's where that is the wrong one, then send a new command`;
  return `${clocks}: ${span(-aheadNs)} behind, and after ${span(DEDUPE_WINDOW_NS)} it can't be told from a repetition. Where it was on its way for less than that, set the sender's clock; look at what it was to change, then send a new command`;
}

/** Whole hours where there are many: what is over does not matter then. */
const span = (ns: bigint): string =>
  spanText((ns >= 10n * HOUR_NS ? (ns / HOUR_NS) * HOUR_NS : (ns / NS_PER_S) * NS_PER_S) / 1_000_000n);
