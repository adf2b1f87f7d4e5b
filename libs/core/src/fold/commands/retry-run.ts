/** RetryRun: an operator sets an ended run off again: what failed of it, all of it, or single items. */
import { type Command, type RetryRun } from "@holdfast/proto";
import { loadActor, saveActor } from "../../actor/actor.js";
import { retryByHand } from "../../actor/retry-items.js";
import { absentCode, absentText } from "../../views/absent.js";
import type { FoldContext } from "../context.js";

export function retryRun(
  ctx: FoldContext,
  command: Command,
  retry: RetryRun,
): ReturnType<FoldContext["accept"]> {
  const actor = loadActor(ctx, retry.runId);
  if (actor === undefined) {
    return ctx.reject(
      command,
      absentCode(ctx.view, ctx.applied, retry.runId),
      absentText(ctx.view, ctx.applied, retry.runId),
      retry.runId,
    );
  }
  const reopened = retryByHand(actor, retry);
  if (reopened.refused !== undefined) {
    return ctx.reject(
      command,
      reopened.refused.code,
      reopened.refused.message,
      retry.runId,
      actor.run.status,
    );
  }
  saveActor(actor);
  return ctx.accept(command, {
    runId: retry.runId,
    status: actor.run.status,
    items: reopened.items,
    actions: reopened.actions,
  });
}
