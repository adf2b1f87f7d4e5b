/**
 * StartRun: a run begins, once for each run id.
 *
 * 1. A run that is there already is never begun again; the answer says how it stands.
 * 2. The same start sent again (its command id) gets the answer that it got.
 */
import {
  type Command,
  OnConflict,
  OutcomeSchema,
  type Payload,
  RecoveryStrategy,
  RejectCode,
  RunStatus,
  type StartRun,
  type Waiter,
  WaiterSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type Actor, loadActor } from "../../actor/actor.js";
import { beginRun, nameRefusal } from "../../actor/begin-run.js";
import { retryableUntilNs } from "../../actor/expiry.js";
import { reopen } from "../../actor/reopen.js";
import { endedOf } from "../../actor/run-end.js";
import { COMMAND_ID_CHARS_MAX, WAITERS_MAX } from "../../limits.js";
import { restartRefusal } from "../../actor/restart.js";
import { isRunRetryable, isRunTerminal } from "../../status.js";
import { payloadKey, runKey } from "../../state/tables.js";
import { cutText, timeText } from "../../text.js";
import type { FoldContext } from "../context.js";

export function startRun(ctx: FoldContext, command: Command, start: StartRun): void {
  const badName = nameRefusal(start);
  if (badName !== undefined) {
    ctx.reject(command, badName.code, badName.message);
    return;
  }
  const { runId } = start;
  const existing = loadActor(ctx, runId);
  if (existing !== undefined) {
    meetExisting(existing, command, start);
    return;
  }
  const refused = start.restarts === undefined ? undefined : restartRefusal(ctx, start, start.restarts);
  if (refused !== undefined) {
    ctx.reject(command, refused.code, refused.message, runId);
    return;
  }
  const waiter = waiterOf(ctx, command, start);
  const begun = beginRun(ctx, start, { startId: command.id, waiter, restarts: start.restarts });
  if ("code" in begun) ctx.reject(command, begun.code, begun.message, runId);
  else ctx.accept(command, { runId, status: begun.run.status });
}

/** Whoever asked to be told of the end, and can be. */
function waiterOf(ctx: FoldContext, command: Command, start: StartRun): Waiter | undefined {
  const inbox = ctx.replyInbox;
  const { correlation } = command;
  return start.notifyEnd && inbox !== "" && correlation !== 0n
    ? init(WaiterSchema, { inbox, correlation })
    : undefined;
}

/** Whoever asked to be told of the end is told, now or then. */
function wait(actor: Actor, command: Command, start: StartRun): void {
  const { ctx, run } = actor;
  const waiter = waiterOf(ctx, command, start);
  if (waiter === undefined) return;
  if (isRunTerminal(run.status) && run.recoverAtNs === 0n) {
    ctx.send(command, init(OutcomeSchema, { result: { case: "ended", value: endedOf(actor) } }));
  } else if (
    !run.waiters.some((other) => other.inbox === waiter.inbox && other.correlation === waiter.correlation) &&
    run.waiters.length < WAITERS_MAX
  ) {
    run.waiters.push(waiter);
  }
}

/** Whether a run was begun with these bytes. Kept in two ways, inline and by reference, they can't be compared: then nothing is said. */
function isSameInput({ ctx, run, runId }: Actor, given: Payload | undefined): boolean {
  const [kept, sent] = [run.input?.body, given?.body];
  if (kept?.case === "ref" && sent?.case === "ref") return kept.value.name === sent.value.name;
  if (kept?.case === "ref" || sent?.case === "ref") return true;
  const bytes = kept?.case === "stored" ? ctx.view.get(payloadKey(runId, 0))?.body : kept?.value;
  return areSameBytes(bytes ?? NOTHING, sent?.case === "inline" ? sent.value : NOTHING);
}

function areSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

const NOTHING = new Uint8Array();

function meetExisting(actor: Actor, command: Command, start: StartRun): void {
  const { ctx, run, runId } = actor;
  if (run.workflow !== start.workflow) {
    ctx.reject(
      command,
      RejectCode.RUN_EXISTS,
      `run ${runId} exists and is of workflow "${run.workflow}": choose another run id`,
      runId,
      run.status,
    );
    return;
  }
  const sentAgain = run.startId !== "" && run.startId === cutText(command.id, COMMAND_ID_CHARS_MAX);
  if (!sentAgain && start.onConflict === OnConflict.REJECT) {
    const again = isRunRetryable(run.status)
      ? `; it failed: retry it (it can be until ${timeText(retryableUntilNs(ctx.view, run))}), or choose another run id`
      : ": choose another run id";
    ctx.reject(
      command,
      RejectCode.RUN_EXISTS,
      `run ${runId} exists, ${RunStatus[run.status]}${again}`,
      runId,
      run.status,
    );
    return;
  }
  if (!sentAgain && start.onConflict === OnConflict.RETRY_IF_FAILED && isRunRetryable(run.status)) {
    const reopened = reopen(actor, {
      strategy: RecoveryStrategy.UNSPECIFIED,
      force: false,
      who: "start",
      reason: "started again",
    });
    if (reopened.refused !== undefined) {
      ctx.reject(command, reopened.refused.code, reopened.refused.message, runId, run.status);
      return;
    }
  }
  const before = run.waiters.length;
  const differs = start.compareInput && !isSameInput(actor, start.input);
  ctx.accept(command, { runId, existed: !sentAgain, status: run.status, differs });
  wait(actor, command, start);
  if (run.waiters.length !== before || start.onConflict === OnConflict.RETRY_IF_FAILED)
    ctx.view.put(runKey(runId), run);
}
