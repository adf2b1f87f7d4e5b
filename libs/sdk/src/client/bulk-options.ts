/**
 * What an operation on many runs may be asked for, and the spec that the cluster is given.
 *
 * 1. What is wrong is told before anything begins, in the words of these options.
 * 2. Exactly one selector: types say so, and it is checked for those who have none.
 */
import { type BulkIds, bulkSpecProblem, CANCEL_GRACE_DEFAULT_MS, modeNamed, sortIds } from "@holdfast/core";
import { BulkKind, type BulkSpec, BulkSpecSchema, type FailureMode, RecoveryStrategy } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { FailureModeName } from "../action-error.js";
import { type Duration, durationMs } from "../duration.js";
import { HoldfastError } from "../errors.js";
import type { AnyWorkflow } from "../workflow/workflow.js";

interface Selectors {
  /** All of this workflow. */
  readonly workflow?: AnyWorkflow | string;
  /** With a failed action (of a cancel: one that has not ended) that workers take from this queue. */
  readonly queue?: string;
  /** That failed alike: the id of a failure signature, as `failures()` lists them. */
  readonly signature?: string;
  /** These, at most 10,000 and 512 KiB of ids; each is counted once. What can be no run id is refused alone, with its place. */
  readonly runIds?: readonly string[];
}

/** One of them, and none of the others. */
type OneOf<Names extends keyof Selectors> = {
  readonly [Name in Names]: { readonly [Key in Name]-?: NonNullable<Selectors[Key]> } & {
    readonly [Other in Exclude<keyof Selectors, Name>]?: undefined;
  };
}[Names];

interface Common {
  /** Changes nothing; the results say what would be done. */
  readonly dryRun?: boolean;
  /** At most so many runs; default: all that match. */
  readonly limit?: number;
  /** Kept with each run. */
  readonly reason?: string;
  /** Names the operation. The same id again begins nothing new: what there is is returned. Default: a fresh one. */
  readonly operationId?: string;
}

interface OfFailed extends Common {
  /** Only what failed in one of these modes. */
  readonly modes?: readonly FailureModeName[];
  /** Only what ended at or after this, and before that. */
  readonly endedFrom?: Date;
  readonly endedUntil?: Date;
}

export type BulkRetryOptions = OneOf<keyof Selectors> &
  OfFailed & {
    /** As for one run; `RECOMMENDED`: for each what is recommended for it. Default: the failed parts. */
    readonly strategy?: "RETRY_FAILED" | "RETRY_FROM_CHECKPOINT" | "RETRY_ALL" | "RECOMMENDED";
    /** Also failures whose mode is terminal; audited. */
    readonly force?: boolean;
    /** So many at first. Once those have ended, and half of them better, the rest; in waves of `later`, where that is given. */
    readonly canary?: { readonly first: number; readonly later?: number };
  };

export type BulkMoveOptions = OneOf<keyof Selectors> & OfFailed;

export type BulkDiscardOptions = BulkMoveOptions & { readonly reason: string };

/** Of runs that have not ended. */
export type BulkCancelOptions = OneOf<"workflow" | "queue" | "runIds"> &
  Common & {
    /** Only what was created at or after this, and before that. */
    readonly createdFrom?: Date;
    readonly createdUntil?: Date;
    /** How long attempts under way may still end well; default 10 s, 0: no time at all. */
    readonly grace?: Duration;
  };

/** All that any of them may say, as it comes in from those who have no types. */
export type AnyBulkOptions = {
  readonly [Name in keyof All]?: All[Name] | undefined;
};

export interface All extends Selectors, OfFailed {
  readonly strategy?: string;
  readonly force?: boolean;
  readonly canary?: { readonly first?: number; readonly later?: number };
  readonly createdFrom?: Date;
  readonly createdUntil?: Date;
  readonly grace?: Duration;
}

export interface WantedBulk {
  readonly spec: BulkSpec;
  readonly ids: BulkIds;
}

/** Throws `INVALID_ARGUMENT` for what can't be done. */
export function wantedBulk(kind: BulkKind, options: AnyBulkOptions, who: string): WantedBulk {
  checkSelector(options);
  const { workflow = "", queue = "", signature = "", strategy, canary, grace } = options;
  const ids = sortIds(Array.from(options.runIds ?? [], textOf));
  const isCancel = kind === BulkKind.CANCEL;
  const spec = init(BulkSpecSchema, {
    kind,
    workflow: typeof workflow === "string" ? workflow : workflow.name,
    queue,
    signature,
    byIds: options.runIds !== undefined,
    modes: (options.modes ?? []).map(modeOf),
    fromNs: nsOf(isCancel ? "createdFrom" : "endedFrom", isCancel ? options.createdFrom : options.endedFrom),
    untilNs: nsOf(
      isCancel ? "createdUntil" : "endedUntil",
      isCancel ? options.createdUntil : options.endedUntil,
    ),
    strategy: strategyOf(strategy),
    recommended: strategy === RECOMMENDED,
    force: options.force ?? false,
    dryRun: options.dryRun ?? false,
    limit: wholeNumber("limit", options.limit),
    canaryFirst: wholeNumber("canary.first", canary?.first),
    canaryThen: wholeNumber("canary.later", canary?.later),
    who,
    reason: options.reason ?? "",
    graceMs: !isCancel ? 0 : grace === undefined ? CANCEL_GRACE_DEFAULT_MS : durationMs(grace, "grace"),
  });
  if (spec.canaryThen > 0 && spec.canaryFirst === 0) throw invalid("canary.later needs canary.first");
  const problem = bulkSpecProblem(spec, ids);
  if (problem !== undefined) throw invalid(problem);
  return { spec, ids };
}

const invalid = (message: string): HoldfastError => new HoldfastError("INVALID_ARGUMENT", message);

const SELECTORS = ["workflow", "queue", "signature", "runIds"] as const;

function checkSelector(options: AnyBulkOptions): void {
  const given = SELECTORS.filter((name) => options[name] !== undefined);
  const wanted = "give exactly one selector: workflow, queue, signature or runIds";
  if (given.length === 0) throw invalid(`no selector was given; ${wanted}`);
  if (given.length > 1) throw invalid(`${given.join(" and ")} were given together; ${wanted}`);
  const [name] = given;
  const value = name === undefined ? undefined : options[name];
  if (value === "") throw invalid(`${name} is empty; ${wanted}`);
  if (name === "runIds" && !Array.isArray(value)) throw invalid("runIds is not a list of run ids");
}

/** Whoever has no types may put anything into the list: what is no text is told as what can be no run id. */
function textOf(entry: unknown): string {
  if (typeof entry === "string") return entry;
  if (typeof entry === "number") return `(number) ${entry}`;
  return entry === null ? "(null)" : `(${typeof entry})`;
}

const RECOMMENDED = "RECOMMENDED";
const STRATEGIES: ReadonlyMap<string | undefined, RecoveryStrategy> = new Map([
  [undefined, RecoveryStrategy.UNSPECIFIED],
  [RECOMMENDED, RecoveryStrategy.UNSPECIFIED],
  ["RETRY_FAILED", RecoveryStrategy.RETRY_FAILED],
  ["RETRY_FROM_CHECKPOINT", RecoveryStrategy.RETRY_FROM_CHECKPOINT],
  ["RETRY_ALL", RecoveryStrategy.RETRY_ALL],
]);

function strategyOf(name: string | undefined): RecoveryStrategy {
  const strategy = STRATEGIES.get(name);
  if (strategy !== undefined) return strategy;
  throw invalid(
    `strategy is ${JSON.stringify(name)}: use RETRY_FAILED, RETRY_FROM_CHECKPOINT, RETRY_ALL or RECOMMENDED`,
  );
}

function modeOf(name: FailureModeName): FailureMode {
  const mode = modeNamed(name);
  if (mode === undefined) throw invalid(`modes holds ${JSON.stringify(name)}, which is no failure mode`);
  return mode;
}

const WHOLE_MAX = 2 ** 32 - 1;

function wholeNumber(what: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (Number.isInteger(value) && value >= 1 && value <= WHOLE_MAX) return value;
  throw invalid(`${what} is ${String(value)}: give a whole number from 1`);
}

const NS_PER_MS = 1_000_000n;

function nsOf(what: string, time: Date | undefined): bigint {
  if (time === undefined) return 0n;
  const ms = time.getTime();
  if (ms >= 0) return BigInt(ms) * NS_PER_MS;
  throw invalid(`${what} is ${String(time)}: give a date after 1970`);
}
