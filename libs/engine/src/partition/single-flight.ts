/**
 * A job that is done once at a time, whenever there is something to do.
 *
 * 1. A wake-up while the job is under way is remembered: it is then done once more. None is lost between "nothing more to do" and
 *    "waiting", however the two fall together.
 * 2. A job that fails is done again after a pause that grows, and is told each time; wake-ups meanwhile wait for the pause.
 * 3. A job must look for itself whether there is something to do: it may be woken in vain.
 */
import type { Clock } from "../ports/clock.js";

const RETRY_MS = 200;
const RETRY_MAX_MS = 5_000;

export interface SingleFlightDeps {
  readonly clock: Clock;
  /** The job failed, and is tried again. */
  failed(error: unknown): void;
}

export class SingleFlight {
  private flying = false;
  private again = false;
  private stopped = false;
  private failures = 0;
  private cancelRetry: (() => void) | undefined;
  /** One that hangs is left behind: whatever it does later is no concern of its successor's. */
  private generation = 0;

  constructor(
    private readonly deps: SingleFlightDeps,
    private readonly job: () => Promise<void>,
  ) {}

  /** It is under way. */
  get busy(): boolean {
    return this.flying;
  }

  /** There is, or may be, something to do. */
  wake(): void {
    if (this.stopped || this.cancelRetry !== undefined) return;
    if (this.flying) {
      this.again = true;
      return;
    }
    this.flying = true;
    void this.fly(this.generation);
  }

  /** Begins anew, though it may be under way: for one that has hung. */
  restart(): void {
    this.generation += 1;
    this.flying = false;
    this.cancelRetry?.();
    this.cancelRetry = undefined;
    this.wake();
  }

  /** For good. What is under way ends by itself, and is not waited for. */
  stop(): void {
    this.stopped = true;
    this.cancelRetry?.();
    this.cancelRetry = undefined;
  }

  private async fly(generation: number): Promise<void> {
    do {
      this.again = false;
      try {
        await this.job();
        this.failures = 0;
      } catch (error) {
        if (this.stopped || generation !== this.generation) return;
        this.flying = false;
        this.failedWith(error);
        return;
      }
      if (generation !== this.generation) return;
    } while (this.again && !this.stopped);
    // Nothing is awaited since the look at `again`: a wake-up from here on finds nobody at work, and begins.
    this.flying = false;
  }

  private failedWith(error: unknown): void {
    const pauseMs = Math.min(RETRY_MS * 2 ** this.failures, RETRY_MAX_MS);
    this.failures += 1;
    this.cancelRetry = this.deps.clock.after(pauseMs, () => {
      this.cancelRetry = undefined;
      this.wake();
    });
    this.deps.failed(error);
  }
}
