/**
 * Whether a run that may be pruned is still needed by the action that began it: a parent that is promised to be retryable, or stands in the
 * dead letters, would otherwise do again what its child had done.
 *
 * 1. A run that did not complete and was begun by an action goes only once its parent says that it needs it no more. It asks when its
 *    own floor is over, and again after a while: a message that is late, or a parent whose partition is away, keeps it.
 * 2. A parent needs its child as long as it is there, has not completed or been cancelled, and has no other child in that one's
 *    place. So a parent goes before its child, that before its own, and all of them with the promise that was made first.
 */
import { NeedAskedSchema, NeedToldSchema, type RunRecord } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { FoldContext } from "../fold/context.js";
import { hasRoomFor } from "../fold/messages/send.js";
import { NEED_ASKED_NS } from "../limits.js";
import { isRunRetryable, isRunTerminal } from "../status.js";
import type { Actor } from "./actor.js";
import { answerRequester } from "./requester.js";

/** Whether somebody has to be asked before the run goes. */
export const mayBeNeeded = ({ requester, unneeded }: RunRecord): boolean =>
  requester?.of.case === "action" && !unneeded;

/** Asks. When it is to be looked at again. */
export function askNeed(ctx: FoldContext, runId: string, { requester }: RunRecord): bigint {
  if (requester?.of.case === "action" && hasRoomFor(ctx, requester.of.value.runId)) {
    const value = init(NeedAskedSchema, { requester, runId });
    answerRequester(ctx, requester, { case: "needAsked", value });
  }
  return ctx.atNs + NEED_ASKED_NS;
}

/** Until when an action needs a run that it began; 0: it needs it no more. `parent` undefined: it is not there. */
export function neededUntilNs(
  ctx: FoldContext,
  parent: Actor | undefined,
  index: number,
  runId: string,
): bigint {
  if (parent === undefined) return 0n;
  const { run } = parent;
  if (run.actions[index]?.child?.runId !== runId) return 0n;
  if (isRunTerminal(run.status) && !isRunRetryable(run.status)) return 0n;
  const againNs = ctx.atNs + NEED_ASKED_NS;
  return run.expiryNs > againNs ? run.expiryNs : againNs;
}

/** What the answer says. */
export const needTold = (requester: RunRecord["requester"], runId: string, untilNs: bigint) =>
  init(NeedToldSchema, { requester, runId, untilNs });
