/** What each kind of bulk operation does with one run, by the same rules as a command for that run alone. */
import {
  ActionStatus,
  BreakerStatus,
  BulkKind,
  type BulkResult,
  BulkResultKind as Kind,
  BulkResultSchema,
  type BulkSpec,
  RecoveryStrategy,
  RejectCode,
  RunStatus,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { type Actor, loadActor, saveActor, stateOf } from "../actor/actor.js";
import { cancelActor, cancelRefusal } from "../actor/cancel.js";
import { discardDeadLetters } from "../actor/discard-dead-letters.js";
import { moveRefusal, moveToDeadLetters } from "../actor/move-to-dead-letters.js";
import { refusal, reopenByHand } from "../actor/reopen.js";
import { settledName } from "../breaker/name.js";
import { bulkRunEnded } from "./part.js";
import { modeName, traitsOf } from "../failure/modes.js";
import type { FoldContext } from "../fold/context.js";
import { DETAIL_CHARS_MAX } from "../limits.js";
import { recommendForRun } from "../recovery/recommend-run.js";
import { itemTotals } from "../resolve.js";
import { breakerKey } from "../state/tables.js";
import { FAILED_STATUSES } from "../status.js";
import { cutText, timeText } from "../text.js";
import { absentCode, absentText } from "../views/absent.js";

export interface Acting {
  readonly ctx: FoldContext;
  readonly operationId: string;
  readonly spec: BulkSpec;
}

/** `generation`: of the run when it was matched; 0: there was none. */
export function actOn(acting: Acting, runId: string, generation: number): BulkResult {
  const { ctx, spec } = acting;
  const actor = loadActor(ctx, runId);
  if (actor === undefined) return absent(ctx, runId);
  if (generation !== 0 && actor.run.generation !== generation)
    return result(runId, Kind.RACED, { reason: `it was set off again meanwhile: it is ${statusOf(actor)}` });
  switch (spec.kind) {
    case BulkKind.CANCEL:
      return cancelOne(acting, actor);
    case BulkKind.MOVE_TO_DEAD_LETTERS:
    case BulkKind.DISCARD:
      return letterOne(acting, actor);
    default:
      return retryOne(acting, actor);
  }
}

function absent(ctx: FoldContext, runId: string): BulkResult {
  const isPruned = absentCode(ctx.view, ctx.applied, runId) === RejectCode.PRUNED;
  const reason = absentText(ctx.view, ctx.applied, runId);
  if (isPruned) return result(runId, Kind.PRUNED, { reason });
  return result(runId, Kind.REFUSED, { reason, why: "there is no such run" });
}

function retryOne({ operationId, spec }: Acting, actor: Actor): BulkResult {
  const { run, runId } = actor;
  const strategy = spec.recommended ? recommended(actor) : spec.strategy;
  const failedItems = itemTotals(run)?.failed ?? 0;
  const refused = refusal(actor, strategy, spec.force);
  if (refused !== undefined) {
    if (refused.code === RejectCode.NOT_FAILED)
      return result(runId, Kind.RACED, { reason: `no longer failed: it is ${statusOf(actor)}` });
    return result(runId, Kind.REFUSED, { reason: refused.message, why: whyRefused(actor, refused.code) });
  }
  if (spec.dryRun) return result(runId, Kind.DONE, { items: failedItems });
  // Its recovery was still to come when another operation had set it off: to that one, this is its end.
  if (run.bulkOperation !== "") bulkRunEnded(actor);
  run.bulkOperation = operationId;
  run.bulkFailedItems = failedItems;
  const reason = [spec.reason, `bulk operation ${operationId}`].filter((part) => part !== "").join("; ");
  const { items } = reopenByHand(actor, { strategy, force: spec.force, who: spec.who, reason });
  saveActor(actor);
  return result(runId, Kind.DONE, { items });
}

/** A person's is to retry: they have mended the cause. */
function recommended({ runId, plan, run }: Actor): RecoveryStrategy {
  const { strategy } = recommendForRun(runId, plan, run);
  const isRetry = strategy !== RecoveryStrategy.MANUAL && strategy !== RecoveryStrategy.ABORT;
  return isRetry ? strategy : RecoveryStrategy.RETRY_FAILED;
}

function cancelOne({ spec }: Acting, actor: Actor): BulkResult {
  const { runId } = actor;
  const refused = cancelRefusal(actor);
  if (refused !== undefined) return result(runId, Kind.RACED, { reason: refused });
  if (spec.dryRun) return result(runId, Kind.DONE);
  cancelActor(actor, { who: spec.who, reason: spec.reason, graceMs: spec.graceMs });
  saveActor(actor);
  return result(runId, Kind.DONE);
}

/** What is not failed any more, or not in the set, was somebody else's. */
const LETTERS_RACED: ReadonlySet<RejectCode> = new Set([
  RejectCode.NOT_FAILED,
  RejectCode.DEAD_LETTER,
  RejectCode.NOT_DEAD_LETTER,
]);

function letterOne({ spec }: Acting, actor: Actor): BulkResult {
  const { runId, run } = actor;
  const moves = spec.kind === BulkKind.MOVE_TO_DEAD_LETTERS;
  const wish = { action: "", items: [], who: spec.who, reason: spec.reason };
  const gone = { code: RejectCode.NOT_DEAD_LETTER, message: `run ${runId} is not in the dead letters` };
  const foreseen = moves ? moveRefusal(actor) : run.deadLetters === undefined ? gone : undefined;
  if (foreseen === undefined && spec.dryRun) return result(runId, Kind.DONE);
  const refused =
    foreseen ?? (moves ? moveToDeadLetters(actor, wish) : discardDeadLetters(actor, wish)).refused;
  if (refused === undefined) {
    saveActor(actor);
    return result(runId, Kind.DONE);
  }
  if (LETTERS_RACED.has(refused.code)) return result(runId, Kind.RACED, { reason: refused.message });
  const why = RejectCode[refused.code] ?? "refused";
  return result(runId, Kind.REFUSED, { reason: refused.message, why });
}

/** The same words for all runs that are refused for the same reason. */
function whyRefused({ run }: Actor, code: RejectCode): string {
  if (code === RejectCode.NOT_RECOVERABLE) return "it was cancelled by request";
  if (code !== RejectCode.TERMINAL_MODE || run.failure === undefined) return RejectCode[code] ?? "refused";
  const { mode, modes } = run.failure;
  const terminal = modes.length > 0 ? modes.filter((each) => traitsOf(each.mode).terminal) : [{ mode }];
  const names = terminal.map((each) => modeName(each.mode)).toSorted();
  return `${names.join(", ")}: needs a person`;
}

/** Until when a breaker that the retried run would come to holds everything; undefined: none does. */
export function heldUntil(ctx: FoldContext, runId: string): { untilNs: bigint; detail: string } | undefined {
  const actor = loadActor(ctx, runId);
  if (actor === undefined) return undefined;
  for (const action of actor.plan.actions) {
    if (action.breaker === undefined) continue;
    const { status } = stateOf(actor, action);
    if (!FAILED_STATUSES.has(status) && status !== ActionStatus.SKIPPED) continue;
    const breaker = ctx.view.get(breakerKey(settledName(ctx.view, runId, actor.run, action)));
    if (breaker?.status !== BreakerStatus.OPEN || breaker.openUntilNs <= ctx.atNs) continue;
    const detail = `the breaker of ${actor.run.workflow}/${action.name} is open until ${timeText(breaker.openUntilNs)}`;
    return { untilNs: breaker.openUntilNs, detail };
  }
  return undefined;
}

const statusOf = ({ run }: Actor): string => RunStatus[run.status] ?? "unknown";

const result = (runId: string, kind: Kind, fields: Init<BulkResult> = {}): BulkResult =>
  init(BulkResultSchema, {
    ...fields,
    runId,
    kind,
    reason: cutText(fields.reason ?? "", DETAIL_CHARS_MAX / 2),
  });
