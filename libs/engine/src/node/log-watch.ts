/**
 * Looks now and then whether the partitions' logs are there and have room, so that it is known before anybody's work is refused.
 */
import type { Clock } from "../ports/clock.js";
import type { CommandLog, LogInfo } from "../ports/command-log.js";
import { LOG_FULL_RATIO, logFullText } from "../ports/log-full.js";

const LOOK_MS = 2_000;
const LOOK_AGAIN_MS = 1_000;

export interface LogLook {
  /** Empty: it is there and has room. */
  readonly problem: string;
  readonly bytes: number;
  readonly maxBytes: number;
}

const UNKNOWN: LogLook = { problem: "", bytes: 0, maxBytes: 0 };

export class LogWatch {
  private looks = new Map<number, LogLook>();
  private cancel: (() => void) | undefined;
  private stopped = false;

  constructor(
    private readonly log: CommandLog,
    private readonly partitions: readonly number[],
    private readonly clock: Clock,
  ) {}

  begin(): void {
    this.plan(0);
  }

  stop(): void {
    this.stopped = true;
    this.cancel?.();
  }

  of(partition: number): LogLook {
    return this.looks.get(partition) ?? UNKNOWN;
  }

  private plan(delayMs: number): void {
    if (this.stopped) return;
    this.cancel = this.clock.after(delayMs, () => {
      void this.look().then((well) => this.plan(well ? LOOK_MS : LOOK_AGAIN_MS));
    });
  }

  /** Whether all logs answered. */
  private async look(): Promise<boolean> {
    const looks = await Promise.all(this.partitions.map((partition) => this.lookAt(partition)));
    return looks.every(Boolean);
  }

  private async lookAt(partition: number): Promise<boolean> {
    try {
      this.looks.set(partition, lookOf(partition, await this.log.info(partition)));
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const problem = `the log of partition ${partition} does not answer: ${why}`;
      this.looks.set(partition, { ...this.of(partition), problem });
      return false;
    }
  }
}

function lookOf(partition: number, { bytes, maxBytes = 0 }: LogInfo): LogLook {
  const full = maxBytes > 0 && bytes >= maxBytes * LOG_FULL_RATIO;
  return { problem: full ? logFullText(partition, bytes, maxBytes) : "", bytes, maxBytes };
}
