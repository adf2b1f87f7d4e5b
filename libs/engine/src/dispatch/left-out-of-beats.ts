/** Tells of what was left out of workers' beats: counted, and logged at a bounded rate with the worker and what is wrong. */
import type { Logger, MetricsRegistry } from "@holdfast/telemetry";
import type { Beat } from "./beats.js";

export class LeftOutOfBeats {
  private readonly counted: (list: string) => { inc(by?: number): void };

  constructor(
    /** Of limited lines. */
    private readonly logger: Logger,
    registry: MetricsRegistry,
  ) {
    const counter = registry.counter({
      name: "holdfast_beat_entries_left_out_total",
      help: "Entries of workers' beats that were bad or too many and were left out alone, by list; the log says of which worker and what is wrong",
      labels: ["list"],
    });
    this.counted = (list) => counter.labels(list);
  }

  take({ worker, leftOut }: Beat): void {
    for (const { list, count, why } of leftOut) {
      this.counted(list).inc(count);
      this.logger.warn("entries of a worker's beat are left out; the others count", {
        worker,
        list,
        count,
        why,
      });
    }
  }
}
