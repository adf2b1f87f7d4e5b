/** MoveToDeadLetters and DiscardDeadLetters: an operator puts a failed run or items of it aside, or gives them up. */
import type { Command, DiscardDeadLetters, MoveToDeadLetters, Outcome } from "@holdfast/proto";
import { type Actor, loadActor, saveActor } from "../../actor/actor.js";
import { discardDeadLetters as discardedLetters } from "../../actor/discard-dead-letters.js";
import {
  type DeadLettersChanged,
  moveToDeadLetters as movedLetters,
} from "../../actor/move-to-dead-letters.js";
import { absentCode, absentText } from "../../views/absent.js";
import type { FoldContext } from "../context.js";

export function moveToDeadLetters(ctx: FoldContext, command: Command, wish: MoveToDeadLetters): Outcome {
  return changed(ctx, command, wish.runId, (actor) => movedLetters(actor, wish));
}

export function discardDeadLetters(ctx: FoldContext, command: Command, wish: DiscardDeadLetters): Outcome {
  return changed(ctx, command, wish.runId, (actor) => discardedLetters(actor, wish));
}

function changed(
  ctx: FoldContext,
  command: Command,
  runId: string,
  change: (actor: Actor) => DeadLettersChanged,
): Outcome {
  const actor = loadActor(ctx, runId);
  if (actor === undefined) {
    const { view, applied } = ctx;
    return ctx.reject(command, absentCode(view, applied, runId), absentText(view, applied, runId), runId);
  }
  const { items, refused } = change(actor);
  const { status } = actor.run;
  if (refused !== undefined) return ctx.reject(command, refused.code, refused.message, runId, status);
  saveActor(actor);
  return ctx.accept(command, { runId, status: actor.run.status, items });
}
