/**
 * PauseRun and ResumeRun: between them nothing of a run is dispatched and nothing of it begins. What is under way goes on and counts, time
 * passes, signals and decisions are taken.
 */
import {
  ActionStatus,
  type Command,
  type Outcome,
  type PauseRun,
  PauseRequestSchema,
  RejectCode,
  type ResumeRun,
  RunEventType,
  RunStatus,
  Source,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { settleItems } from "../../actor/actions.js";
import {
  type Actor,
  addEvent,
  isCancelling,
  loadActor,
  makeDetail,
  saveActor,
  stateOf,
} from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { hasMoved } from "../../actor/due-since.js";
import { releaseItems } from "../../actor/items.js";
import { sayUndoing } from "../../actor/undo.js";
import { askAgain } from "../../breaker/release.js";
import { WHO_CHARS_MAX } from "../../limits.js";
import { isRunTerminal, isTerminal } from "../../status.js";
import { cutText } from "../../text.js";
import { absentCode, absentText } from "../../views/absent.js";
import type { FoldContext } from "../context.js";

export function pauseRun(ctx: FoldContext, command: Command, pause: PauseRun): Outcome {
  const { runId } = pause;
  const actor = loadActor(ctx, runId);
  if (actor === undefined)
    return ctx.reject(
      command,
      absentCode(ctx.view, ctx.applied, runId),
      absentText(ctx.view, ctx.applied, runId),
      runId,
    );
  const { run } = actor;
  const refuse = (code: RejectCode, message: string): Outcome =>
    ctx.reject(command, code, message, runId, run.status);
  if (isRunTerminal(run.status))
    return refuse(RejectCode.ALREADY_ENDED, `run ${runId} has ended already: it is ${RunStatus[run.status]}`);
  if (run.status === RunStatus.PAUSED)
    return refuse(RejectCode.PAUSED, `run ${runId} is ${run.detail?.text ?? "paused"}`);
  if (isCancelling(actor))
    return refuse(
      RejectCode.ALREADY_ENDED,
      `run ${runId} is being cancelled: there is nothing left to pause`,
    );
  const who = cutText(pause.who, WHO_CHARS_MAX);
  const reason = cutText(pause.reason || "no reason given", 512);
  run.pause = init(PauseRequestSchema, { who, reason, atNs: ctx.atNs });
  run.status = RunStatus.PAUSED;
  const text = who === "" ? reason : `by ${who}: ${reason}`;
  run.detail = makeDetail(who === "" ? `paused: ${reason}` : `paused ${text}`, Source.OPERATOR, ctx.atNs);
  addEvent(actor, RunEventType.RUN_PAUSED, { runStatus: run.status, detail: text });
  saveActor(actor);
  return ctx.accept(command, { runId, status: run.status });
}

export function resumeRun(ctx: FoldContext, command: Command, resume: ResumeRun): Outcome {
  const { runId } = resume;
  const actor = loadActor(ctx, runId);
  if (actor === undefined)
    return ctx.reject(
      command,
      absentCode(ctx.view, ctx.applied, runId),
      absentText(ctx.view, ctx.applied, runId),
      runId,
    );
  const { run } = actor;
  if (run.status !== RunStatus.PAUSED) {
    const message = `run ${runId} is not paused: it is ${RunStatus[run.status]}`;
    return ctx.reject(command, RejectCode.NOT_PAUSED, message, runId, run.status);
  }
  run.pause = undefined;
  run.detail = undefined;
  if (run.undo !== undefined) sayUndoing(actor);
  run.status = run.startedAtNs === 0n ? RunStatus.PENDING : RunStatus.RUNNING;
  addEvent(actor, RunEventType.RUN_RESUMED, {
    runStatus: run.status,
    detail: resume.who === "" ? "" : `by ${cutText(resume.who, WHO_CHARS_MAX)}`,
  });
  goOn(actor);
  saveActor(actor);
  return ctx.accept(command, { runId, status: run.status });
}

/** Sets off what became due meanwhile. */
function goOn(actor: Actor): void {
  const { ctx, run, runId, plan } = actor;
  // The timer of a start that is still to come is there: none fires early, paused or not.
  if (run.status === RunStatus.PENDING && run.startAtNs > ctx.atNs) return;
  for (const action of plan.actions) {
    const state = stateOf(actor, action);
    const begun = state.status !== ActionStatus.PENDING && !isTerminal(state.status);
    if (begun || state.undo !== undefined) hasMoved(actor, action);
    if (begun && state.breaker?.held === true && state.breaker.heldN === 0n) askAgain(actor, action);
    if (!begun || state.items === undefined) continue;
    releaseItems(actor, action);
    settleItems(actor, action);
  }
  advance(actor);
  ctx.emit({ kind: "due-again", runId });
}
