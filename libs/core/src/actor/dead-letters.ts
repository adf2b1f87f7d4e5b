/**
 * What of a run is in the dead-letter set: the rows that lists are read from, and what the run itself knows of them.
 *
 * 1. The rows and the run's record say the same. Both change here alone, and the workflow's count with them.
 * 2. What leaves its failure behind leaves the set: an item that goes on, a run that is set off again.
 * 3. Until when it is kept is promised as it is moved, and not cut by what is moved or changed later.
 */
import {
  type CountsRecord,
  DeadItemsSchema,
  DeadLetterRecordSchema,
  type DeadLetterRecord,
  type DeadLetters,
  DeadLettersSchema,
  type RunRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { retentionOf } from "../policy/retention.js";
import { countsKey, deadLetterKey } from "../state/tables.js";
import type { View } from "../state/view.js";
import type { Actor } from "./actor.js";

/** `action` and `item` are -1 for the run as a whole. */
export interface LetterRef {
  readonly atNs: bigint;
  readonly action: number;
  readonly item: number;
}

/** Whether the run as a whole is in the set. */
export const isDeadLetter = ({ deadLetters }: RunRecord): boolean => (deadLetters?.runAtNs ?? 0n) > 0n;

/** The run first, then items in the order in which they were moved. */
export function lettersOf({ deadLetters }: RunRecord): LetterRef[] {
  if (deadLetters === undefined) return [];
  const { runAtNs, items } = deadLetters;
  const whole = runAtNs > 0n ? [{ atNs: runAtNs, action: -1, item: -1 }] : [];
  return [
    ...whole,
    ...items.flatMap(({ action, atNs, items: moved }) => moved.map((item) => ({ atNs, action, item }))),
  ];
}

/** How many there are of a run: itself, and items. */
export function countLetters({ deadLetters }: RunRecord): number {
  if (deadLetters === undefined) return 0;
  return deadLetters.items.reduce((sum, { items }) => sum + items.length, deadLetters.runAtNs > 0n ? 1 : 0);
}

/** Since when an item is in the set by itself; undefined: it is not. */
export function itemLetterAt({ deadLetters }: RunRecord, action: number, item: number): bigint | undefined {
  return deadLetters?.items.find((moved) => moved.action === action && moved.items.includes(item))?.atNs;
}

/** Until when the policy of the moment, and what was promised, keep what is in the set; 0: nothing is. */
export function deadUntilNs(view: View, { workflow, deadLetters }: RunRecord): bigint {
  if (deadLetters === undefined) return 0n;
  const byPolicy = deadLetters.lastAtNs + retentionOf(view, workflow).deadLetterNs;
  return byPolicy > deadLetters.untilNs ? byPolicy : deadLetters.untilNs;
}

/** Puts the run as a whole into the set. */
export function addRunLetter(actor: Actor, record: DeadLetterRecord): void {
  lettersHeld(actor).runAtNs = actor.ctx.atNs;
  putLetter(actor, -1, -1, record);
}

/** Puts items into the set that are not there; `recordOf` tells of each. */
export function addItemLetters(
  actor: Actor,
  action: number,
  items: readonly number[],
  recordOf: (item: number) => DeadLetterRecord,
): void {
  lettersHeld(actor).items.push(init(DeadItemsSchema, { action, atNs: actor.ctx.atNs, items: [...items] }));
  for (const item of items) putLetter(actor, action, item, recordOf(item));
}

/** What is set off leaves the set, and comes back where its retry is cancelled. `item` -1: the run as a whole. */
export function rememberLetter(run: RunRecord, action: number, item: number): void {
  run.lettersOut ??= init(DeadLettersSchema, { items: [] });
  if (item < 0) {
    run.lettersOut.runAtNs = run.deadLetters?.runAtNs ?? 0n;
    return;
  }
  const group = run.lettersOut.items.find((out) => out.action === action);
  if (group === undefined) run.lettersOut.items.push(init(DeadItemsSchema, { action, items: [item] }));
  else group.items.push(item);
}

/** Takes the run as a whole out; items that were moved by themselves stay. */
export function takeOutRun(actor: Actor): void {
  const { deadLetters } = actor.run;
  if (deadLetters === undefined || deadLetters.runAtNs === 0n) return;
  delLetter(actor, { atNs: deadLetters.runAtNs, action: -1, item: -1 });
  deadLetters.runAtNs = 0n;
  forgetEmpty(actor.run);
}

/** Takes one item out, where it is there. */
export function takeOutItem(actor: Actor, action: number, item: number): void {
  const groups = actor.run.deadLetters?.items ?? [];
  for (const group of groups) {
    const at = group.action === action ? group.items.indexOf(item) : -1;
    if (at < 0) continue;
    group.items.splice(at, 1);
    delLetter(actor, { atNs: group.atNs, action, item });
  }
  forgetEmpty(actor.run);
}

/** Takes all items of an action out. */
export function takeOutItemsOf(actor: Actor, action: number): void {
  for (const group of actor.run.deadLetters?.items ?? []) {
    if (group.action !== action) continue;
    for (const item of group.items) delLetter(actor, { atNs: group.atNs, action, item });
    group.items = [];
  }
  forgetEmpty(actor.run);
}

/** Takes out all that there is of a run. */
export function takeOutAll(actor: Pick<Actor, "ctx" | "run" | "runId">): void {
  for (const letter of lettersOf(actor.run)) delLetter(actor, letter);
  actor.run.deadLetters = undefined;
}

function lettersHeld({ ctx, run }: Actor): DeadLetters {
  run.deadLetters ??= init(DeadLettersSchema, { items: [] });
  const { deadLetters } = run;
  const untilNs = ctx.atNs + retentionOf(ctx.view, run.workflow).deadLetterNs;
  deadLetters.lastAtNs = ctx.atNs;
  if (untilNs > deadLetters.untilNs) deadLetters.untilNs = untilNs;
  return deadLetters;
}

function forgetEmpty(run: RunRecord): void {
  const { deadLetters } = run;
  if (deadLetters === undefined) return;
  deadLetters.items = deadLetters.items.filter(({ items }) => items.length > 0);
  if (deadLetters.runAtNs === 0n && deadLetters.items.length === 0) run.deadLetters = undefined;
}

function putLetter({ ctx, run, runId }: Actor, action: number, item: number, record: DeadLetterRecord): void {
  ctx.view.put(
    deadLetterKey(run.workflow, { atNs: ctx.atNs, runId, action, item }),
    init(DeadLetterRecordSchema, record),
  );
  count(ctx.view, run.workflow, 1n);
}

function delLetter({ ctx, run, runId }: Pick<Actor, "ctx" | "run" | "runId">, letter: LetterRef): void {
  ctx.view.del(deadLetterKey(run.workflow, { ...letter, runId }));
  count(ctx.view, run.workflow, -1n);
}

function count(view: View, workflow: string, by: bigint): void {
  const counts = view.get(countsKey(workflow)) as CountsRecord;
  counts.deadLetters += by;
  view.put(countsKey(workflow), counts);
}
