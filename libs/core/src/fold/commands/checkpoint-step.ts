/**
 * CheckpointStep: a step of a running attempt is done. Later attempts get its result and skip it.
 *
 * 1. Only the current attempt's steps count. The same step again changes nothing.
 * 2. Steps of an undo are kept apart from those of what it undoes; those of a submit or a check are forgotten with the next one.
 * 3. Steps of a recovery are not kept, since no attempt comes after it that could skip them.
 * 4. What is one step too many for the run's guardrails is kept, and the run is stopped.
 */
import {
  type CheckpointStep,
  type Command,
  ItemRecordSchema,
  RejectCode,
  StepRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type Actor, loadActor, payloadProblem, saveActor, stateOf } from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { isCurrentAttempt, isRecovering, isUndoRunning } from "../../actor/attempt.js";
import { countStep } from "../../actor/guardrails.js";
import { putRecord, recordOf } from "../../actor/items.js";
import type { ActionPlan } from "../../definition/plan.js";
import { STEP_NAME_CHARS_MAX, STEPS_MAX } from "../../limits.js";
import { quoted } from "../../names.js";
import { stepKey, UNDO_STEPS } from "../../state/tables.js";
import { cutText } from "../../text.js";
import type { FoldContext } from "../context.js";

export function checkpointStep(ctx: FoldContext, command: Command, step: CheckpointStep): void {
  const actor = loadActor(ctx, step.runId);
  const action = actor?.plan.actions[step.action];
  if (actor === undefined || action === undefined || !isCurrentAttempt(actor, action, step)) {
    const message = `attempt ${step.attempt} of run ${quoted(step.runId)}, action ${step.action} is not the current one: its step was not kept`;
    ctx.reject(command, RejectCode.STALE_ATTEMPT, message, step.runId, actor?.run.status);
    return;
  }
  const problem = stepProblem(step);
  if (problem !== undefined) {
    ctx.reject(command, problem.code, problem.message, step.runId, actor.run.status);
    return;
  }
  if (isRecovering(actor, action, step.item)) {
    if (countStep(actor)) advance(actor);
    if (actor.run.guardrails !== undefined) saveActor(actor);
    ctx.accept(command, { runId: step.runId, status: actor.run.status });
    return;
  }
  const { item, bound, since } = placeOf(actor, action, step.item);
  const key = stepKey(step.runId, action.index, item, step.index);
  const before = step.index < bound ? ctx.view.get(key) : undefined;
  if (before === undefined || before.generation < since) {
    const { name, result, startedAtNs, attempt } = step;
    const { generation } = actor.run;
    ctx.view.put(
      key,
      init(StepRecordSchema, { name, result, startedAtNs, endedAtNs: ctx.atNs, attempt, generation }),
    );
    raiseBound(actor, action, step);
    if (item !== UNDO_STEPS && actor.run.guardrails !== undefined) {
      if (countStep(actor)) advance(actor);
      saveActor(actor);
    }
  }
  ctx.accept(command, { runId: step.runId, status: actor.run.status });
}

function stepProblem(
  step: CheckpointStep,
): { readonly code: RejectCode; readonly message: string } | undefined {
  if (step.name === "" || step.name.length > STEP_NAME_CHARS_MAX) {
    const message = `a step needs a name of 1 to ${STEP_NAME_CHARS_MAX} characters, not ${quoted(cutText(step.name, 64))}`;
    return { code: RejectCode.INVALID_NAME, message };
  }
  if (step.index >= STEPS_MAX) {
    return {
      code: RejectCode.TOO_LARGE,
      message: `step ${quoted(step.name)} is number ${step.index}; an attempt has at most ${STEPS_MAX}`,
    };
  }
  const problem = payloadProblem(step.result);
  if (problem === undefined) return undefined;
  return {
    code: problem.code,
    message: `the result of step ${quoted(step.name)} can't be kept: ${problem.message}`,
  };
}

/** Where the steps of the attempt are kept, how many there are, and since which generation they count. */
function placeOf(
  actor: Actor,
  action: ActionPlan,
  item: number | undefined,
): { readonly item: number; readonly bound: number; readonly since: number } {
  const { steps, stepsSince, undo, batch } = stateOf(actor, action);
  if (item !== undefined)
    return { item, bound: recordOf(actor, action, item)?.steps ?? 0, since: stepsSince };
  if (undo !== undefined && isUndoRunning(actor, action))
    return { item: UNDO_STEPS, bound: undo.steps, since: undo.generation };
  if (batch !== undefined) return { item: -1, bound: batch.steps, since: stepsSince };
  return { item: -1, bound: steps, since: stepsSince };
}

function raiseBound(actor: Actor, action: ActionPlan, { item, index, attempt }: CheckpointStep): void {
  if (item === undefined) {
    const state = stateOf(actor, action);
    const undo = isUndoRunning(actor, action) ? state.undo : undefined;
    const holder = undo ?? state.batch ?? state;
    if (index < holder.steps) return;
    holder.steps = index + 1;
    saveActor(actor);
    return;
  }
  const record =
    recordOf(actor, action, item) ?? init(ItemRecordSchema, { attempt, generation: actor.run.generation });
  if (index < record.steps) return;
  record.steps = index + 1;
  putRecord(actor, action, item, record);
}
