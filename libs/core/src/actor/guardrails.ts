/**
 * The guardrails of a run: how long a generation may last, how many steps it may take, what it may spend.
 *
 * 1. What goes beyond sets `exceeded`, and nothing new is set off from then on; the `advance` that follows stops what is open (stop.ts).
 * 2. Steps and usage count over the whole run, a duration from the beginning of a generation. A run that has spent what it
 *    may is retried only by force, which begins all of them anew: it could not get anywhere otherwise.
 * 3. Compensation is not held to them: what was done is taken back whatever it takes. Nor is a run that is being cancelled, which
 *    ends within its grace.
 */
import {
  type Failure,
  FailureMode,
  GuardrailStateSchema,
  RunEventType,
  RunStatus,
  Source,
  TimerKind,
  TimerRecordSchema,
  UsageCountSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { microText, usedOf } from "../policy/usage.js";
import { isRunTerminal } from "../status.js";
import { timerKey } from "../state/tables.js";
import { spanText } from "../text.js";
import { type Actor, addEvent, makeFailure } from "./actor.js";

const MS = 1_000_000n;

/** The guardrail that stopped the run, or is about to. */
export const exceededOf = ({ run }: Pick<Actor, "run">): Failure | undefined => run.guardrails?.exceeded;

/** A generation of the run begins. */
export function beginGuardrails(actor: Actor): void {
  const { run, plan, ctx, runId } = actor;
  if (plan.guardrails === undefined) return;
  run.guardrails ??= init(GuardrailStateSchema, { usageBefore: [] });
  const state = run.guardrails;
  if (spentText(actor) !== undefined) {
    state.exceeded = undefined;
    state.stepsBefore = state.steps;
    state.usageBefore = (run.usage?.counts ?? []).map((count) => init(UsageCountSchema, { ...count }));
  }
  if (plan.guardrails.maxDurationMs === 0n) return;
  state.deadlineNs = ctx.atNs + plan.guardrails.maxDurationMs * MS;
  const timer = init(TimerRecordSchema, { kind: TimerKind.GUARDRAIL, runId, attempt: run.generation });
  state.timerSeq = BigInt(ctx.seq);
  state.timerRow = ctx.setTimer(state.deadlineNs, timer);
}

/** The generation is over, or about to be by request: its timer goes, so that short runs leave no long timers behind. */
export function endGuardrails({ run, ctx }: Actor): void {
  const state = run.guardrails;
  if (state === undefined || state.deadlineNs === 0n) return;
  ctx.view.del(timerKey(state.deadlineNs, Number(state.timerSeq), state.timerRow));
  state.deadlineNs = 0n;
  state.timerSeq = 0n;
  state.timerRow = 0;
}

/** The timer of a generation is due. False where that has ended. */
export function deadlineReached(actor: Actor, generation: number): boolean {
  const { run, plan, ctx } = actor;
  const { guardrails: state } = run;
  if (state === undefined || state.deadlineNs === 0n || state.deadlineNs > ctx.atNs) return false;
  if (run.generation !== generation || !canStop(actor)) return false;
  const limitMs = plan.guardrails?.maxDurationMs ?? 0n;
  const tookMs = (ctx.atNs - state.deadlineNs) / MS + limitMs;
  exceed(
    actor,
    `guardrail max_duration exceeded: it has run for ${spanText(tookMs)}, at most ${spanText(limitMs)} is allowed`,
  );
  return true;
}

/** A step was checkpointed. True where it is one too many. */
export function countStep(actor: Actor): boolean {
  const { run, plan } = actor;
  if (run.guardrails === undefined || (plan.guardrails?.maxSteps ?? 0) === 0) return false;
  run.guardrails.steps += 1;
  return checkSpent(actor);
}

/** To be called once something was counted. True where it was too much. */
export function checkSpent(actor: Actor): boolean {
  if (actor.run.guardrails === undefined || !canStop(actor)) return false;
  const over = overspent(actor);
  if (over !== undefined) exceed(actor, over);
  return over !== undefined;
}

/** What keeps a run from going on unless that is forced: what stopped it, or what it has spent; undefined: nothing does. */
export const spentText = (actor: Pick<Actor, "run" | "plan">): string | undefined =>
  exceededOf(actor)?.message ?? overspent(actor);

function overspent(actor: Pick<Actor, "run" | "plan">): string | undefined {
  const { guardrails } = actor.plan;
  if (guardrails === undefined) return undefined;
  const { maxSteps, budgets } = guardrails;
  const steps = stepsCounted(actor);
  if (maxSteps > 0 && steps > maxSteps)
    return `guardrail max_steps exceeded: ${steps} steps were taken, at most ${maxSteps} are allowed`;
  for (const { name, limitMicro } of budgets) {
    const used = usageCounted(actor, name);
    if (used > limitMicro)
      return `guardrail budget ${name} exceeded: ${microText(used)} was used, at most ${microText(limitMicro)} is allowed`;
  }
  return undefined;
}

/** Steps that count against the limit. */
export const stepsCounted = ({ run }: Pick<Actor, "run">): number =>
  (run.guardrails?.steps ?? 0) - (run.guardrails?.stepsBefore ?? 0);

/** What counts against a budget. */
export const usageCounted = ({ run }: Pick<Actor, "run">, name: string): bigint =>
  usedOf(run.usage?.counts ?? [], name) - usedOf(run.guardrails?.usageBefore ?? [], name);

function canStop({ run }: Actor): boolean {
  if (run.status === RunStatus.PENDING || isRunTerminal(run.status)) return false;
  return run.undo === undefined && run.cancel === undefined && run.guardrails?.exceeded === undefined;
}

function exceed(actor: Actor, message: string): void {
  const { run, ctx } = actor;
  if (run.guardrails === undefined) return;
  const failure = { mode: FailureMode.POLICY_BUDGET, message, rawClass: "Guardrail" };
  run.guardrails.exceeded = makeFailure(failure, { atNs: ctx.atNs, source: Source.ENGINE });
  addEvent(actor, RunEventType.GUARDRAIL_EXCEEDED, { runStatus: run.status, detail: message });
}

/** The guardrail was met by what ended the run anyway: it stopped nothing. */
export function stoppedNothing({ run }: Actor): void {
  if (run.guardrails !== undefined) run.guardrails.exceeded = undefined;
}
