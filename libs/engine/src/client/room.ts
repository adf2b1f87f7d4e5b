/**
 * Keeps a client's queue within its bounds: counts what is not durable yet, and lets callers wait for room in turn.
 * It never holds a command's bytes and never knows what a caller wants the room for.
 */
import type { Clock } from "../ports/clock.js";
import { PortError } from "../ports/errors.js";
import type { ClientLimits } from "./limits.js";

const READY: Promise<void> = Promise.resolve();
/** Callers that have gone are cut off the list by this many at a time. */
const COMPACT_AT = 1_024;

export interface Waiting {
  /** There is room now. */
  go(): void;
  fail(error: PortError): void;
}

export class Room {
  readonly #limits: ClientLimits;
  readonly #awaited: () => number;
  readonly #waiting: Waiting[] = [];
  /** Those before it in `#waiting` have gone; cut off now and then, so that leaving costs nothing. */
  #first = 0;
  #queued = 0;
  #queuedBytes = 0;
  #onDrained: (() => void) | undefined;

  constructor(limits: ClientLimits, awaited: () => number) {
    this.#limits = limits;
    this.#awaited = awaited;
  }

  get queued(): number {
    return this.#queued;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get waiting(): number {
    return this.#waiting.length - this.#first;
  }

  /** Room for one more, and nobody is before the caller. */
  get free(): boolean {
    return this.waiting === 0 && this.#open;
  }

  take(bytes: number): void {
    this.#queued++;
    this.#queuedBytes += bytes;
  }

  give(commands: number, bytes: number): void {
    this.#queued -= commands;
    this.#queuedBytes -= bytes;
    this.release();
    if (this.#queued === 0) this.#onDrained?.();
  }

  wait(waiting: Waiting): void {
    if (this.waiting >= this.#limits.maxWaiting) {
      waiting.fail(
        new PortError(
          "full",
          `${this.#queued} commands wait for the log and ${this.waiting} callers for room; wait for ready() before sending more`,
        ),
      );
    } else this.#waiting.push(waiting);
  }

  /** Lets callers in while there is room. */
  release(): void {
    while (this.#open) {
      const next = this.#waiting[this.#first];
      if (next === undefined) return;
      this.#first++;
      if (this.#first === this.#waiting.length || this.#first >= COMPACT_AT) {
        this.#waiting.splice(0, this.#first);
        this.#first = 0;
      }
      next.go();
    }
  }

  /** Resolves at once, or when a caller's turn comes. */
  ready(): Promise<void> {
    if (this.free) return READY;
    return new Promise((resolve, reject) => {
      this.wait({ go: resolve, fail: reject });
    });
  }

  /** Resolves when nothing is queued, or after `graceMs`. */
  drained(clock: Clock, graceMs: number): Promise<void> {
    if (this.#queued === 0) return READY;
    return new Promise((resolve) => {
      const cancel = clock.after(graceMs, resolve);
      this.#onDrained = () => {
        cancel();
        resolve();
      };
    });
  }

  close(error: PortError): void {
    const waiting = this.#waiting.splice(0);
    for (const one of waiting.slice(this.#first)) one.fail(error);
    this.#first = 0;
  }

  get #open(): boolean {
    const { maxQueued, maxQueuedBytes, maxAwaited } = this.#limits;
    return this.#queued < maxQueued && this.#queuedBytes < maxQueuedBytes && this.#awaited() < maxAwaited;
  }
}
