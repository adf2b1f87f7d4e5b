/** What is said of a run that is not there: never was, or was pruned, when and by which policy. */
import { type AppliedRecord, RejectCode, RunStatus } from "@holdfast/proto";
import { isRunId, quoted } from "../names.js";
import { tombstoneKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { timeText } from "../text.js";

/** Why a command about a run that is not there is refused. */
export const absentCode = (view: View, applied: AppliedRecord, runId: string): RejectCode =>
  prunedText(view, applied, runId) === undefined ? RejectCode.RUN_NOT_FOUND : RejectCode.PRUNED;

/** A sentence without its full stop. */
export function absentText(view: View, applied: AppliedRecord, runId: string): string {
  return prunedText(view, applied, runId) ?? `there is no run ${quoted(runId)}`;
}

/** Undefined where no tombstone of such a run is kept. Costs nothing where none is kept at all. */
export function prunedText(view: View, applied: AppliedRecord, runId: string): string | undefined {
  if (applied.tombstones === 0n || !isRunId(runId)) return undefined;
  const tombstone = view.get(tombstoneKey(runId));
  if (tombstone === undefined) return undefined;
  const { workflow, status, endedAtNs, prunedAtNs, policy } = tombstone;
  return `run ${runId} of workflow "${workflow}" ended ${RunStatus[status]} at ${timeText(endedAtNs)} and was pruned at ${timeText(prunedAtNs)}: ${policy}`;
}
