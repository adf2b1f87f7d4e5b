/** A rejection that nobody listens to would end the process, and with it all that it does for others. */
import type { Logger } from "./logger.js";
import type { MetricsRegistry } from "./metrics.js";

/**
 * From now on such a rejection is logged and counted, and ends nothing. For processes that hold nothing in memory that they could not have from the
 * log again: whoever did not listen has a defect, but its neighbours do not. What is returned ends that.
 */
export function outliveStrayRejections(logger: Logger, registry: MetricsRegistry): () => void {
  const strays = registry.counter({
    name: "holdfast_stray_rejections_total",
    help: "Failures that nobody waited for: defects of Holdfast that ended nothing; report them with the log line",
  });
  const outlive = (reason: unknown): void => {
    strays.inc();
    try {
      logger.error("a promise was rejected and nobody awaits it: a defect of Holdfast; the process goes on", {
        err: reason,
      });
    } catch {
      // A logger that fails must not do what the rejection did not.
    }
  };
  process.on("unhandledRejection", outlive);
  return () => process.off("unhandledRejection", outlive);
}
