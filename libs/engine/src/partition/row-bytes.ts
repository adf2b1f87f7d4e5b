/** About how many bytes a row of a list has on the wire, and rather too many: what an answer holds is cut by them. */
import type { Failure, ItemView, Payload, RunSummary } from "@holdfast/proto";

/** A character of text is at most 3 bytes of UTF-8 for each unit that JavaScript counts. */
const CHAR_BYTES = 3;
/** Numbers, times, names of fields. */
const ROW_BYTES = 256;

export const bytesOfSummary = ({ runId, workflow, detail, restartedAs }: RunSummary): number =>
  runId.length + workflow.length + restartedAs.length + detail.length * CHAR_BYTES + ROW_BYTES;

export function bytesOfItem({ inputSnapshot, output, failure, detail, steps, recover }: ItemView): number {
  let bytes = (inputSnapshot.length + detail.length) * CHAR_BYTES + bytesOf(output) + ROW_BYTES;
  bytes += bytesOfFailure(failure) + bytesOfFailure(recover?.original) + bytesOfFailure(recover?.failed);
  for (const { name, result } of steps) bytes += name.length * CHAR_BYTES + bytesOf(result) + ROW_BYTES;
  return bytes;
}

const bytesOf = (payload: Payload | undefined): number =>
  payload?.body.case === "inline" ? payload.body.value.length : 0;

const bytesOfFailure = (failure: Failure | undefined): number =>
  failure === undefined
    ? 0
    : (failure.message.length + failure.shown.length + failure.stack.length + failure.rawClass.length) *
        CHAR_BYTES +
      ROW_BYTES;
