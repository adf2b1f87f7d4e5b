/**
 * Keeps whatever comes from outside from ending the process: one place that every message, timer, microtask and answer goes through.
 *
 * 1. A throw, or a rejection that nobody waits for, is that one callback's: it is counted, logged at a bounded rate, and touches nothing else.
 * 2. Nothing is decided here: who must stop on an error catches it before it comes here.
 */
import { type Counter, limitedLogger, type Logger, type MetricsRegistry } from "@holdfast/telemetry";
import type { Bus } from "./bus.js";
import type { Clock } from "./clock.js";

/** What called. */
export type CallbackKind = "message" | "timer" | "microtask" | "reconnect" | "answer" | "effect";

export class Guard {
  /** For lines that somebody outside can cause. */
  readonly logger: Logger;
  private readonly refused: Counter | undefined;

  constructor(logger: Logger, registry?: MetricsRegistry) {
    const leftOut = registry?.counter({
      name: "holdfast_log_lines_left_out_total",
      help: "Log lines about what came from outside that were left out since there were many alike; the lines before say who sends so much",
    });
    this.logger = limitedLogger(logger, () => leftOut?.inc());
    this.refused = registry?.counter({
      name: "holdfast_refused_callbacks_total",
      help: "Messages, timers and the like whose handling failed and which changed nothing, by kind; the log says what they were",
      labels: ["kind"],
    });
  }

  /** `of`: the subject, or what was being done. */
  run(kind: CallbackKind, of: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.refuse(kind, of, error);
    }
  }

  /** For work that goes on by itself. */
  settle(kind: CallbackKind, of: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => this.refuse(kind, of, error));
  }

  refuse(kind: CallbackKind, of: string, error: unknown): void {
    this.refused?.labels(kind).inc();
    this.logger.error("what came from outside, or was to be done, failed and is left out", {
      kind,
      of,
      err: error,
    });
  }

  bus(bus: Bus): Bus {
    return {
      maxMessageBytes: bus.maxMessageBytes,
      inbox: () => bus.inbox(),
      publish: (subject, data) => bus.publish(subject, data),
      subscribe: (subject, handler, options) =>
        bus.subscribe(
          subject,
          (message) => {
            try {
              handler(message);
            } catch (error) {
              this.refuse("message", subject, error);
            }
          },
          options,
        ),
      request: (subject, data, timeoutMs) => bus.request(subject, data, timeoutMs),
      flush: () => bus.flush(),
      onReconnect: (handler) => bus.onReconnect(() => this.run("reconnect", "", handler)),
    };
  }

  clock(clock: Clock): Clock {
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, callback) => clock.after(delayMs, () => this.run("timer", "", callback)),
    };
  }
}
