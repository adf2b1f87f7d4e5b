/**
 * BreachesFound: a check has looked at a part of the state, and found these rules broken.
 *
 * 1. What is broken is kept until a check of its place finds it no more, so that it is told whoever dies and can be listed. What was kept already
 *    keeps the time at which it was found first.
 * 2. At most BREACHES_KEPT_MAX are kept; what is found beyond them is told and not kept.
 */
import {
  type Attention,
  AttentionKind,
  AttentionSchema,
  type Breach,
  type BreachesFound,
  BreachListRecordSchema,
  type Command,
  type KeptBreach,
  KeptBreachSchema,
  type Outcome,
  RejectCode,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { BREACHES_KEPT_MAX, DETAIL_CHARS_MAX } from "../../limits.js";
import { isRunId } from "../../names.js";
import { breachesKey, runKey } from "../../state/tables.js";
import type { View } from "../../state/view.js";
import { cutText } from "../../text.js";
import type { FoldContext } from "../context.js";

export function breachesFound(ctx: FoldContext, command: Command, found: BreachesFound): Outcome {
  const { breaches, section } = found;
  if (breaches.length > BREACHES_KEPT_MAX)
    return ctx.reject(
      command,
      RejectCode.TOO_LARGE,
      `${breaches.length} broken rules are too many for one command: at most ${BREACHES_KEPT_MAX}`,
    );
  const before = ctx.view.get(breachesKey)?.kept ?? [];
  const kept = before.filter((known) => !isWithin(known, found));
  for (const breach of breaches) {
    const attention = breachAttention(ctx.view, ctx.atNs, breach);
    const place = placeOf(breach);
    const known = before.find(
      (other) =>
        other.section === section &&
        other.place === place &&
        other.attention?.action === attention.action &&
        other.attention.message === attention.message,
    );
    if (kept.length < BREACHES_KEPT_MAX)
      kept.push(known ?? init(KeptBreachSchema, { attention, seq: BigInt(ctx.seq), section, place }));
    ctx.emit({ kind: "attention", attention });
  }
  if (kept.length > 0) ctx.view.put(breachesKey, init(BreachListRecordSchema, { kept }));
  else ctx.view.del(breachesKey);
  return ctx.accept(command, {});
}

/** Where a check comes upon it: its run, or the name that it is of. */
const placeOf = ({ runId, of }: Breach): string => (runId === "" ? of : runId);

/** Whether a check of these places would have found it. What is of no run comes before the first. */
export function isWithin(
  { section, place, attention }: KeptBreach,
  checked: Pick<BreachesFound, "section" | "after" | "upTo">,
): boolean {
  if (section !== checked.section) return false;
  const at = section === 0 && attention?.runId === "" ? "" : place;
  return (checked.after === "" || at > checked.after) && (checked.upTo === "" || at <= checked.upTo);
}

/** What is told of it. */
export function breachAttention(view: View, atNs: bigint, breach: Breach): Attention {
  const { runId, action, rule, message } = breach;
  const workflow = isRunId(runId) ? (view.get(runKey(runId))?.workflow ?? "") : "";
  return init(AttentionSchema, {
    kind: AttentionKind.BREACH,
    workflow,
    runId,
    action,
    message: cutText(`${rule} is broken: ${message}`, DETAIL_CHARS_MAX),
    atNs,
  });
}
