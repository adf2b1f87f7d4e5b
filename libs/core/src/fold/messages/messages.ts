/**
 * Which handler each kind of message between partitions has. A handler checks all that it is told against its own state: the
 * sender may have gone on since, and what it refuses it answers with a message.
 */
import type { PartitionMessage } from "@holdfast/proto";
import { isName, isRunId } from "../../names.js";
import { bulkKey, runKey, scheduleKey } from "../../state/tables.js";
import { bulkReported } from "../../bulk/operation.js";
import { bulkBegun, bulkClosed, bulkForgotten, bulkGranted } from "../../bulk/share.js";
import type { FoldContext } from "../context.js";
import { cancelRequested } from "./cancel-requested.js";
import { needAsked } from "./need-asked.js";
import { needTold } from "./need-told.js";
import { requestEnded } from "./request-ended.js";
import { requestRefused } from "./request-refused.js";
import { requestReopened } from "./request-reopened.js";
import { retryRequested } from "./retry-requested.js";
import { runRestarted } from "./run-restarted.js";
import { startRequested } from "./start-requested.js";

/** Applies a message; false where its kind is not known. */
export function applyMessage(ctx: FoldContext, { kind }: PartitionMessage): boolean {
  switch (kind.case) {
    case "startRequested":
      startRequested(ctx, kind.value);
      return true;
    case "requestEnded":
      requestEnded(ctx, kind.value);
      return true;
    case "requestRefused":
      requestRefused(ctx, kind.value);
      return true;
    case "requestReopened":
      requestReopened(ctx, kind.value);
      return true;
    case "retryRequested":
      retryRequested(ctx, kind.value);
      return true;
    case "cancelRequested":
      cancelRequested(ctx, kind.value);
      return true;
    case "needAsked":
      needAsked(ctx, kind.value);
      return true;
    case "needTold":
      needTold(ctx, kind.value);
      return true;
    case "bulkBegun":
      bulkBegun(ctx, kind.value);
      return true;
    case "bulkGranted":
      bulkGranted(ctx, kind.value);
      return true;
    case "bulkClosed":
      bulkClosed(ctx, kind.value.operationId);
      return true;
    case "bulkForgotten":
      bulkForgotten(ctx, kind.value.operationId);
      return true;
    case "bulkReported":
      bulkReported(ctx, kind.value);
      return true;
    case "runRestarted":
      runRestarted(ctx, kind.value);
      return true;
    default:
      return false;
  }
}

/** Keys that applying a message will most likely read. */
export function messageKeys({ kind }: PartitionMessage, keys: Set<string>): void {
  const add = (runId: string | undefined): void => {
    if (runId !== undefined && isRunId(runId)) keys.add(runKey(runId));
  };
  if (kind.case === "startRequested") add(kind.value.start?.runId);
  else if (kind.case === "retryRequested" || kind.case === "cancelRequested" || kind.case === "needTold")
    add(kind.value.runId);
  else if (kind.case === "runRestarted") add(kind.value.restarts?.runId);
  else if (kind.case === "bulkReported") keys.add(bulkKey(kind.value.operationId));
  else if (kind.case === "bulkBegun") for (const runId of kind.value.runIds) add(runId);
  else if (kind.case !== undefined && "requester" in kind.value) {
    const of = kind.value.requester?.of;
    if (of?.case === "action") add(of.value.runId);
    else if (of?.case === "schedule" && isName(of.value.name)) keys.add(scheduleKey(of.value.name));
  }
}
