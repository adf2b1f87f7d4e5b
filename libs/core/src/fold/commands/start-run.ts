/**
 * StartRun: a run begins, once for each run id.
 *
 * 1. A run that is there already is never begun again; the answer says how it stands.
 * 2. The same start sent again (its command id) gets the answer that it got.
 */
import {
  ActionStateSchema,
  ActionStatus,
  type Command,
  OnConflict,
  OutcomeSchema,
  RecoveryStrategy,
  RejectCode,
  RunRecordSchema,
  RunStatus,
  type StartRun,
  TimerKind,
  TimerRecordSchema,
  WaiterSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type Actor, keepPayload, loadActor, payloadProblem, saveActor } from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { reopen } from "../../actor/reopen.js";
import { endedOf, fileRun } from "../../actor/run-end.js";
import { planOf } from "../../definition/plan.js";
import { COMMAND_ID_CHARS_MAX, PRIORITY_MAX, WAITERS_MAX } from "../../limits.js";
import { isDefinitionHash, nameProblem, quoted, runIdProblem } from "../../names.js";
import { isRunRetryable, isRunTerminal } from "../../status.js";
import { definitionKey, latestKey, runKey } from "../../state/tables.js";
import { cutText } from "../../text.js";
import { traceparentOf } from "../../trace.js";
import type { FoldContext } from "../context.js";

export function startRun(ctx: FoldContext, command: Command, start: StartRun): void {
  const { runId, workflow } = start;
  const badName = runIdProblem(runId) ?? nameProblem("workflow", workflow);
  if (badName !== undefined) {
    ctx.reject(command, RejectCode.INVALID_NAME, badName);
    return;
  }
  const existing = loadActor(ctx, runId);
  if (existing !== undefined) {
    meetExisting(existing, command, start);
    return;
  }
  const hash = start.definitionHash || ctx.view.get(latestKey(workflow))?.hash || "";
  const definition = !isDefinitionHash(hash) ? undefined : ctx.view.get(definitionKey(hash))?.definition;
  if (definition === undefined || definition.name !== workflow) {
    const which = start.definitionHash === "" ? "" : ` with definition ${quoted(start.definitionHash)}`;
    ctx.reject(
      command,
      RejectCode.UNKNOWN_WORKFLOW,
      `workflow "${workflow}"${which} is not registered: start a worker that has it, then send this again`,
      runId,
    );
    return;
  }
  const problem = payloadProblem(start.input);
  if (problem !== undefined) {
    ctx.reject(command, problem.code, `the input of run ${runId} can't be kept: ${problem.message}`, runId);
    return;
  }
  const plan = planOf(definition);
  const run = init(RunRecordSchema, {
    workflow,
    definitionHash: hash,
    status: RunStatus.PENDING,
    generation: 1,
    priority: Math.max(-PRIORITY_MAX, Math.min(PRIORITY_MAX, start.priority)),
    createdAtNs: ctx.atNs,
    actions: plan.actions.map(() => init(ActionStateSchema, { status: ActionStatus.PENDING, generation: 1 })),
    traceparent: traceparentOf(start.traceparent, runId, ctx.seq),
    origin: cutText(start.origin, 256),
    startSeq: BigInt(ctx.seq),
    startAtNs: start.startAtNs,
    startId: cutText(command.id, COMMAND_ID_CHARS_MAX),
    input: keepPayload({ ctx, runId }, 0, start.input),
    waiters: [],
    events: [],
  });
  const actor: Actor = { ctx, runId, run, plan };
  wait(actor, command, start);
  fileRun(actor);
  if (start.startAtNs > ctx.atNs)
    ctx.setTimer(start.startAtNs, init(TimerRecordSchema, { kind: TimerKind.START, runId }));
  else advance(actor);
  saveActor(actor);
  ctx.accept(command, { runId, status: run.status });
}

/** Whoever asked to be told of the end is told, now or then. */
function wait(actor: Actor, command: Command, start: StartRun): void {
  const { ctx, run } = actor;
  const inbox = ctx.replyInbox;
  if (!start.notifyEnd || inbox === "" || command.correlation === 0n) return;
  if (isRunTerminal(run.status) && run.recoverAtNs === 0n) {
    ctx.send(command, init(OutcomeSchema, { result: { case: "ended", value: endedOf(actor) } }));
  } else if (
    !run.waiters.some((waiter) => waiter.inbox === inbox && waiter.correlation === command.correlation)
  ) {
    if (run.waiters.length < WAITERS_MAX)
      run.waiters.push(init(WaiterSchema, { inbox, correlation: command.correlation }));
  }
}

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
      ? "; it failed: retry it, or choose another run id"
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
  ctx.accept(command, { runId, existed: !sentAgain, status: run.status });
  wait(actor, command, start);
  if (run.waiters.length !== before || start.onConflict === OnConflict.RETRY_IF_FAILED)
    ctx.view.put(runKey(runId), run);
}
