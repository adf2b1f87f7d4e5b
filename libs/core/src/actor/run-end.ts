/**
 * A run's beginning and end in the books: its status by the one resolver, the counts, the index, and telling who waits.
 */
import {
  ActionStatus,
  type CountsRecord,
  CountsRecordSchema,
  Effect,
  type Failure,
  FailureMode,
  LatestRecordSchema,
  type ModeCount,
  OutcomeSchema,
  type RunEnded,
  RunEndedSchema,
  RunEventType,
  type RunRecord,
  RunStatus,
  Source,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { MESSAGE_LIMIT_CHARS } from "../failure/classify.js";
import { isRejection, REJECTION } from "../failure/rejection.js";
import { copyUsage } from "../policy/usage.js";
import { undoneOf } from "../recovery/undone.js";
import { cancelledAs, itemTotals, resolveRunStatus, tallyOf } from "../resolve.js";
import { isCompleted, isRunCompleted, isRunRetryable, RUN_RETRYABLE_STATUSES } from "../status.js";
import { countsKey, statusKey } from "../state/tables.js";
import { cutText } from "../text.js";
import { addMode, modesText } from "./actions.js";
import { type Actor, addEvent, cancelText, isRetryCancelled, makeDetail, makeFailure } from "./actor.js";
import { failedText } from "./attempt.js";
import { isDeadLetter, rememberLetter, takeOutRun } from "./dead-letters.js";
import { fileExpiry, retryableUntilNs, unfileExpiry } from "./expiry.js";
import { settleAttention, tellOperators } from "./attention.js";
import { endGuardrails, exceededOf } from "./guardrails.js";
import { deadLetterByPolicy, putLettersBack } from "./move-to-dead-letters.js";
import { planRecovery } from "./recover.js";
import { bulkRunEnded } from "../bulk/part.js";
import { tellReopened, tellRequester } from "./requester.js";
import { fileSignatures, unfileSignatures } from "./signatures.js";
import { beginUndo, hasUndos } from "./undo.js";

type RunCount = "active" | "completed" | "completedWithFailures" | "failed" | "cancelled";

function countOf(status: RunStatus): RunCount {
  if (status === RunStatus.COMPLETED) return "completed";
  if (status === RunStatus.COMPLETED_WITH_FAILURES) return "completedWithFailures";
  if (status === RunStatus.FAILED) return "failed";
  if (status === RunStatus.CANCELLED) return "cancelled";
  return "active";
}

function changeCounts(actor: Actor, change: (counts: CountsRecord) => void): void {
  const key = countsKey(actor.run.workflow);
  const counts = actor.ctx.view.get(key) ?? init(CountsRecordSchema);
  change(counts);
  actor.ctx.view.put(key, counts);
}

/** Files a new run. */
export function fileRun(actor: Actor): void {
  const { run, runId, ctx } = actor;
  ctx.view.put(statusKey(run.workflow, run.status, run.createdAtNs, runId), init(LatestRecordSchema));
  changeCounts(actor, (counts) => {
    // Its workflow's runs may expire sooner than those of any other.
    if (counts.started === 0n) ctx.emit({ kind: "sweep" });
    counts.active += 1;
    counts.started += 1n;
  });
}

/** Files a run under a status of another class than it was filed under. */
function refile(actor: Actor, from: RunStatus, to: RunStatus): void {
  const { run, runId, ctx } = actor;
  ctx.view.del(statusKey(run.workflow, from, run.createdAtNs, runId));
  ctx.view.put(statusKey(run.workflow, to, run.createdAtNs, runId), init(LatestRecordSchema));
}

/** A completed run is never opened again, so its no-op flag is counted once. */
function countEffect(counts: CountsRecord, run: RunRecord): void {
  if (run.status !== RunStatus.COMPLETED) return;
  if (run.effect === Effect.NONE_WITH_REASON) counts.noEffect += 1;
  if (run.effect === Effect.SILENT) counts.silentNoOp += 1;
}

/**
 * Every action is terminal: the run ends, unless completed actions are to be undone first. They are not while a recovery is to
 * come, which goes on with what they did.
 */
export function endRun(actor: Actor): void {
  // It is being undone for this very end already, and nothing that comes meanwhile may begin that anew.
  if (actor.run.undo !== undefined) return;
  endGuardrails(actor);
  const text = decideEnd(actor);
  const recovery = planRecovery(actor);
  if (recovery === undefined && beginUndo(actor)) return;
  bookEnd(actor, text, recovery);
}

/** All that is to be undone is: the run ends for good, as it was about to. */
export function endUndoneRun(actor: Actor): void {
  bookEnd(actor, decideEnd(actor), undefined);
}

/**
 * A run has failed, and the recovery that was to come does not come: it has ended for good. Where something is to be undone, that
 * takes a generation of its own, since this one has ended. `why` it does not come, where nothing about the run itself says so.
 */
export function callOffRecovery(actor: Actor, why?: string): void {
  const { run } = actor;
  run.recoverAtNs = 0n;
  if (run.status !== RunStatus.FAILED || !hasUndos(actor)) {
    tellEnd(actor, endedOf(actor));
    putLettersBack(actor);
    deadLetterByPolicy(actor, why);
    tellOperators(actor);
    return;
  }
  reopenRun(actor);
  decideEnd(actor);
  beginUndo(actor);
}

/** How the run ended. A sentence that says why. */
function decideEnd(actor: Actor): string {
  const { run, plan, ctx } = actor;
  run.status = resolveRunStatus(
    plan.actions.map((action) => ({
      status: run.actions[action.index]?.status ?? ActionStatus.PENDING,
      optional: action.definition.optional,
    })),
    cancelledAs(run),
  );
  run.endedAtNs = ctx.atNs;
  run.effect = effectOfRun(run);
  run.failure = isRunRetryable(run.status) ? (exceededOf(actor) ?? failureOfRun(actor)) : undefined;
  const text =
    run.status === RunStatus.CANCELLED
      ? cancelText(actor)
      : (run.failure?.message ?? noEffectText(actor)) + retryCancelledText(actor);
  return plan.undoOrder.length === 0 ? text : withUndone(actor, text);
}

/** That a retry was cancelled, and left the run failed; empty: none was. */
function retryCancelledText({ run }: Actor): string {
  if (!isRetryCancelled(run)) return "";
  const by = run.cancel?.who === "" ? "" : ` by ${run.cancel?.who}`;
  return `; its retry was cancelled${by}: ${run.cancel?.reason || "no reason given"}`;
}

/** Adds what was undone, and to the failure what could not be. */
function withUndone(actor: Actor, text: string): string {
  const { run, plan, ctx } = actor;
  const { done, failed } = undoneOf(plan, run);
  const undone = done.length === 0 ? "" : `; undone: ${done.join(", ")}`;
  if (failed.length === 0) return text + undone;
  const why = failed.map(({ name, failure }) =>
    failure === undefined ? name : `${name} (${failedText(failure)})`,
  );
  const tail = cutText(`could not be undone: ${why.join(", ")}`, MESSAGE_LIMIT_CHARS / 2);
  const first = run.failure ?? failed[0]?.failure;
  const message = `${cutText(text, MESSAGE_LIMIT_CHARS / 2 - 2)}; ${tail}`;
  run.failure = makeFailure(
    { ...first, message, shown: "", stack: "" },
    { atNs: ctx.atNs, source: Source.ENGINE },
  );
  return message + undone;
}

function bookEnd(actor: Actor, text: string, recovery: string | undefined): void {
  const { run, ctx } = actor;
  const { status } = run;
  run.pause = undefined;
  fileExpiry(actor);
  fileSignatures(actor);
  const tally = tallyOf(run.actions.map((action) => action.status));
  run.detail = makeDetail(
    recovery === undefined ? text : `${text}; ${recovery}`,
    run.cancel !== undefined && !isRunCompleted(status) ? Source.OPERATOR : Source.ENGINE,
    ctx.atNs,
  );
  refile(actor, RunStatus.RUNNING, status);
  changeCounts(actor, (counts) => {
    counts.active -= 1;
    counts[countOf(status)] += 1;
    counts.ended += 1n;
    countEffect(counts, run);
  });
  const items = itemTotals(run);
  addEvent(actor, RunEventType.RUN_ENDED, { runStatus: status, detail: text, tally, items });
  if (recovery !== undefined) return;
  tellEnd(actor, endedOf(actor, tally));
  tellOperators(actor);
  putLettersBack(actor);
  deadLetterByPolicy(actor);
}

/** Everybody who waits for the run's end is told of it. */
function tellEnd(actor: Actor, ended: RunEnded): void {
  const { run, ctx } = actor;
  for (const waiter of run.waiters) {
    ctx.sendTo(
      waiter.inbox,
      waiter.correlation,
      init(OutcomeSchema, { result: { case: "ended", value: ended } }),
    );
  }
  run.waiters = [];
  if (run.bulkOperation !== "") bulkRunEnded(actor);
  tellRequester(actor, ended);
}

/** What somebody who waits for the run is told. */
export function endedOf(
  actor: Actor,
  tally = tallyOf(actor.run.actions.map((action) => action.status)),
): RunEnded {
  const { run, plan, runId } = actor;
  return init(RunEndedSchema, {
    runId,
    status: run.status,
    output: plan.leaf === undefined ? undefined : run.actions[plan.leaf]?.output,
    detail: run.detail?.text ?? "",
    failure: run.failure,
    tally,
    effect: run.effect,
    usage: run.usage && copyUsage(run.usage),
    retryableUntilNs: retryableUntilNs(actor.ctx.view, run),
  });
}

/** Takes an ended run out of the books of the ended: a new generation begins. */
export function reopenRun(actor: Actor): void {
  const { run } = actor;
  const from = run.status;
  if (!RUN_RETRYABLE_STATUSES.has(from))
    throw new Error(`run ${actor.runId} can't be reopened from status ${from}`);
  changeCounts(actor, (counts) => {
    counts[countOf(from)] -= 1;
    counts.active += 1;
    counts.retried += 1n;
  });
  refile(actor, from, RunStatus.RUNNING);
  unfileExpiry(actor);
  unfileSignatures(actor);
  run.lettersOut = undefined;
  if (isDeadLetter(run)) rememberLetter(run, -1, -1);
  takeOutRun(actor);
  run.discarded = undefined;
  settleAttention(actor.ctx, actor.runId, run);
  run.retriedFrom = from;
  run.unneeded = false;
  run.status = RunStatus.RUNNING;
  run.generation += 1;
  run.endedAtNs = 0n;
  run.recoverAtNs = 0n;
  run.cancel = undefined;
  run.detail = undefined;
  run.failure = undefined;
  run.effect = Effect.UNSPECIFIED;
  tellReopened(actor);
}

/** A run did something if any of its actions did; it is silent if one of them was. */
function effectOfRun(run: RunRecord): Effect {
  let effect: Effect = Effect.UNSPECIFIED;
  for (const action of run.actions) {
    if (!isCompleted(action.status)) continue;
    if (action.effect === Effect.VALUE) return Effect.VALUE;
    if (action.effect === Effect.SILENT || effect === Effect.UNSPECIFIED) effect = action.effect;
  }
  return effect;
}

function noEffectText(actor: Actor): string {
  const { run, plan } = actor;
  if (run.effect === Effect.SILENT) return "completed, but no action had an effect, and no reason was given";
  if (run.effect === Effect.NONE_WITH_REASON) {
    const said = plan.order
      .map((index) => run.actions[index]?.detail?.text ?? "")
      .find((text) => text !== "");
    return `completed without effect: ${said ?? "no items"}`;
  }
  return "completed";
}

/** Of a run whose retry was cancelled, and which has no failure of its own left: what was to come after it is not done. */
function makeCancelled(actor: Actor): Failure {
  const { run, ctx } = actor;
  const message = run.cancel === undefined ? "cancelled: no reason given" : cancelText(actor);
  return makeFailure(
    { mode: FailureMode.CANCELLED, message, rawClass: "Cancel" },
    { atNs: run.cancel?.atNs ?? ctx.atNs, source: Source.OPERATOR },
  );
}

/** The mode of the failed actions where they agree, else PARTIAL_STEP_FAILURES with a count for each. */
function failureOfRun(actor: Actor): Failure {
  const modes: ModeCount[] = [];
  const names: string[] = [];
  let first: Failure | undefined;
  for (const index of actor.plan.order) {
    const state = actor.run.actions[index];
    const failure = state?.failure;
    if (state === undefined || failure === undefined) continue;
    first ??= failure;
    names.push(actor.plan.actions[index]?.name ?? "");
    if (failure.modes.length > 0) for (const { mode, count } of failure.modes) addMode(modes, mode, count);
    else addMode(modes, failure.mode, 1);
  }
  if (first === undefined) return makeCancelled(actor);
  const agreed = modes.length === 1 ? (modes[0]?.mode ?? 0) : FailureMode.PARTIAL_STEP_FAILURES;
  const message =
    names.length === 1
      ? `${names[0]}: ${first.shown || first.message}`
      : `${names.length} actions failed: ${names.join(", ")} (${modesText(modes)})`;
  const rejected = actor.run.actions.some(({ failure }) => isRejection(failure));
  return makeFailure(
    { mode: agreed, message, modes, rawClass: rejected ? REJECTION : "" },
    { atNs: actor.ctx.atNs, source: Source.ENGINE },
  );
}
