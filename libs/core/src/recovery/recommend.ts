/**
 * Which recovery strategy is recommended, and why. A table, read from the top: the first row that holds decides.
 */
import { FailureMode, RecoveryStrategy, type Recommendation, RecommendationSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { modeName, traitsOf } from "../failure/modes.js";

export interface RecoveryQuestion {
  readonly cancelled: boolean;
  /** UNSPECIFIED: nothing failed. */
  readonly mode: FailureMode;
  /** Modes of what failed, where they differ. */
  readonly modes: readonly { readonly mode: FailureMode; readonly count: number }[];
  /** Units that are done, of `total`. */
  readonly done: number;
  readonly total: number;
  /** Names of actions that were undone before it ended, and of those that could not be. */
  readonly undone?: readonly string[];
  readonly notUndone?: readonly string[];
  /** What is asked about, for the sentences: "run r1", "action load". */
  readonly subject: string;
}

/** Completion in thousandths, rounded down; nothing to do is nothing done. */
export const completionMilli = (done: number, total: number): number =>
  total === 0 ? 0 : Math.floor((done * 1000) / total);

export function recommend(question: RecoveryQuestion): Recommendation {
  const { cancelled, mode, done, total, subject, notUndone = [] } = question;
  const say = (strategy: RecoveryStrategy, reason: string, hint: string): Recommendation =>
    init(RecommendationSchema, {
      strategy,
      reason,
      hint: hint + terminalHint(question) + undoneHint(question),
      recoverable: strategy !== RecoveryStrategy.ABORT && strategy !== RecoveryStrategy.MANUAL,
      mode,
    });
  const { ABORT, MANUAL, RETRY_ALL, RETRY_FAILED, RETRY_FROM_CHECKPOINT } = RecoveryStrategy;
  if (notUndone.length > 0) {
    const names = notUndone.join(", ");
    return say(
      MANUAL,
      `could not be undone: ${names}`,
      cancelled
        ? `Mend by hand what ${names} of ${subject} did; it was cancelled, so nothing is to be retried.`
        : `A person has to look at what ${names} of ${subject} did: it still stands, wholly or in part. A retry takes it for done; RETRY_ALL does it again.`,
    );
  }
  if (cancelled)
    return say(
      ABORT,
      "it was cancelled by request",
      `Nothing is to be recovered of ${subject}; start a new run if the work is still wanted.`,
    );
  if (mode === FailureMode.UNSPECIFIED)
    return say(ABORT, "nothing failed", `Nothing is to be recovered of ${subject}.`);
  const traits = traitsOf(mode);
  if (traits.terminal) {
    return say(
      MANUAL,
      `${traits.name} is terminal`,
      `A person has to look at ${subject}; once the cause is mended, retry it with force.`,
    );
  }
  if (!traits.retryable) {
    return say(
      MANUAL,
      `${traits.name} does not go away by itself`,
      `Mend what caused ${traits.name}, then retry the failed parts of ${subject}.`,
    );
  }
  // Compared without division: 74.9 % must not become 75 %.
  const shown = `${(Math.floor((done * 1000) / Math.max(total, 1)) / 10).toFixed(1)} % is done (${done} of ${total})`;
  if (total > 0 && done * 100 >= total * 75) {
    return say(
      RETRY_FAILED,
      `${traits.name} may pass, and ${shown}`,
      `Retry only what failed of ${subject}; the rest is kept.`,
    );
  }
  if (total > 0 && done * 100 >= total * 25) {
    return say(
      RETRY_FROM_CHECKPOINT,
      `${traits.name} may pass, and ${shown}`,
      `Go on with ${subject} from where it stopped; what is done is kept.`,
    );
  }
  return say(
    RETRY_ALL,
    `${traits.name} may pass, but only ${shown}`,
    `So little of ${subject} is done that it may as well run again as a whole.`,
  );
}

/** Names the terminal modes among several, so that nobody expects a plain retry to take them along. */
function terminalHint({ mode, modes }: RecoveryQuestion): string {
  if (traitsOf(mode).terminal) return "";
  const terminal = modes.filter((entry) => traitsOf(entry.mode).terminal);
  if (terminal.length === 0) return "";
  const named = terminal.map((entry) => `${entry.count} with ${modeName(entry.mode)}`).join(", ");
  return ` A retry leaves out what failed in a terminal mode (${named}) unless it is forced.`;
}

/** Says that a retry does anew what was undone, whatever else it keeps. */
function undoneHint({ cancelled, undone = [] }: RecoveryQuestion): string {
  if (undone.length === 0) return "";
  const names = undone.join(", ");
  return cancelled ? ` Undone: ${names}.` : ` What was undone (${names}) runs again, whatever the strategy.`;
}
