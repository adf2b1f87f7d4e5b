/** Run ids of scheduled runs: derived from what they are begun for, so that an instant has one run however often it is asked for. */
import { timeText } from "../text.js";

/** `nightly-20260301T020000Z`. Instants are whole seconds; the longest name leaves room for it. */
export const scheduledRunId = (name: string, instantNs: bigint): string => `${name}-${compact(instantNs)}`;

/** `seq` and `row`: where in the partition's log it was triggered. */
export const triggeredRunId = (name: string, atNs: bigint, seq: number, row: number): string =>
  `${name}-${compact(atNs)}-t${seq}-${row}`;

const compact = (ns: bigint): string =>
  timeText(ns).replace(" UTC", "Z").replaceAll(/[-:]/g, "").replace(" ", "T");
