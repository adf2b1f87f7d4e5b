/**
 * A logger for lines that somebody outside can cause: of each message so many lines a window, the others only counted.
 *
 * 1. The first lines of a window are written whole. The first one of a later window says how many were left out before it.
 * 2. Messages are constant sentences, so that what is remembered is bounded: by MESSAGES_MAX, whoever logs.
 * 3. Lines of `fatal` are never left out.
 */
import type { LogFields, Logger } from "./logger.js";

/** Lines of one message in one window. */
export const LINES_A_WINDOW = 10;
export const WINDOW_MS = 10_000;
/** Messages told apart. */
export const MESSAGES_MAX = 200;

interface Window {
  untilMs: number;
  lines: number;
  leftOut: number;
}

type Write = Logger["warn"];

/** `onLeftOut` counts what was not written. */
export function limitedLogger(
  logger: Logger,
  onLeftOut: () => void = () => undefined,
  nowMs: () => number = () => performance.now(),
): Logger {
  return limitedBy(logger, { windows: new Map(), onLeftOut, nowMs });
}

interface Shared {
  readonly windows: Map<string, Window>;
  readonly onLeftOut: () => void;
  readonly nowMs: () => number;
}

function limitedBy(logger: Logger, shared: Shared): Logger {
  const limited =
    (write: Write): Write =>
    (message, fields) => {
      const more = admitted(message, fields, shared);
      if (more !== undefined) write(message, more);
    };
  return {
    trace: logger.trace,
    debug: logger.debug,
    info: limited(logger.info),
    warn: limited(logger.warn),
    error: limited(logger.error),
    fatal: logger.fatal,
    isEnabled: (level) => logger.isEnabled(level),
    child: (bindings) => limitedBy(logger.child(bindings), shared),
  };
}

/** The fields to write a line with; undefined: it is left out. */
function admitted(message: string, fields: LogFields | undefined, shared: Shared): LogFields | undefined {
  const { windows, onLeftOut } = shared;
  const nowMs = shared.nowMs();
  let window = windows.get(message);
  if (window === undefined) {
    if (windows.size >= MESSAGES_MAX) windows.clear();
    window = { untilMs: nowMs + WINDOW_MS, lines: 0, leftOut: 0 };
    windows.set(message, window);
  }
  const { leftOut } = window;
  if (nowMs >= window.untilMs) {
    window.untilMs = nowMs + WINDOW_MS;
    window.lines = 0;
    window.leftOut = 0;
  }
  if (window.lines >= LINES_A_WINDOW) {
    window.leftOut += 1;
    onLeftOut();
    return undefined;
  }
  window.lines += 1;
  return leftOut > 0 && window.leftOut === 0 ? { ...fields, leftOutBefore: leftOut } : (fields ?? {});
}
