/** StartBulk: an operation on many runs begins. It goes on by itself, whatever becomes of whoever asked for it. */
import {
  BulkCountsSchema,
  BulkPartSchema,
  BulkRecordSchema,
  type BulkSpec,
  BulkStatus,
  type Command,
  type Outcome,
  RejectCode,
  type StartBulk,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { refuseWrongIds, tellPart } from "../../bulk/operation.js";
import { bulkSpecProblem } from "../../bulk/spec.js";
import { BULK_IDS_A_MESSAGE, BULK_OPERATIONS_MAX } from "../../limits.js";
import { isRunId, partitionOf, runIdProblem } from "../../names.js";
import { bulkKey } from "../../state/tables.js";
import type { FoldContext } from "../context.js";

export function startBulk(ctx: FoldContext, command: Command, wanted: StartBulk): Outcome {
  const { operationId, spec } = wanted;
  const problem = beginProblem(ctx, wanted);
  if (problem !== undefined || spec === undefined) {
    const { code, message } = problem ?? {
      code: RejectCode.MALFORMED,
      message: "a bulk operation needs a spec",
    };
    return ctx.reject(command, code, message);
  }
  ctx.applied.bulkOperations += 1;
  const record = init(BulkRecordSchema, {
    spec,
    status: BulkStatus.MATCHING,
    startedAtNs: ctx.atNs,
    parts: Array.from({ length: ctx.partitions }, () => init(BulkPartSchema)),
    granted: Array.from({ length: ctx.partitions }, () => 0),
    counts: init(BulkCountsSchema),
  });
  const ids = idsByPartition(ctx, [...new Set(wanted.runIds)]);
  record.parts.forEach((part, to) => {
    const named = ids[to] as string[];
    if (spec.byIds && named.length === 0) {
      part.isMatched = true;
      part.isClosed = true;
    } else askPart(ctx, operationId, spec, to, named);
  });
  refuseWrongIds(ctx, operationId, record, wanted);
  ctx.view.put(bulkKey(operationId), record);
  return ctx.accept(command, {});
}

function beginProblem(
  ctx: FoldContext,
  wanted: StartBulk,
): { readonly code: RejectCode; readonly message: string } | undefined {
  const { operationId, spec } = wanted;
  if (!isRunId(operationId)) {
    const message = `the operation's id does not do: ${runIdProblem(operationId) ?? ""}`;
    return { code: RejectCode.INVALID_NAME, message };
  }
  const malformed = (message: string) => ({ code: RejectCode.MALFORMED, message });
  if (partitionOf(operationId, ctx.partitions) !== ctx.applied.partition)
    return malformed(`operation ${operationId} does not belong to partition ${ctx.applied.partition}`);
  if (spec === undefined) return malformed(`operation ${operationId} does not say what is to be done`);
  const wrong = bulkSpecProblem(spec, wanted);
  if (wrong !== undefined) return malformed(wrong);
  if (ctx.view.get(bulkKey(operationId)) !== undefined) {
    const message = `there is an operation ${operationId} already: look at it, or use another id`;
    return { code: RejectCode.OPERATION_EXISTS, message };
  }
  if (ctx.applied.bulkOperations < BULK_OPERATIONS_MAX) return undefined;
  const message = `partition ${ctx.applied.partition} keeps ${BULK_OPERATIONS_MAX} operations already, each for a day after its end: use another id, which may belong to another partition, or wait`;
  return { code: RejectCode.TOO_MANY_OPERATIONS, message };
}

function idsByPartition(ctx: FoldContext, runIds: readonly string[]): string[][] {
  const ids = Array.from({ length: ctx.partitions }, (): string[] => []);
  for (const runId of runIds) (ids[partitionOf(runId, ctx.partitions)] as string[]).push(runId);
  return ids;
}

function askPart(
  ctx: FoldContext,
  operationId: string,
  spec: BulkSpec,
  to: number,
  runIds: readonly string[],
): void {
  for (let at = 0; at === 0 || at < runIds.length; at += BULK_IDS_A_MESSAGE) {
    const some = runIds.slice(at, at + BULK_IDS_A_MESSAGE);
    const last = at + BULK_IDS_A_MESSAGE >= runIds.length;
    tellPart(ctx, to, {
      case: "bulkBegun",
      value: { $typeName: "holdfast.v1.BulkBegun", operationId, spec, runIds: some, last },
    });
  }
}
