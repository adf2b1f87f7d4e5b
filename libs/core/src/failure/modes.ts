/**
 * The failure table: each mode with what may be done about it. One row a mode; every question about a mode is asked here.
 */
import { FailureMode } from "@holdfast/proto";

export interface ModeTraits {
  readonly name: string;
  /** Another attempt may succeed without anybody mending anything. */
  readonly retryable: boolean;
  /** Not retried, not even by an operator, unless forced. */
  readonly terminal: boolean;
}

const row = (name: string, retryable: boolean, terminal: boolean): ModeTraits => ({
  name,
  retryable,
  terminal,
});

const TABLE: Readonly<Record<FailureMode, ModeTraits>> = {
  [FailureMode.UNSPECIFIED]: row("UNSPECIFIED", false, false),
  [FailureMode.TIMEOUT]: row("TIMEOUT", true, false),
  [FailureMode.NETWORK]: row("NETWORK", true, false),
  [FailureMode.RATE_LIMITED]: row("RATE_LIMITED", true, false),
  [FailureMode.UNAVAILABLE]: row("UNAVAILABLE", true, false),
  [FailureMode.WORKER_LOST]: row("WORKER_LOST", true, false),
  [FailureMode.RESOURCE_EXHAUSTED]: row("RESOURCE_EXHAUSTED", true, false),
  [FailureMode.PARTIAL_STEP_FAILURES]: row("PARTIAL_STEP_FAILURES", true, false),
  [FailureMode.PARTIAL_TOOL_FAILURES]: row("PARTIAL_TOOL_FAILURES", true, false),
  [FailureMode.UNCLASSIFIED]: row("UNCLASSIFIED", true, false),
  [FailureMode.VALIDATION]: row("VALIDATION", false, false),
  [FailureMode.NOT_FOUND]: row("NOT_FOUND", false, false),
  [FailureMode.PERMISSION]: row("PERMISSION", false, false),
  [FailureMode.CONFLICT]: row("CONFLICT", false, false),
  [FailureMode.STUCK]: row("STUCK", false, false),
  [FailureMode.HANDLER_BUG]: row("HANDLER_BUG", false, false),
  [FailureMode.CANCELLED]: row("CANCELLED", false, false),
  [FailureMode.POLICY_SECURITY]: row("POLICY_SECURITY", false, true),
  [FailureMode.POLICY_BUDGET]: row("POLICY_BUDGET", false, true),
  [FailureMode.SYSTEM_CRASH]: row("SYSTEM_CRASH", false, true),
};

/** A mode that this code does not know (written by a newer one) is treated as UNSPECIFIED. */
export function traitsOf(mode: FailureMode): ModeTraits {
  return TABLE[mode] ?? TABLE[FailureMode.UNSPECIFIED];
}

/** Whether this code knows the mode, and it says something. */
export const isKnownMode = (mode: FailureMode | undefined): mode is FailureMode =>
  mode !== undefined && mode !== FailureMode.UNSPECIFIED && TABLE[mode] !== undefined;

export const modeName = (mode: FailureMode): string => traitsOf(mode).name;

/** The mode of that name, as people and handlers write it. */
export function modeNamed(name: string): FailureMode | undefined {
  // Indexed by a text from outside, the enum also answers to its numbers and to what every object inherits.
  const value: unknown = FailureMode[name as keyof typeof FailureMode];
  return typeof value === "number" && isKnownMode(value) ? value : undefined;
}
