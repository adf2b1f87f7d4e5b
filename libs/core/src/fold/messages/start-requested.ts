/**
 * StartRequested: another actor wants a run. The run id says which, so that the same request twice is one run.
 *
 * 1. A run that somebody else began is not taken for the requested one: the request is refused.
 * 2. Every request is answered: now by a refusal or the end that it has had already, else when the run ends.
 */
import {
  RejectCode,
  RequestRefusedSchema,
  type Requester,
  RunStatus,
  type StartRequested,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { loadActor, saveActor } from "../../actor/actor.js";
import { beginRun, nameRefusal, type Refusal } from "../../actor/begin-run.js";
import { answerRequester, tellRequester } from "../../actor/requester.js";
import { endedOf } from "../../actor/run-end.js";
import { DETAIL_CHARS_MAX } from "../../limits.js";
import { isRunTerminal } from "../../status.js";
import { cutText } from "../../text.js";
import type { FoldContext } from "../context.js";

export function startRequested(ctx: FoldContext, { start, requester }: StartRequested): void {
  if (start === undefined || requester?.of.case === undefined) return;
  const { runId } = start;
  const badName = nameRefusal(start);
  if (badName !== undefined) {
    refuseRequest(ctx, requester, runId, badName);
    return;
  }
  const existing = loadActor(ctx, runId);
  if (existing === undefined) {
    const begun = beginRun(ctx, start, { requester });
    if ("code" in begun) refuseRequest(ctx, requester, runId, begun);
    return;
  }
  const { run } = existing;
  if (run.workflow !== start.workflow || !isSameRequester(run.requester, requester)) {
    refuseRequest(ctx, requester, runId, {
      code: RejectCode.RUN_EXISTS,
      message: `run ${runId} exists already, of workflow "${run.workflow}", ${RunStatus[run.status]}, and was begun by somebody else: remove what uses its id`,
    });
    return;
  }
  run.requester = requester;
  saveActor(existing);
  if (isRunTerminal(run.status) && run.recoverAtNs === 0n) tellRequester(existing, endedOf(existing));
}

/** Whether it is the same actor that asks, be it in another attempt. */
export function isSameRequester(a: Requester | undefined, b: Requester): boolean {
  if (a?.of.case !== "action" || b.of.case !== "action") return false;
  return a.of.value.runId === b.of.value.runId && a.of.value.action === b.of.value.action;
}

export function refuseRequest(
  ctx: FoldContext,
  requester: Requester,
  runId: string,
  { code, message }: Refusal,
): void {
  const value = init(RequestRefusedSchema, {
    requester,
    runId,
    code,
    message: cutText(message, DETAIL_CHARS_MAX),
  });
  answerRequester(ctx, requester, { case: "requestRefused", value });
}
