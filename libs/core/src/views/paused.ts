/** Which workflows are paused, and what is said of it. Asked for each task: where none is paused it costs nothing. */
import type { AppliedRecord } from "@holdfast/proto";
import { timeText } from "../text.js";

export const isPaused = ({ paused }: AppliedRecord, workflow: string): boolean =>
  paused.some((entry) => entry.workflow === workflow);

/** Undefined where it is not. */
export function pausedText({ paused }: AppliedRecord, workflow: string): string | undefined {
  const pause = paused.find((entry) => entry.workflow === workflow)?.pause;
  if (pause === undefined) return undefined;
  const by = pause.who === "" ? "" : ` by ${pause.who}`;
  return `workflow "${workflow}" is paused${by} since ${timeText(pause.atNs)}: ${pause.reason}`;
}
