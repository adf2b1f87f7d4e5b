/**
 * Looks now and then whose time is over: of attempts that took too long, and of handlers that said nothing for too long.
 *
 * 1. While the process's thread was blocked nobody could say or end anything: that time counts for no attempt, and what came meanwhile is
 *    heard before anybody is judged. A handler that is alone at work has blocked it itself.
 */
import type { Clock } from "@holdfast/engine";
import type { Logger } from "@holdfast/telemetry";
import type { HeldTask } from "./held-task.js";

/** A look that is late by so much was kept from its turn. */
const BLOCKED_MS = 500;
/** Handlers that are named as those that may have blocked the thread. */
const NAMED_MAX = 3;

export interface DeadlinesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sweepMs: number;
  readonly running: ReadonlySet<HeldTask>;
  readonly giveUp: (held: HeldTask) => void;
}

export class Deadlines {
  readonly #deps: DeadlinesDeps;
  #earliestMs = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;
  /** When the next look is due, by the clock and by the process's own time: a clock that leaps blocks nobody. */
  #dueMs = 0;
  #dueRealMs = 0;

  constructor(deps: DeadlinesDeps) {
    this.#deps = deps;
  }

  watch(held: HeldTask): void {
    if (held.deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#earliestMs = Math.min(this.#earliestMs, held.deadlineMs);
    this.#plan();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #plan(): void {
    if (this.#cancel !== undefined) return;
    const { clock, sweepMs } = this.#deps;
    this.#dueMs = clock.monotonicMs() + sweepMs;
    this.#dueRealMs = performance.now() + sweepMs;
    this.#cancel = clock.after(sweepMs, () => this.#look());
  }

  #look(): void {
    this.#cancel = undefined;
    const { clock, running, giveUp } = this.#deps;
    const nowMs = clock.monotonicMs();
    const lateMs = Math.min(nowMs - this.#dueMs, performance.now() - this.#dueRealMs);
    if (lateMs > BLOCKED_MS) this.#wasBlocked(lateMs);
    else if (nowMs >= this.#earliestMs) {
      this.#earliestMs = Number.POSITIVE_INFINITY;
      for (const held of running) {
        // A handler that waits for Holdfast can't say that it lives.
        if (held.owed.size > 0 && held.silentByMs <= nowMs) held.goesOn(undefined, nowMs);
        if (held.deadlineMs <= nowMs) giveUp(held);
        else this.#earliestMs = Math.min(this.#earliestMs, held.deadlineMs);
      }
    }
    if (running.size > 0) this.#plan();
  }

  #wasBlocked(lateMs: number): void {
    const { logger, running } = this.#deps;
    const named = [...running]
      .slice(0, NAMED_MAX)
      .map(({ task }) => `${task.actionName} of run ${task.runId}`);
    const others = running.size - named.length;
    const by = `${named.join(", ")}${others > 0 ? ` or one of ${others} others` : ""}`;
    const text = `the worker's thread was blocked for ${(lateMs / 1_000).toFixed(1)} s${by === "" ? "" : `, by ${running.size > 1 ? "one of the handlers " : "the handler "}${by}`}`;
    logger.warn(
      `${text}: nothing else of this worker could go on meanwhile; have handlers await what takes long`,
    );
    this.#earliestMs = Number.POSITIVE_INFINITY;
    for (const held of running) {
      held.blocked = text;
      if (running.size > 1) {
        held.closeByMs += lateMs;
        held.silentByMs += lateMs;
      }
      this.#earliestMs = Math.min(this.#earliestMs, held.deadlineMs);
    }
  }
}
