/**
 * A run's first moment, whoever wanted it: checked, recorded, filed and set off.
 */
import {
  ActionStateSchema,
  ActionStatus,
  RejectCode,
  type Requester,
  type Restart,
  RunRecordSchema,
  RunStatus,
  type StartRun,
  TimerKind,
  TimerRecordSchema,
  type Waiter,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { planOf } from "../definition/plan.js";
import type { FoldContext } from "../fold/context.js";
import { COMMAND_ID_CHARS_MAX, PRIORITY_MAX } from "../limits.js";
import { isDefinitionHash, nameProblem, quoted, runIdProblem } from "../names.js";
import { definitionKey, latestKey } from "../state/tables.js";
import { cutText } from "../text.js";
import { traceparentOf } from "../trace.js";
import { prunedText } from "../views/absent.js";
import { type Actor, keepPayload, payloadProblem, saveActor } from "./actor.js";
import { advance } from "./advance.js";
import { takePlace } from "./restart.js";
import { fileRun } from "./run-end.js";

export interface Refusal {
  readonly code: RejectCode;
  /** What happened, to what, why, and what to do now. */
  readonly message: string;
}

/** Why no run can have this id or be of this workflow, whatever there is; undefined: one can. */
export function nameRefusal({ runId, workflow }: StartRun): Refusal | undefined {
  const message = runIdProblem(runId) ?? nameProblem("workflow", workflow);
  return message === undefined ? undefined : { code: RejectCode.INVALID_NAME, message };
}

export interface Beginning {
  /** Of the command that wants it; empty: none. */
  readonly startId?: string;
  /** Who is told of its end. */
  readonly waiter?: Waiter | undefined;
  readonly requester?: Requester | undefined;
  /** The run that it takes the place of. */
  readonly restarts?: Restart | undefined;
}

/** Begins a run that is not there yet, and whose names are right. Says why where it can't; then nothing has changed. */
export function beginRun(
  ctx: FoldContext,
  start: StartRun,
  { startId = "", waiter, requester, restarts }: Beginning,
): Actor | Refusal {
  const { runId, workflow } = start;
  const pruned = prunedText(ctx.view, ctx.applied, runId);
  if (pruned !== undefined)
    return { code: RejectCode.RUN_EXISTS, message: `${pruned}; choose another run id` };
  const hash = start.definitionHash || ctx.view.get(latestKey(workflow))?.hash || "";
  const definition = !isDefinitionHash(hash) ? undefined : ctx.view.get(definitionKey(hash))?.definition;
  if (definition === undefined || definition.name !== workflow) {
    const which = start.definitionHash === "" ? "" : ` with definition ${quoted(start.definitionHash)}`;
    return {
      code: RejectCode.UNKNOWN_WORKFLOW,
      message: `workflow "${workflow}"${which} is not registered: start a worker that has it, then send this again`,
    };
  }
  const problem = payloadProblem(start.input);
  if (problem !== undefined) {
    return {
      code: problem.code,
      message: `the input of run ${runId} can't be kept: ${problem.message}`,
    };
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
    startId: cutText(startId, COMMAND_ID_CHARS_MAX),
    input: keepPayload({ ctx, runId }, 0, start.input),
    waiters: waiter === undefined ? [] : [waiter],
    events: [],
    signatures: [],
    requester,
  });
  const actor: Actor = { ctx, runId, run, plan };
  if (restarts !== undefined) takePlace(actor, restarts);
  fileRun(actor);
  if (start.startAtNs > ctx.atNs)
    ctx.setTimer(start.startAtNs, init(TimerRecordSchema, { kind: TimerKind.START, runId }));
  else advance(actor);
  saveActor(actor);
  return actor;
}
