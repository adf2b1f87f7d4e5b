/** Logs, metrics and health behind small interfaces; imports nothing else of Holdfast. */
export { Environment, type Variables } from "./environment.js";
export { limitedLogger } from "./limited-logger.js";
export {
  createLogger,
  type LogDestination,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  silentLogger,
} from "./logger.js";
export {
  type Counter,
  type CounterSeries,
  createRegistry,
  type Gauge,
  type GaugeSeries,
  type MetricOptions,
  type MetricsRegistry,
  OVERFLOW_LABEL,
  SERIES_MAX,
} from "./metrics.js";
export {
  type Health,
  type MetricsServer,
  type MetricsServerOptions,
  startMetricsServer,
} from "./metrics-server.js";
export { outliveStrayRejections } from "./stray-rejections.js";
