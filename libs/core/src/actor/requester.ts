/**
 * Tells whoever wanted a run of its end, where that is another actor: by a message to the partition it lives in.
 */
import {
  type PartitionMessage,
  type Payload,
  PayloadSchema,
  RequestEndedSchema,
  type Requester,
  RequestRefusedSchema,
  RequestReopenedSchema,
  type RunEnded,
  RunEndedSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { FoldContext } from "../fold/context.js";
import { sendToRun, sendToSchedule } from "../fold/messages/send.js";
import { DETAIL_CHARS_MAX } from "../limits.js";
import { isName, isRunId } from "../names.js";
import { itemTotals } from "../resolve.js";
import { payloadKey } from "../state/tables.js";
import { cutText } from "../text.js";
import type { Actor } from "./actor.js";
import type { Refusal } from "./begin-run.js";

/** Of each end, also of later generations; what the news are worth to it now, the requester knows. */
export function tellRequester(actor: Actor, ended: RunEnded): void {
  const { requester, generation } = actor.run;
  if (requester === undefined) return;
  const value = init(RequestEndedSchema, {
    requester,
    ended: init(RunEndedSchema, {
      ...ended,
      output: requester.of.case === "action" ? sentOutput(actor) : undefined,
    }),
    items: itemTotals(actor.run),
    generation,
  });
  answerRequester(actor.ctx, requester, { case: "requestEnded", value });
}

/** Whoever counts its runs that have not ended is told that an ended one goes on. An action needs not: it waits, or asks anew. */
export function tellReopened({ ctx, run, runId }: Actor): void {
  const { requester, generation } = run;
  if (requester?.of.case !== "schedule") return;
  const value = init(RequestReopenedSchema, { requester, runId, generation });
  answerRequester(ctx, requester, { case: "requestReopened", value });
}

/** Sends an answer to where a requester lives. */
export function answerRequester(ctx: FoldContext, { of }: Requester, answer: PartitionMessage["kind"]): void {
  if (of.case === "action" && isRunId(of.value.runId)) sendToRun(ctx, of.value.runId, answer);
  else if (of.case === "schedule" && isName(of.value.name)) sendToSchedule(ctx, of.value.name, answer);
}

/** Whether it is the same actor that asks: an action in another attempt, a schedule for the same instant. */
export function isSameRequester(a: Requester | undefined, b: Requester): boolean {
  if (a?.of.case === "action" && b.of.case === "action")
    return a.of.value.runId === b.of.value.runId && a.of.value.action === b.of.value.action;
  if (a?.of.case !== "schedule" || b.of.case !== "schedule") return false;
  const [one, other] = [a.of.value, b.of.value];
  return (
    one.name === other.name && one.incarnation === other.incarnation && one.instantNs === other.instantNs
  );
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

/** What is kept beside the run's record can't be referred to from elsewhere: it is sent whole. */
function sentOutput({ ctx, plan, run, runId }: Actor): Payload | undefined {
  const output = plan.leaf === undefined ? undefined : run.actions[plan.leaf]?.output;
  if (plan.leaf === undefined || output?.body.case !== "stored") return output;
  const value = ctx.view.get(payloadKey(runId, plan.leaf + 1))?.body ?? new Uint8Array();
  return init(PayloadSchema, { body: { case: "inline", value }, encoding: output.encoding });
}
