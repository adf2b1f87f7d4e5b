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
  /** What a person said no to, and how; undefined: nothing. */
  readonly rejected?: string | undefined;
  /** Its last retry was cancelled. */
  readonly retryCancelled?: boolean;
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
  const { cancelled, mode, done, total, subject, rejected, notUndone = [] } = question;
  const say = (strategy: RecoveryStrategy, reason: string, hint: string): Recommendation =>
    init(RecommendationSchema, {
      strategy,
      reason,
      hint:
        mendHint(question) +
        hint +
        terminalHint(question) +
        unclassifiedHint(question) +
        undoneHint(question) +
        stoppedHint(question),
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
  if (rejected !== undefined)
    return say(
      MANUAL,
      `a person said no (${rejected})`,
      `Nothing asks again by itself. Once whoever rejected it would say yes, retry ${subject}, which asks them anew.`,
    );
  const { lasting, passing } = partsOf(question);
  if (passing.length === 0) {
    const does = lasting.length === 1 ? "does not go away by itself" : "do not go away by themselves";
    return say(
      MANUAL,
      `${namesOf(lasting)} ${does}`,
      mode === FailureMode.CANCELLED
        ? `Retry ${subject} once the work is wanted again.`
        : `Mend what caused ${countsOf(lasting)}, then retry the failed parts of ${subject}: a retry alone would fail in the same way.`,
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
  const little = done === 0 ? "Nothing" : "So little";
  return say(
    RETRY_ALL,
    done === 0
      ? `${traits.name} may pass, and nothing is done (0 of ${total})`
      : `${traits.name} may pass, but only ${shown}`,
    `${little} of ${subject} is done${done === 0 ? ": it may run again as a whole" : " that it may as well run again as a whole"}.`,
  );
}

interface ModeCounted {
  readonly mode: FailureMode;
  readonly count: number;
}

/** What failed in modes that a retry alone does not change, and in those that may pass. */
function partsOf({ mode, modes }: RecoveryQuestion): {
  readonly lasting: readonly ModeCounted[];
  readonly passing: readonly ModeCounted[];
} {
  const all = modes.length > 1 ? modes : [{ mode, count: 1 }];
  return {
    lasting: all.filter((entry) => !traitsOf(entry.mode).retryable),
    passing: all.filter((entry) => traitsOf(entry.mode).retryable),
  };
}

const namesOf = (parts: readonly ModeCounted[]): string => listed(parts.map(({ mode }) => modeName(mode)));

/** "48 × VALIDATION and 10 × HANDLER_BUG"; of one alone its name. */
const countsOf = (parts: readonly ModeCounted[]): string =>
  parts.length === 1
    ? namesOf(parts)
    : listed(parts.map(({ mode, count }) => `${modeName(mode)} (${count})`));

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

/** Where only a part of what failed may pass: what is to be mended first, and what a retry alone would change. */
function mendHint(question: RecoveryQuestion): string {
  const { lasting, passing } = partsOf(question);
  if (question.cancelled || lasting.length === 0 || passing.length === 0) return "";
  const counted = (parts: readonly ModeCounted[]): string =>
    listed(parts.map(({ mode, count }) => `${count} with ${modeName(mode)}`));
  return `Mend first what caused ${namesOf(lasting)}: a retry alone changes nothing for ${counted(lasting)}, and may help ${counted(passing)}. `;
}

/** Says that nothing sets it off by itself, whatever its policy. */
const stoppedHint = ({ retryCancelled = false }: RecoveryQuestion): string =>
  retryCancelled ? " Its last retry was cancelled, so nothing sets it off by itself." : "";

/** Names the terminal modes among several, so that nobody expects a plain retry to take them along. */
function terminalHint({ mode, modes }: RecoveryQuestion): string {
  if (traitsOf(mode).terminal) return "";
  const terminal = modes.filter((entry) => traitsOf(entry.mode).terminal);
  if (terminal.length === 0) return "";
  const named = terminal.map((entry) => `${entry.count} with ${modeName(entry.mode)}`).join(", ");
  return ` A retry leaves out what failed in a terminal mode (${named}) unless it is forced.`;
}

/** Of what kind it is nobody said: a retry may help, but whoever knows better should say so. */
function unclassifiedHint({ mode, modes }: RecoveryQuestion): string {
  const count = modes.find((entry) => entry.mode === FailureMode.UNCLASSIFIED)?.count ?? 0;
  if (mode !== FailureMode.UNCLASSIFIED && count === 0) return "";
  const which = mode === FailureMode.UNCLASSIFIED ? "The failure is" : `${count} of the failures are`;
  return ` ${which} UNCLASSIFIED: whether it passes is not known. Read the message first; a handler says the kind with ActionError, a workflow with classify.`;
}

/** Says that a retry does anew what was undone, whatever else it keeps. */
function undoneHint({ cancelled, undone = [] }: RecoveryQuestion): string {
  if (undone.length === 0) return "";
  const names = undone.join(", ");
  return cancelled ? ` Undone: ${names}.` : ` What was undone (${names}) runs again, whatever the strategy.`;
}
