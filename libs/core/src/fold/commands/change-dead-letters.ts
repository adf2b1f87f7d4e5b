/** MoveToDeadLetters and DiscardDeadLetters: an operator puts a failed run or items of it aside, or gives them up. */
import type { Command, DiscardDeadLetters, MoveToDeadLetters, Outcome } from "@holdfast/proto";
import { type Actor, loadActor, saveActor } from "../../actor/actor.js";
import type { DeadLettersChanged, MoveWish } from "../../actor/move-to-dead-letters.js";
import { absentCode, absentText } from "../../views/absent.js";
import type { FoldContext } from "../context.js";

export function changeDeadLetters(
  ctx: FoldContext,
  command: Command,
  wish: MoveToDeadLetters | DiscardDeadLetters,
  change: (actor: Actor, wish: MoveWish) => DeadLettersChanged,
): Outcome {
  const { runId } = wish;
  const actor = loadActor(ctx, runId);
  if (actor === undefined) {
    const { view, applied } = ctx;
    return ctx.reject(command, absentCode(view, applied, runId), absentText(view, applied, runId), runId);
  }
  const { items, refused } = change(actor, wish);
  const { status } = actor.run;
  if (refused !== undefined) return ctx.reject(command, refused.code, refused.message, runId, status);
  saveActor(actor);
  return ctx.accept(command, { runId, status: actor.run.status, items });
}
