/** Items and the breaker of their action: whether the next one may begin, and how one is taken back before a worker had it. */
import {
  type Failure,
  ItemRecordSchema,
  ItemStatus,
  OnOpen,
  Source,
  TimerKind,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { askGate, hold, refusal, unhold } from "../breaker/gate.js";
import type { ActionPlan } from "../definition/plan.js";
import { REFUSED_AT_ONCE_MAX } from "../limits.js";
import { beyondTolerance } from "../resolve.js";
import { type Actor, makeDetail, stateOf } from "./actor.js";
import { endAttempt, itemsOf, putRecord, recordOf, setStatus, takePending } from "./items.js";
import { failItem } from "./report.js";

/** Of an action with a breaker and a PENDING item. False: none begins now; those that the breaker does not hold have ended. */
export function mayGo(actor: Actor, action: ActionPlan): boolean {
  const gate = askGate(actor, action);
  if (gate === "go") {
    if (stateOf(actor, action).breaker?.held === true) unhold(actor, action);
    return true;
  }
  if (gate === "hold") hold(actor, action);
  else refuseItems(actor, action);
  return false;
}

/** Fails or skips what is PENDING; of very many, a timer that is due at once goes on with the rest. */
function refuseItems(actor: Actor, action: ActionPlan): void {
  const { ctx, runId } = actor;
  const items = itemsOf(actor, action);
  const failure = refusal(actor, action);
  for (let left = REFUSED_AT_ONCE_MAX; left > 0; left--) {
    const { failed = 0, total = 0 } = items.counts ?? {};
    // Recoveries take room in the window.
    if (total > 0 && (items.counts?.running ?? 0) >= action.window) return;
    if (items.loaded && beyondTolerance(action.tolerate, failed, total)) return;
    const taken = takePending(actor, action);
    if (taken === undefined) return;
    refuseItem(actor, action, taken, failure);
  }
  if ((items.counts?.pending ?? 0) === 0) return;
  const timer = init(TimerRecordSchema, { kind: TimerKind.BREAKER, runId, action: action.index });
  ctx.setTimer(ctx.atNs, timer);
}

/** Ends a RUNNING item that its breaker does not let out, as its policy has it. */
export function refuseItem(
  actor: Actor,
  action: ActionPlan,
  { item, attempt }: { readonly item: number; readonly attempt: number },
  failure: Failure,
): void {
  const { atNs } = actor.ctx;
  if (action.breaker?.onOpen !== OnOpen.SKIP) {
    failItem(actor, action, item, { worker: "", attempt, startedAtNs: 0n }, failure, true);
    return;
  }
  const detail = makeDetail(failure.message, Source.BREAKER, atNs);
  endAttempt(actor, action, item, { attempt, endedAtNs: atNs, detail, before: undefined });
  setStatus(actor, action, item, ItemStatus.SKIPPED);
}

/** The current attempt counts for no retry policy. */
export function spareAttempt(
  actor: Actor,
  action: ActionPlan,
  { item, attempt }: { readonly item?: number | undefined; readonly attempt: number },
): void {
  if (item === undefined) {
    stateOf(actor, action).attemptBase += 1;
    return;
  }
  const record =
    recordOf(actor, action, item) ?? init(ItemRecordSchema, { generation: actor.run.generation });
  record.attempt = attempt;
  record.attemptBase += 1;
  putRecord(actor, action, item, record);
}

/** A RUNNING item that no worker has is PENDING again. Its attempt is not spent, and its number is not used again. */
export function returnItem(actor: Actor, action: ActionPlan, item: number, attempt: number): void {
  spareAttempt(actor, action, { item, attempt });
  setStatus(actor, action, item, ItemStatus.PENDING);
  const items = itemsOf(actor, action);
  if (item < items.cursor) items.cursor = item;
}
