/**
 * Tells a run that can never end by itself from one that takes its time.
 *
 * 1. Where no timer is set and nothing is under way, nothing happens any more.
 * 2. A handler that holds up time is named.
 * 3. A schedule always has a next timer. While only schedules go on, a run is given a hundred leaps in which one of their runs may do
 *    something for it; if nothing of it changes, and no timer is of it or of its children, none will.
 */
import { isTerminal } from "@holdfast/core";
import type { Node } from "@holdfast/engine";
import { ActionStatus, RunStatus, type RunView } from "@holdfast/proto";
import type { Holdfast } from "../client/holdfast.js";
import type { TimeSkipper } from "./time.js";

/** Real milliseconds in which nothing happened and nothing can, before a run is said never to end. */
const STUCK_MS = 500;
const LOOK_MS = 50;
const SCHEDULE_LEAPS = 100;
/** Children, and theirs, that are looked at. */
const FAMILY_MAX = 1_000;

export interface Watched {
  readonly holdfast: Holdfast;
  readonly runId: string;
  readonly node: () => Node | undefined;
  readonly skipper: TimeSkipper | undefined;
  /** `over`: it has ended. */
  readonly watch: { readonly over: boolean };
}

/** Rejects once nothing can end the run any more by itself. */
export async function neverEnds(watched: Watched): Promise<never> {
  const { holdfast, runId, skipper, watch } = watched;
  let seen = "";
  let seenAtLeap = skipper?.leaps ?? 0;
  const held = skipper?.watchHandlers();
  for (;;) {
    // The race is decided, and nobody listens.
    if (watch.over) return await new Promise<never>(() => undefined);
    if ((skipper?.stuckMs ?? 0) >= STUCK_MS)
      throw await whyOpen(holdfast, runId, "nothing is under way and no timer is set");
    if (skipper !== undefined && skipper.leaps - seenAtLeap >= SCHEDULE_LEAPS) {
      const family = await familyOf(holdfast, runId);
      const now = [...family.values()].map(standOf).join();
      if (now === seen && (await onlySchedules(watched, family)))
        throw await whyOpen(holdfast, runId, "only schedules go on, and their runs do nothing for it");
      if (now !== seen) seenAtLeap = skipper.leaps;
      seen = now;
    }
    await new Promise<void>((resolve) => {
      setTimeout(resolve, LOOK_MS).unref();
    });
    if (skipper !== undefined && held?.look(LOOK_MS) === true) throw await skipper.heldUp();
  }
}

/** A run, its children and theirs. */
async function familyOf(holdfast: Holdfast, runId: string): Promise<Map<string, RunView>> {
  const family = new Map<string, RunView>();
  const wanted = [runId];
  for (let next = wanted.pop(); next !== undefined && family.size < FAMILY_MAX; next = wanted.pop()) {
    if (family.has(next)) continue;
    const view = await holdfast.queries.getRun(next).catch(() => undefined);
    if (view === undefined) continue;
    family.set(next, view);
    for (const { child } of view.actions) if (child !== undefined) wanted.push(child.runId);
  }
  return family;
}

const standOf = ({ summary, actions }: RunView): string =>
  `${summary?.status}/${summary?.generation}/${actions.map((each) => `${each.status}.${each.attempt}.${each.items?.pending}.${each.items?.running}.${each.items?.retrying}`).join()}`;

async function onlySchedules({ node }: Watched, family: ReadonlyMap<string, RunView>): Promise<boolean> {
  const timers = (await node()?.pendingTimers()) ?? [];
  return (
    timers.some(({ of }) => of === "schedule") &&
    timers.every(({ of, runId, scheduled }) => of === "schedule" || (scheduled && !family.has(runId)))
  );
}

async function whyOpen(holdfast: Holdfast, runId: string, why: string): Promise<Error> {
  const view = await holdfast.queries.getRun(runId, { full: true });
  const open = view.actions
    .filter(({ status }) => !isTerminal(status))
    .map(({ name, status, detail, note }) => {
      const says = [detail, note].filter((text) => text !== "").join("; ");
      return `  ${name}: ${ActionStatus[status]}${says === "" ? "" : `, ${says}`}`;
    });
  return new Error(
    `run ${runId} can't end by itself: ${why}. It is ${RunStatus[view.summary?.status ?? 0]}; open are:\n${open.join("\n")}`,
  );
}
