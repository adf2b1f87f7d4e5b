/** What people are shown of the dead-letter set: a run, or an item, that was moved there: when, by whom and why. Reads only. */
import {
  type DeadLetterRecord,
  type DeadLetterView,
  DeadLetterViewSchema,
  type RunRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { lettersOf } from "../actor/dead-letters.js";
import { keptUntilNs } from "../actor/expiry.js";
import type { DefinitionPlan } from "../definition/plan.js";
import { type DeadLetterPlace, deadLetterKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import { timeText } from "../text.js";
import { timestamp } from "./timestamp.js";

export interface LetterShown {
  readonly run: RunRecord;
  readonly plan: DefinitionPlan;
  readonly place: DeadLetterPlace;
  readonly record: DeadLetterRecord;
}

export function deadLetterView(view: View, { run, plan, place, record }: LetterShown): DeadLetterView {
  const { queue, mode, failure, who, reason, byPolicy } = record;
  return init(DeadLetterViewSchema, {
    runId: place.runId,
    workflow: run.workflow,
    action: plan.actions[place.action]?.name ?? "",
    item: place.item < 0 ? undefined : place.item,
    queue,
    mode,
    failure,
    movedAt: timestamp(place.atNs),
    who,
    reason,
    byPolicy,
    keptUntil: timestamp(keptUntilNs(view, run)),
    status: run.status,
  });
}

/** All that there is of a run, the run as a whole first; at most `limit`. */
export function deadLettersOfRun(
  view: View,
  runId: string,
  { run, plan }: Pick<LetterShown, "run" | "plan">,
  limit: number,
): DeadLetterView[] {
  return lettersOf(run)
    .slice(0, limit)
    .flatMap((letter) => {
      const place = { ...letter, runId };
      const record = view.get(deadLetterKey(run.workflow, place));
      return record === undefined ? [] : [deadLetterView(view, { run, plan, place, record })];
    });
}

/** That a run was given up; empty: it was not. */
export function discardedText({ discarded }: RunRecord): string {
  if (discarded === undefined) return "";
  const { who, reason, atNs } = discarded;
  return `discarded${who === "" ? "" : ` by ${who}`} at ${timeText(atNs)}: ${reason}`;
}
