/**
 * Gives up what is in the dead-letter set. The run stays, and can be retried, until its floor ends, as anything that failed.
 *
 * 1. There is a reason, and it stays in the run's history with who gave it and when.
 * 2. All that is named is discarded, or nothing is.
 */
import { DiscardSchema, RejectCode, RunEventType } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { REASON_CHARS_MAX, WHO_CHARS_MAX } from "../limits.js";
import { isRunTerminal } from "../status.js";
import { cutText } from "../text.js";
import { type Actor, addEvent } from "./actor.js";
import { settleAttention } from "./attention.js";
import type { Refusal } from "./begin-run.js";
import { isDeadLetter, lettersOf, takeOutAll, takeOutItem, takeOutItemsOf } from "./dead-letters.js";
import { refileExpiry } from "./expiry.js";
import {
  type DeadLettersChanged,
  itemsText,
  type MoveWish,
  namedItems,
  notThereText,
  saidText,
} from "./move-to-dead-letters.js";

/** `wish.action` empty: all that is there of the run. On a refusal nothing has changed; otherwise the run has to be saved. */
export function discardDeadLetters(actor: Actor, wish: MoveWish): DeadLettersChanged {
  const { run, runId } = actor;
  const who = cutText(wish.who, WHO_CHARS_MAX);
  const reason = cutText(wish.reason.trim(), REASON_CHARS_MAX);
  if (reason === "")
    return refuse(RejectCode.MALFORMED, `a discard needs a reason: say why run ${runId} is given up`);
  const there = lettersOf(run);
  if (there.length === 0)
    return refuse(RejectCode.NOT_DEAD_LETTER, `run ${runId} is not in the dead letters`);
  if (wish.action === "" && wish.items.length === 0) {
    const what = isDeadLetter(run) ? "the run" : "all items";
    change(actor, () => takeOutAll(actor));
    note(actor, undefined, what, { who, reason });
    return { items: there.filter(({ item }) => item >= 0).length };
  }
  const named = namedItems(actor, wish.action, wish.items);
  if ("refused" in named) return { items: 0, refused: named.refused };
  const { action } = named;
  const own = there.filter((letter) => letter.action === action.index).map(({ item }) => item);
  const items = named.items.length === 0 ? own : named.items;
  const inTheSet = new Set(own);
  const missing = items.filter((item) => !inTheSet.has(item));
  if (items.length === 0 || missing.length > 0) {
    return refuse(
      RejectCode.NOT_DEAD_LETTER,
      `${notThereText(actor, action, missing)}; nothing was discarded`,
    );
  }
  change(actor, () => {
    if (items.length === own.length) takeOutItemsOf(actor, action.index);
    else for (const item of items) takeOutItem(actor, action.index, item);
  });
  note(actor, action.index, itemsText(items), { who, reason });
  return { items: items.length };
}

function note(
  actor: Actor,
  action: number | undefined,
  what: string,
  said: Pick<MoveWish, "who" | "reason">,
): void {
  const { run, ctx } = actor;
  addEvent(actor, RunEventType.DISCARDED, {
    action,
    detail: `${what} ${saidText({ ...said, byPolicy: false })}`,
  });
  if (run.deadLetters === undefined && isRunTerminal(run.status)) {
    run.discarded = init(DiscardSchema, { ...said, atNs: ctx.atNs });
    settleAttention(ctx, actor.runId, run);
  }
  // Its floor may have ended while it was in the set.
  ctx.emit({ kind: "sweep" });
}

const refuse = (code: RejectCode, message: string): { readonly items: 0; readonly refused: Refusal } => ({
  items: 0,
  refused: { code, message },
});

/** A run that has been set off again may still have items in the set, and is in no expiry index. */
function change(actor: Actor, takeOut: () => void): void {
  if (isRunTerminal(actor.run.status)) refileExpiry(actor, takeOut);
  else takeOut();
}
