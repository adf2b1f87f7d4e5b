/** AbortBulk: an operation comes to no more runs. What it did not come to is let go; what it has set off goes on. */
import { type AbortBulk, BulkStatus, type Command, type Outcome, RejectCode } from "@holdfast/proto";
import { closeBulk, isBulkOpen } from "../../bulk/operation.js";
import { WHO_CHARS_MAX } from "../../limits.js";
import { isRunId } from "../../names.js";
import { bulkKey } from "../../state/tables.js";
import { cutText } from "../../text.js";
import { noBulkText } from "../../views/bulk-view.js";
import type { FoldContext } from "../context.js";

export function abortBulk(
  ctx: FoldContext,
  command: Command,
  { operationId, who, reason }: AbortBulk,
): Outcome {
  const record = isRunId(operationId) ? ctx.view.get(bulkKey(operationId)) : undefined;
  if (record === undefined) {
    return ctx.reject(command, RejectCode.NO_SUCH_OPERATION, noBulkText(operationId));
  }
  if (!isBulkOpen(record.status)) {
    const message = `bulk operation ${operationId} is ${BulkStatus[record.status]} already`;
    return ctx.reject(command, RejectCode.OPERATION_ENDED, message);
  }
  const by = cutText(who, WHO_CHARS_MAX);
  record.detail = cutText(`aborted${by === "" ? "" : ` by ${by}`}: ${reason || "no reason given"}`, 512);
  closeBulk(ctx, operationId, record, BulkStatus.ABORTED);
  ctx.view.put(bulkKey(operationId), record);
  return ctx.accept(command, {});
}
