/** Ends the items of an action that have not ended, all of them or those that no worker has. */
import { ItemStatus, Source, type TaskRef, TaskRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { tellBreaker } from "../breaker/gate.js";
import { dropLanes } from "../breaker/lanes.js";
import type { ActionPlan } from "../definition/plan.js";
import { ITEM_OPEN_STATUSES } from "../status.js";
import { type Actor, cancelText, makeDetail, stateOf } from "./actor.js";
import { eachItem, endAttempt, itemsOf, recordOf, setStatus, STATUS_MASK } from "./items.js";
import { failItemAgain, hadFailed } from "./failed-again.js";
import { recoveringText } from "./recovery.js";

/**
 * Every item that is still open becomes CANCELLED, or FAILED again where it had failed before a retry; workers are told to stop what they run of them. An attempt that was
 * under way stays counted, so that its late report can't be taken for a later attempt's.
 */
export function cancelOpenItems(actor: Actor, action: ActionPlan, reason: string, source: Source): void {
  const detail = makeDetail(`cancelled: ${reason}`, source, actor.ctx.atNs);
  const running: TaskRef[] = [];
  const items = itemsOf(actor, action);
  dropLanes(actor, action);
  eachItem(actor.ctx.view, actor.runId, action.index, items.bound, (item, byte) => {
    const status: ItemStatus = byte & STATUS_MASK;
    if (!ITEM_OPEN_STATUSES.has(status)) return;
    const wasFailed = hadFailed(actor, action, item, byte);
    if (status === ItemStatus.RUNNING) {
      // No worker has the items of a job.
      if (action.batch === undefined) {
        const attempt = recordOf(actor, action, item)?.attempt ?? 1;
        running.push(init(TaskRefSchema, { runId: actor.runId, action: action.index, item, attempt }));
        actor.ctx.emit({ kind: "closed", runId: actor.runId, action: action.index, item, attempt });
        tellBreaker(actor, action, { item, attempt });
      }
      const tail = recoveringText(recordOf(actor, action, item)?.recover);
      const own = tail === "" ? detail : makeDetail(detail.text + tail, source, actor.ctx.atNs);
      if (!wasFailed) endAttempt(actor, action, item, { endedAtNs: actor.ctx.atNs, detail: own });
    }
    if (wasFailed) failItemAgain(actor, action, item, detail);
    else setStatus(actor, action, item, ItemStatus.CANCELLED);
  });
  if (running.length > 0) actor.ctx.emit({ kind: "cancel-tasks", tasks: running, reason, graceMs: 0 });
}

/** Items that are not under way become CANCELLED; the others have a while to end. */
export function cancelIdleItems(actor: Actor, action: ActionPlan): void {
  if (stateOf(actor, action).items === undefined) return;
  const { bound } = itemsOf(actor, action);
  dropLanes(actor, action);
  eachItem(actor.ctx.view, actor.runId, action.index, bound, (item, byte) => {
    const status: ItemStatus = byte & STATUS_MASK;
    if (status !== ItemStatus.PENDING && status !== ItemStatus.RETRYING) return;
    if (!hadFailed(actor, action, item, byte)) setStatus(actor, action, item, ItemStatus.CANCELLED);
    else failItemAgain(actor, action, item, { text: cancelText(actor), source: Source.OPERATOR });
  });
}

/** The attempts of items that workers may have. */
export function runningItems(actor: Actor, action: ActionPlan): TaskRef[] {
  const items = itemsOf(actor, action);
  if (items.counts?.running === 0) return [];
  const running: TaskRef[] = [];
  eachItem(actor.ctx.view, actor.runId, action.index, items.bound, (item, byte) => {
    if ((byte & STATUS_MASK) !== ItemStatus.RUNNING) return;
    const attempt = recordOf(actor, action, item)?.attempt ?? 1;
    running.push(init(TaskRefSchema, { runId: actor.runId, action: action.index, item, attempt }));
  });
  return running;
}
