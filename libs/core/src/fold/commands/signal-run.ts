/** SignalRun: something that a run waits for has happened. Kept, in a bounded number, where it does not wait for it yet. */
import {
  BufferedSignalSchema,
  type Command,
  type Outcome,
  RejectCode,
  RunEventType,
  RunStatus,
  type SignalRun,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { addEvent, loadActor, payloadProblem, saveActor } from "../../actor/actor.js";
import { advance } from "../../actor/advance.js";
import { signalled, waitsForSignal } from "../../actor/wait.js";
import { undoProgress } from "../../actor/undo.js";
import { SIGNAL_BYTES_MAX, SIGNALS_KEPT_MAX, WHO_CHARS_MAX } from "../../limits.js";
import { isName, quoted } from "../../names.js";
import { isRunTerminal } from "../../status.js";
import { cutText } from "../../text.js";
import { absentCode, absentText } from "../../views/absent.js";
import type { FoldContext } from "../context.js";

export function signalRun(ctx: FoldContext, command: Command, signal: SignalRun): Outcome {
  const { runId, name } = signal;
  const who = cutText(signal.who, WHO_CHARS_MAX);
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
  if (!isName(name))
    return refuse(
      RejectCode.INVALID_NAME,
      `signal name ${quoted(name)} is not valid: use 1 to 64 of A-Z a-z 0-9 _ -`,
    );
  if (isRunTerminal(run.status)) {
    return refuse(
      RejectCode.ALREADY_ENDED,
      `run ${runId} has ended, ${RunStatus[run.status]}: nothing takes a signal any more`,
    );
  }
  if (run.undo !== undefined) {
    return refuse(
      RejectCode.ALREADY_ENDED,
      `run ${runId} is being undone (${undoProgress(actor)}): nothing takes a signal any more`,
    );
  }
  const problem = payloadProblem(signal.payload);
  if (problem !== undefined)
    return refuse(problem.code, `the payload of signal "${name}" can't be kept: ${problem.message}`);
  const waiting = waitsForSignal(actor, name);
  if (waiting === undefined) {
    const size = signal.payload?.body.case === "inline" ? signal.payload.body.value.length : 0;
    if (size > SIGNAL_BYTES_MAX) {
      return refuse(
        RejectCode.TOO_LARGE,
        `nothing waits for signal "${name}" yet, and its ${size} bytes are too many to be kept: at most ${SIGNAL_BYTES_MAX}; send a reference`,
      );
    }
    if (run.signals.length >= SIGNALS_KEPT_MAX) {
      return refuse(
        RejectCode.TOO_LARGE,
        `run ${runId} keeps ${run.signals.length} signals that nothing has waited for: it takes no more until it does`,
      );
    }
    run.signals.push(init(BufferedSignalSchema, { name, payload: signal.payload, atNs: ctx.atNs, who }));
  }
  addEvent(actor, RunEventType.SIGNAL_RECEIVED, { detail: who === "" ? name : `${name}, from ${who}` });
  if (waiting !== undefined) {
    signalled(actor, waiting, signal.payload, who);
    advance(actor);
  }
  saveActor(actor);
  return ctx.accept(command, { runId, status: run.status });
}
