/**
 * Opens partitions again that stopped over something that passes: a full disk, a folder that another process had, a log that was away.
 *
 * 1. With growing pauses, for as long as it takes. What was opened goes through every check that it went through at the start.
 * 2. After a command that the fold failed over, in a moment, however often: each is refused once, and nothing has to pass.
 * 3. What no waiting mends is left alone: a newer state, another cluster's, a bug.
 */
import type { Logger } from "@holdfast/telemetry";
import { isFoldFault } from "../partition/fold-faults.js";
import { opensAgain } from "../partition/open.js";
import type { Processor } from "../partition/processor.js";
import type { Clock } from "../ports/clock.js";

const PAUSE_MS = 500;
const PAUSE_MS_MAX = 30_000;
const FAULT_PAUSE_MS = 50;
/** Who was open for so long begins the pauses anew. */
const SETTLED_MS = 60_000;

interface Tries {
  pauseMs: number;
  stoppedMs: number;
  cancel: () => void;
}

export interface ReopenerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** A partition is open again. */
  readonly reopened: (processor: Processor) => void;
}

export class Reopener {
  private readonly tries = new Map<Processor, Tries>();
  private readonly underWay = new Set<Promise<void>>();
  private stopped = false;

  constructor(private readonly deps: ReopenerDeps) {}

  /** A partition stopped, or could not be opened. */
  onStopped(processor: Processor, error: unknown): void {
    const { clock, logger } = this.deps;
    const { partition } = processor;
    const nowMs = clock.monotonicMs();
    const before = this.tries.get(processor);
    const again = before !== undefined && nowMs - before.stoppedMs < SETTLED_MS + before.pauseMs;
    if (again) logger.warn("the partition stopped again", { partition, err: error });
    else logger.fatal("the partition stopped", { partition, err: error });
    if (this.stopped || !opensAgain(error)) return;
    const pauseMs = again && !isFoldFault(error) ? Math.min(before.pauseMs * 2, PAUSE_MS_MAX) : PAUSE_MS;
    const cancel = clock.after(isFoldFault(error) ? FAULT_PAUSE_MS : pauseMs, () => this.reopen(processor));
    this.tries.set(processor, { pauseMs, stoppedMs: nowMs, cancel });
  }

  /** Opens nothing any more; resolves once what is under way has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const { cancel } of this.tries.values()) cancel();
    await Promise.all(this.underWay);
  }

  private reopen(processor: Processor): void {
    if (this.stopped) return;
    const opening = this.open(processor).finally(() => this.underWay.delete(opening));
    this.underWay.add(opening);
  }

  private async open(processor: Processor): Promise<void> {
    const { logger, reopened } = this.deps;
    try {
      await processor.restart();
    } catch {
      // It has stopped again, and said why.
      return;
    }
    logger.info("the partition is open again", { partition: processor.partition });
    if (!this.stopped) reopened(processor);
  }
}
