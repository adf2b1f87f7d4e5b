/**
 * A circuit breaker during one command: its record, and the only ways in which it changes state.
 *
 *     CLOSED → OPEN → HALF_OPEN → RECOVERING → CLOSED
 *
 * 1. CLOSED → OPEN: in the window at least min_samples ended and the rate of dependency failures reaches the policy's.
 * 2. OPEN → HALF_OPEN: by timer, when it was open long enough. One bad probe opens it again, for longer, up to the cap.
 * 3. HALF_OPEN → CLOSED when all probes ended well; → RECOVERING where attempts are held, which leave in waves that double. A wave
 *    that fails opens it again.
 * 4. An operator opens and resets it. Every transition is written down with time and cause.
 * 5. At most one timer of it counts: the last one set.
 */
import {
  type Attention,
  AttentionKind,
  AttentionSchema,
  type BreakerName,
  BreakerNameSchema,
  type BreakerRecord,
  BreakerRecordSchema,
  BreakerStatus,
  BreakerTotalsSchema,
  BreakerTransitionSchema,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { FoldContext } from "../fold/context.js";
import { BREAKER_HISTORY_NS, BREAKER_TRANSITIONS_MAX, BREAKER_WAVE_MAX } from "../limits.js";
import { openForMs, type ResolvedBreaker, resolveBreaker, type Sign } from "../policy/breaker.js";
import { breakerKey } from "../state/tables.js";
import { cutText, spanText, timeText } from "../text.js";
import { addToWindow, clearWindow, rateBp, takeFromWindow, windowCounts } from "./window.js";

const MS = 1_000_000n;
/** How long after an attempt's start-to-close nothing may be heard of it before its place is looked at. */
const PATIENCE_MS = 300_000;

/** What tells a breaker from others. */
export type Name = Pick<BreakerName, "workflow" | "action" | "key">;

export interface OpenBreaker {
  readonly ctx: FoldContext;
  readonly name: Name;
  readonly record: BreakerRecord;
  readonly policy: ResolvedBreaker;
}

/** Undefined where it has no record: it is closed, and nothing ended lately. */
export function findBreaker(ctx: FoldContext, name: Name): OpenBreaker | undefined {
  const record = ctx.view.get(breakerKey(name));
  const policy = resolveBreaker(record?.policy);
  return record === undefined || policy === undefined ? undefined : { ctx, name, record, policy };
}

export function makeBreaker(ctx: FoldContext, name: Name, policy: ResolvedBreaker): OpenBreaker {
  const record = init(BreakerRecordSchema, {
    status: BreakerStatus.CLOSED,
    policy: policy.definition,
    head: 1n,
    tail: 1n,
    lastAtNs: ctx.atNs,
  });
  clearWindow(record);
  const breaker = { ctx, name, record, policy };
  totals(ctx).records += 1;
  setTimer(breaker, ctx.atNs + keptNs(breaker));
  return breaker;
}

export function totals({ applied }: FoldContext): NonNullable<FoldContext["applied"]["breakers"]> {
  applied.breakers ??= init(BreakerTotalsSchema);
  return applied.breakers;
}

/** To be called by whoever changed it. */
export const saveBreaker = ({ ctx, name, record }: OpenBreaker): void =>
  ctx.view.put(breakerKey(name), record);

function setTimer({ ctx, name, record }: OpenBreaker, dueNs: bigint): void {
  record.timers += 1;
  const breaker = init(BreakerNameSchema, name);
  ctx.setTimer(dueNs, init(TimerRecordSchema, { kind: TimerKind.BREAKER, breaker, attempt: record.timers }));
}

/** How long it is remembered with nothing heard. */
const keptNs = ({ record, policy }: OpenBreaker): bigint => {
  const windowNs = BigInt(policy.windowMs) * MS;
  return record.transitions.length > 0 && windowNs < BREAKER_HISTORY_NS ? BREAKER_HISTORY_NS : windowNs;
};

function move(breaker: OpenBreaker, to: BreakerStatus, cause: string, who = ""): void {
  const { ctx, name, record } = breaker;
  const from = record.status;
  record.status = to;
  const text = cutText(cause, 512);
  record.transitions.push(init(BreakerTransitionSchema, { atNs: ctx.atNs, from, to, cause: text, who }));
  if (record.transitions.length > BREAKER_TRANSITIONS_MAX)
    record.transitions.splice(0, record.transitions.length - BREAKER_TRANSITIONS_MAX);
  const all = totals(ctx);
  if (from === BreakerStatus.CLOSED && to !== BreakerStatus.CLOSED) all.open += 1;
  if (from !== BreakerStatus.CLOSED && to === BreakerStatus.CLOSED) all.open -= 1;
  // Probes that are still out when another one failed stay probes: they keep their places, and are not spent either.
  if (to !== BreakerStatus.OPEN && to !== BreakerStatus.HALF_OPEN) record.probes = [];
  record.good = 0;
  record.waveSize = 0;
  record.waveLeft = 0;
  record.waveEnded = 0;
  record.openUntilNs = 0n;
  ctx.emit({ kind: "breaker", ...name, from, to, cause: text, who });
}

/** `untilNs`: an operator's wish; 0: until it is reset. */
export function open(breaker: OpenBreaker, cause: string, who = "", untilNs?: bigint): void {
  const { ctx, record, policy } = breaker;
  if (untilNs === undefined) record.opened += 1;
  move(breaker, BreakerStatus.OPEN, cause, who);
  record.openUntilNs = untilNs ?? ctx.atNs + BigInt(openForMs(policy, record.opened)) * MS;
  if (record.openUntilNs > 0n) setTimer(breaker, record.openUntilNs);
  // Older timers are void all the same.
  else record.timers += 1;
  tellOpened(breaker);
}

/** Once for each time that it opens from closed: while it is tried in vain, people know. */
function tellOpened({ ctx, name, record }: OpenBreaker): void {
  const last = record.transitions.at(-1);
  if (last?.from !== BreakerStatus.CLOSED) return;
  record.openedSeq = BigInt(ctx.seq);
  ctx.emit({ kind: "attention", attention: openAttention(name, record, ctx.atNs) });
}

/** What a person is told of a breaker that is not closed, at a time. */
export function openAttention(name: Name, record: BreakerRecord, atNs: bigint): Attention {
  const { workflow, action, key } = name;
  const of = key === "" ? `${workflow}/${action}` : `${workflow}/${action} for "${key}"`;
  const message = `${of}: ${holdText(record)}. Look at what it depends on; its work goes on by itself once that answers, or is let out by a reset`;
  return init(AttentionSchema, { kind: AttentionKind.BREAKER_OPEN, workflow, action, message, atNs });
}

/** The dependency answers again: what is held leaves in waves; where nothing is, all is as before. */
export function recovered(breaker: OpenBreaker, cause: string, who = ""): void {
  const { ctx, record, policy } = breaker;
  clearWindow(record);
  if (record.held === 0) {
    closeBreaker(breaker, cause, who);
    return;
  }
  move(breaker, BreakerStatus.RECOVERING, cause, who);
  beginWave(breaker, Math.min(policy.probes * 2, BREAKER_WAVE_MAX));
  setTimer(breaker, ctx.atNs + patienceNs(breaker));
}

export function closeBreaker(breaker: OpenBreaker, cause: string, who = ""): void {
  breaker.record.opened = 0;
  move(breaker, BreakerStatus.CLOSED, cause, who);
  setTimer(breaker, breaker.ctx.atNs + keptNs(breaker));
}

const patienceNs = ({ policy }: OpenBreaker): bigint => BigInt(Math.max(PATIENCE_MS, policy.openForMs)) * MS;

function beginWave({ record }: OpenBreaker, size: number): void {
  record.waveSize = size;
  record.waveLeft = size;
  record.waveEnded = 0;
}

/** An attempt of it ended, or no more is to come of it ("nothing"). */
export function heard(breaker: OpenBreaker, probe: Probe, sign: Sign): void {
  const { ctx, record, policy } = breaker;
  record.lastAtNs = ctx.atNs;
  if (sign !== "nothing") addToWindow(record, policy.windowMs, ctx.atNs, sign === "bad");
  const at = record.probes.findIndex((known) => isSame(known, probe));
  if (at >= 0) record.probes.splice(at, 1);
  switch (record.status) {
    case BreakerStatus.CLOSED:
      if (sign === "bad") tripWhere(breaker, policy.minSamples);
      return;
    case BreakerStatus.HALF_OPEN:
      if (at < 0) return;
      if (sign === "bad") open(breaker, "a probe failed");
      else if (sign === "good") {
        record.good += 1;
        if (record.good >= policy.probes) recovered(breaker, `${record.good} probes ended well`);
      }
      return;
    case BreakerStatus.RECOVERING:
      record.waveEnded += 1;
      if (sign === "bad" && tripWhere(breaker, Math.min(policy.minSamples, record.waveSize))) return;
      if (record.waveLeft === 0 && record.waveEnded >= record.waveSize)
        beginWave(breaker, Math.min(record.waveSize * 2, BREAKER_WAVE_MAX));
      return;
    default:
  }
}

/** What is heard of a job takes the place of what was heard of it before. It is no probe, and none of a wave: its submit was. */
export function heardOfJob(
  breaker: OpenBreaker,
  bad: boolean,
  before: { readonly atNs: bigint; readonly bad: boolean },
): void {
  const { ctx, record, policy } = breaker;
  record.lastAtNs = ctx.atNs;
  if (before.atNs > clearedAtNs(record)) takeFromWindow(record, policy.windowMs, before.atNs, before.bad);
  addToWindow(record, policy.windowMs, ctx.atNs, bad);
  if (!bad) return;
  if (record.status === BreakerStatus.CLOSED) tripWhere(breaker, policy.minSamples);
  else if (record.status === BreakerStatus.RECOVERING)
    tripWhere(breaker, Math.min(policy.minSamples, record.waveSize));
}

/** When what was in its window was last forgotten: as it recovered. 0: never, as far as is known. */
const clearedAtNs = ({ transitions }: BreakerRecord): bigint =>
  transitions.findLast(({ from, to }) => RECOVERED.has(to) && from !== BreakerStatus.RECOVERING)?.atNs ?? 0n;

const RECOVERED: ReadonlySet<BreakerStatus> = new Set([BreakerStatus.RECOVERING, BreakerStatus.CLOSED]);

function tripWhere(breaker: OpenBreaker, samples: number): boolean {
  const { ctx, record, policy } = breaker;
  const counts = windowCounts(record, policy.windowMs, ctx.atNs);
  if (counts.ended < samples || rateBp(counts) < policy.failureRateBp) return false;
  const within = spanText(BigInt(policy.windowMs));
  open(breaker, `${counts.failed} of ${counts.ended} attempts failed within ${within}`);
  return true;
}

/** An attempt, as probes are named. */
export interface Probe {
  readonly runId: string;
  readonly action: number;
  readonly item?: number | undefined;
  readonly attempt: number;
}

const isSame = (a: Probe, b: Probe): boolean =>
  a.runId === b.runId &&
  a.action === b.action &&
  (a.item ?? -1) === (b.item ?? -1) &&
  a.attempt === b.attempt;

export const isProbe = ({ probes }: BreakerRecord, probe: Probe): boolean =>
  probes.some((known) => isSame(known, probe));

/** Attempts that may begin now; undefined: as many as there are. */
export function placesOf({ record, policy }: OpenBreaker): number | undefined {
  switch (record.status) {
    case BreakerStatus.OPEN:
      return 0;
    case BreakerStatus.HALF_OPEN:
      return Math.max(0, policy.probes - record.good - record.probes.length);
    case BreakerStatus.RECOVERING:
      return record.waveLeft;
    default:
      return undefined;
  }
}

/** Its timer is due. `isStale`: nothing is to be expected of a probe any more. False: it is forgotten, or the timer was void. */
export function breakerDue(breaker: OpenBreaker, timer: number, isStale: (probe: Probe) => boolean): boolean {
  const { ctx, record } = breaker;
  if (record.timers !== timer) return false;
  const quietNs = ctx.atNs - record.lastAtNs;
  switch (record.status) {
    case BreakerStatus.OPEN:
      move(breaker, BreakerStatus.HALF_OPEN, "it was open long enough");
      setTimer(breaker, ctx.atNs + patienceNs(breaker));
      return true;
    case BreakerStatus.HALF_OPEN:
      record.probes = record.probes.filter((probe) => !isStale(probe));
      setTimer(breaker, ctx.atNs + patienceNs(breaker));
      return true;
    case BreakerStatus.RECOVERING:
      if (quietNs >= patienceNs(breaker)) beginWave(breaker, record.waveSize);
      setTimer(breaker, ctx.atNs + patienceNs(breaker));
      return true;
    default:
      if (quietNs >= keptNs(breaker) && record.held === 0) {
        ctx.view.del(breakerKey(breaker.name));
        totals(ctx).records -= 1;
        return false;
      }
      setTimer(breaker, record.lastAtNs + keptNs(breaker) + 1n);
      return true;
  }
}

/** What is said of whatever it holds. */
export function holdText({ status, openUntilNs, transitions }: BreakerRecord): string {
  const last = transitions.at(-1);
  const why = last === undefined ? "" : `: ${last.who === "" ? "" : `by ${last.who}, `}${last.cause}`;
  if (status === BreakerStatus.OPEN) {
    const until = openUntilNs === 0n ? "until it is reset" : `until ${timeText(openUntilNs)}`;
    return `breaker open ${until}${why}`;
  }
  if (status === BreakerStatus.HALF_OPEN) return "breaker half open: waits for its probes to end";
  if (status === BreakerStatus.RECOVERING) return "breaker recovering: waits for its turn";
  return "breaker closed";
}
