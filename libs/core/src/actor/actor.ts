/**
 * A run as an actor during one command: its record, its plan, and the ways to write to both. Sets no status itself.
 */
import {
  type ActionState,
  type Detail,
  DetailSchema,
  Encoding,
  EventChunkRecordSchema,
  type Failure,
  FailureMode,
  FailureSchema,
  type ItemCounts,
  ItemCountsSchema,
  type Payload,
  PayloadRecordSchema,
  PayloadSchema,
  RejectCode,
  type RunEvent,
  RunEventSchema,
  type RunEventType,
  type RunRecord,
  RunStatus,
  type Source,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { type ActionPlan, type DefinitionPlan, planOf } from "../definition/plan.js";
import { MESSAGE_LIMIT_CHARS, STACK_LIMIT_CHARS } from "../failure/classify.js";
import { isKnownMode } from "../failure/modes.js";
import type { FoldContext } from "../fold/context.js";
import { jsonFault } from "../json-text.js";
import {
  DETAIL_CHARS_MAX,
  EMBEDDED_PAYLOAD_BYTES_MAX,
  EVENTS_EMBEDDED_MAX,
  INLINE_PAYLOAD_BYTES_MAX,
  PAYLOAD_NAME_CHARS_MAX,
  WORKER_CHARS_MAX,
} from "../limits.js";
import { isRunId } from "../names.js";
import { definitionKey, eventChunkKey, payloadKey, runKey } from "../state/tables.js";
import { isRunLive, isRunRetryable } from "../status.js";
import { cutText } from "../text.js";

export interface Actor {
  readonly ctx: FoldContext;
  readonly runId: string;
  readonly run: RunRecord;
  readonly plan: DefinitionPlan;
}

/** Undefined where the partition has no such run; what is no run id at all is never made into a key. */
export function loadActor(ctx: FoldContext, runId: string): Actor | undefined {
  if (!isRunId(runId)) return undefined;
  const run = ctx.view.get(runKey(runId));
  if (run === undefined) return undefined;
  const pinned = ctx.view.get(definitionKey(run.definitionHash))?.definition;
  if (pinned === undefined)
    throw new Error(`run ${runId} pins definition ${run.definitionHash}, which the state does not hold`);
  return { ctx, runId, run, plan: planOf(pinned) };
}

/** To be called once by each handler that changed the run. */
export function saveActor(actor: Actor): void {
  actor.ctx.view.put(runKey(actor.runId), actor.run);
}

export const stateOf = (actor: Actor, action: ActionPlan): ActionState =>
  actor.run.actions[action.index] as ActionState;
export const actionAt = (actor: Actor, index: number): ActionPlan => actor.plan.actions[index] as ActionPlan;

/** Whether a run is being cancelled: it lives on only for what is under way. */
export const isCancelling = ({ run }: Pick<Actor, "run">): boolean =>
  run.cancel !== undefined && run.undo === undefined && isRunLive(run.status);

/** Whether a run has ended failed because its retry was cancelled: what had failed is failed again, and nothing sets it off by itself. */
export const isRetryCancelled = ({ cancel, retriedFrom, status }: RunRecord): boolean =>
  cancel !== undefined && retriedFrom !== RunStatus.UNSPECIFIED && isRunRetryable(status);

/** Why something of a run that is being cancelled ended without success. */
export const cancelText = ({ run }: Pick<Actor, "run">): string =>
  `cancelled: ${run.cancel?.reason || "no reason given"}`;

export function makeDetail(text: string, source: Source, atNs: bigint): Detail {
  return init(DetailSchema, { text: cutText(text, DETAIL_CHARS_MAX), source, atNs });
}

/** A failure as it is kept: with a mode and a message, stamped with the log's time, cut to the limits whoever wrote it. */
export function makeFailure(
  failure: Init<Failure>,
  stamp: { atNs: bigint; source: Source; worker?: string; attempt?: number },
): Failure {
  return init(FailureSchema, {
    ...failure,
    mode: isKnownMode(failure.mode) ? failure.mode : FailureMode.HANDLER_BUG,
    message: cutText(failure.message || "failed without a message", MESSAGE_LIMIT_CHARS),
    shown: cutText(failure.shown ?? "", MESSAGE_LIMIT_CHARS),
    rawClass: cutText(failure.rawClass ?? "", 128),
    code: cutText(failure.code ?? "", 128),
    classifiedBy: cutText(failure.classifiedBy ?? "", 16),
    stack: cutText(failure.stack ?? "", STACK_LIMIT_CHARS),
    source: stamp.source,
    atNs: stamp.atNs,
    worker: cutText(stamp.worker ?? "", WORKER_CHARS_MAX),
    attempt: stamp.attempt ?? 0,
  });
}

/** Why a payload from outside can't be kept; undefined: it can. */
export function payloadProblem(
  payload: Payload | undefined,
): { readonly code: RejectCode; readonly message: string } | undefined {
  const body = payload?.body;
  if (body?.case === "stored") {
    const message = "it refers to a stored payload; only inline and by reference are allowed";
    return { code: RejectCode.MALFORMED, message };
  }
  if (body?.case === "inline" && body.value.length > INLINE_PAYLOAD_BYTES_MAX) {
    const message = `it is ${body.value.length} bytes inline; at most ${INLINE_PAYLOAD_BYTES_MAX} are allowed: send it by reference`;
    return { code: RejectCode.TOO_LARGE, message };
  }
  if (body?.case === "ref" && (body.value.name === "" || body.value.name.length > PAYLOAD_NAME_CHARS_MAX)) {
    const message = `its reference needs a name of 1 to ${PAYLOAD_NAME_CHARS_MAX} characters`;
    return { code: RejectCode.MALFORMED, message };
  }
  if (body?.case !== "inline" || payload?.encoding !== Encoding.UNSPECIFIED || body.value.length === 0)
    return undefined;
  const fault = jsonFault(body.value);
  return fault === undefined
    ? undefined
    : { code: RejectCode.MALFORMED, message: `it is not usable JSON: ${fault.message}` };
}

/** A payload as its record holds it: small ones within, others beside it in `slot`. */
export function keepPayload(
  actor: Pick<Actor, "ctx" | "runId">,
  slot: number,
  payload: Payload | undefined,
): Payload | undefined {
  if (payload?.body.case !== "inline" || payload.body.value.length <= EMBEDDED_PAYLOAD_BYTES_MAX)
    return payload;
  actor.ctx.view.put(payloadKey(actor.runId, slot), init(PayloadRecordSchema, { body: payload.body.value }));
  return init(PayloadSchema, {
    body: { case: "stored", value: payload.body.value.length },
    encoding: payload.encoding,
  });
}

/** Adds to the run's history; the oldest move to a chunk of their own when there are many. */
export function addEvent(actor: Actor, type: RunEventType, fields: Init<RunEvent> = {}): void {
  const { run, ctx } = actor;
  // Field by field: a spread of the many shapes that callers give costs more than all the rest.
  const event = init(RunEventSchema, {
    seq: ++run.nextEvent,
    atNs: ctx.atNs,
    type,
    generation: run.generation,
    action: fields.action,
    attempt: fields.attempt,
    runStatus: fields.runStatus,
    actionStatus: fields.actionStatus,
    detail: cutText(fields.detail ?? "", DETAIL_CHARS_MAX),
    items: fields.items === undefined ? undefined : copyCounts(fields.items),
    tally: fields.tally,
  });
  if (run.events.length >= EVENTS_EMBEDDED_MAX) {
    const first = run.events[0]?.seq ?? 1;
    const chunk = Math.floor((first - 1) / EVENTS_EMBEDDED_MAX);
    ctx.view.put(eventChunkKey(actor.runId, chunk), init(EventChunkRecordSchema, { events: run.events }));
    run.events = [];
  }
  run.events.push(event);
  const action = fields.action === undefined ? "" : (actor.plan.actions[fields.action]?.name ?? "");
  ctx.emit({ kind: "event", workflow: run.workflow, runId: actor.runId, action, event });
}

/** Records are changed in place, history is not: it gets the counts as they are now. */
const copyCounts = (counts: ItemCounts): ItemCounts => init(ItemCountsSchema, { ...counts });
