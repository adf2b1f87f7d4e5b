/**
 * Time that skips: while somebody waits for a run to end and nothing is under way, the clock leaps to the next timer.
 *
 * 1. Under way is: a task with a worker, an entry that is not folded, a task that a worker could take. While a handler awaits anything, time goes on
 *    at its usual pace.
 * 2. Time never leaps over a timer.
 * 3. Whoever asks now and then, since nobody tells, asks before each leap: what has ended is not waited for any more.
 * 4. A handler that never ends would hold up time for ever: whoever lets time pass is told so once nothing was folded for a while.
 */
import type { Node } from "@holdfast/engine";
import type { SkippingClock } from "@holdfast/engine/memory";

export interface SkipDeps {
  readonly clock: SkippingClock;
  readonly node: () => Node | undefined;
  /** How many ends are waited for. */
  readonly awaited: () => number;
  /** How many waits ever began: one that has not asked yet may be for what has ended. */
  readonly waitsBegun: () => number;
  /** Has whoever asks now and then, since nobody tells, ask at once. */
  readonly askNow: () => Promise<void>;
  /** Real milliseconds without anything new, though tasks are with workers, after which that is said. */
  readonly handlerLimitMs: number;
  /** Why nothing goes on, naming what is with workers. */
  readonly heldUp: () => Promise<Error>;
}

const POLL_MS = 1;
const TURNS = 4;

export class TimeSkipper {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  private held = 0;
  private leapt = 0;
  /** Since when nothing was under way though somebody waited, and no timer is set; real milliseconds. */
  private stuckSinceMs: number | undefined;

  constructor(private readonly deps: SkipDeps) {
    this.plan();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  /** How often time leapt since somebody waited. */
  get leaps(): number {
    return this.leapt;
  }

  /** For how long nothing could have happened any more though somebody waits, in real milliseconds. */
  get stuckMs(): number {
    return this.stuckSinceMs === undefined ? 0 : performance.now() - this.stuckSinceMs;
  }

  /** For whoever waits for a run. */
  watchHandlers(): HeldUp {
    return new HeldUp(this.deps);
  }

  heldUp(): Promise<Error> {
    return this.deps.heldUp();
  }

  /** Lets so much time pass, stopping at each timer on the way until what it sets off is done. */
  async advance(byMs: number): Promise<void> {
    const { clock } = this.deps;
    const endMs = clock.nowMs() + byMs;
    this.held += 1;
    try {
      for (;;) {
        await this.quiet();
        const nextMs = this.deps.node()?.nextTimerMs;
        const leftMs = endMs - clock.nowMs();
        if (nextMs === undefined || nextMs >= endMs || leftMs <= 0) break;
        clock.leap(Math.max(1, nextMs + 1 - clock.nowMs()));
      }
      clock.leap(endMs - clock.nowMs());
      await this.quiet();
    } finally {
      this.held -= 1;
    }
  }

  private plan(): void {
    if (this.closed) return;
    this.timer = setTimeout(() => {
      // While a node comes or goes there is nothing to look at; the next look tells.
      const again = (): void => this.plan();
      void this.look().then(again, again);
    }, POLL_MS);
    this.timer.unref();
  }

  private async look(): Promise<void> {
    const { awaited, waitsBegun, askNow, node, clock } = this.deps;
    if (awaited() === 0 || this.held > 0 || !(await this.isQuiet()) || awaited() === 0) {
      this.stuckSinceMs = undefined;
      return;
    }
    const nextMs = node()?.nextTimerMs;
    if (nextMs === undefined) {
      this.stuckSinceMs ??= performance.now();
      return;
    }
    this.stuckSinceMs = undefined;
    const byMs = nextMs + 1 - clock.nowMs();
    if (byMs <= 0) return;
    // What is there already must not be missed by a leap that is for what is to come.
    const [at, begun] = [this.state(), waitsBegun()];
    await askNow();
    if (!(await this.isQuiet()) || this.state() !== at || this.held > 0) return;
    if (awaited() === 0 || waitsBegun() !== begun) return;
    this.leapt += 1;
    clock.leap(byMs);
  }

  private async quiet(): Promise<void> {
    const held = new HeldUp(this.deps);
    while (!this.closed && !(await this.isQuiet())) {
      await new Promise<void>((resolve) => setTimeout(resolve, POLL_MS));
      if (held.look(POLL_MS)) throw await this.deps.heldUp();
    }
  }

  /** Whether nothing is under way, and nothing becomes so by itself. */
  private async isQuiet(): Promise<boolean> {
    const before = this.state();
    if (before === undefined) return false;
    for (let turn = 0; turn < TURNS; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.state() !== before) return false;
    }
    return true;
  }

  /** How far everything is; undefined while something is under way. */
  private state(): string | undefined {
    const statuses = this.deps.node()?.status();
    if (statuses === undefined) return undefined;
    let at = "";
    for (const { appliedSeq, lastSeq, inFlightTasks, readyTasks, state } of statuses) {
      if (state !== "acting" || inFlightTasks > 0 || appliedSeq !== lastSeq) return undefined;
      at += `${appliedSeq}/${readyTasks} `;
    }
    return at;
  }
}

/**
 * Notices that workers have tasks and nothing is folded. Counts looks, not time, so that a process that is starved itself is not taken for
 * a handler that never ends.
 */
export class HeldUp {
  private at = "";
  private heldMs = 0;

  constructor(private readonly deps: Pick<SkipDeps, "node" | "handlerLimitMs">) {}

  /** To be called each `everyMs` or later. True once it has lasted too long. */
  look(everyMs: number): boolean {
    const statuses = this.deps.node()?.status() ?? [];
    const at = statuses.map(({ appliedSeq, lastSeq }) => `${appliedSeq}/${lastSeq}`).join(" ");
    const isHeld = at === this.at && statuses.some(({ inFlightTasks }) => inFlightTasks > 0);
    this.at = at;
    this.heldMs = isHeld ? this.heldMs + everyMs : 0;
    return this.heldMs >= this.deps.handlerLimitMs;
  }
}
