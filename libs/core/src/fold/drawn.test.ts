/**
 * What the properties draw really occurs: every kind of command, taken and refused, every event, every status, every kind of timer and
 * every part of a definition, in a few hundred sequences. Children's ends: cluster.property.test.ts. A rule that holds of what never happens says nothing.
 */
import {
  type ActionDefinition,
  ActionStatus,
  CommandSchema,
  ItemStatus,
  RunEventType,
  RunStatus,
  TimerKind,
  type TimerRecord,
  UndoStatus,
  type WorkflowDefinition,
} from "@holdfast/proto";
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { eachItem, STATUS_MASK } from "../actor/items.js";
import { runKey } from "../state/tables.js";
import { batch, define } from "../testing/build.js";
import {
  arbitraryDefinitions,
  arbitraryMove,
  breakerMove,
  endingMove,
  type Move,
  Mover,
  scheduleMoves,
} from "../testing/moves.js";
import { TestPartition } from "../testing/partition.js";

const SEQUENCES = 150;
const SEED = 5;

const seen = new Map<string, number>();
const see = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
const missing = (wanted: readonly string[]): string[] => wanted.filter((what) => !seen.has(what));

beforeAll(() => {
  for (const kinds of [arbitraryMove, endingMove, breakerMove, scheduleMoves]) {
    const moves = fc.array(kinds, { minLength: 20, maxLength: 80, size: "max" });
    fc.assert(
      fc.property(arbitraryDefinitions, moves, (defined, drawn) => {
        for (const definition of defined) noteDefinition(definition);
        play(defined, [{ kind: "start", pick: 0, how: 0, joined: false }, ...drawn]);
      }),
      { seed: SEED, numRuns: SEQUENCES, endOnFailure: true },
    );
  }
}, 300_000);

function play(defined: readonly WorkflowDefinition[], drawn: readonly Move[]): void {
  const partition = new TestPartition();
  partition.announce();
  partition.append(batch(defined.map((definition) => define(definition))));
  for (const { kind } of drawn) see(`move ${kind}`);
  new Mover(partition).entries(drawn, (entry) => {
    const kinds = new Map(entry.commands.map(({ correlation, kind }) => [correlation, kind.case ?? "none"]));
    for (const kind of kinds.values()) see(`${kind} folded`);
    partition.append(entry);
    for (const effect of partition.effects)
      if (effect.kind === "reply" && kinds.has(effect.outcome.correlation))
        see(`${kinds.get(effect.outcome.correlation)} ${effect.outcome.result.case}`);
    notePartition(partition);
  });
}

function notePartition({ view, events }: TestPartition): void {
  for (const key of view.keysOf("t")) {
    const timer = view.get<TimerRecord>(key);
    if (timer !== undefined) see(`timer ${TimerKind[timer.kind]}`);
  }
  for (const key of view.keysOf("r")) {
    const runId = key.slice(1);
    const run = view.get(runKey(runId));
    if (run === undefined) continue;
    see(`run ${RunStatus[run.status]}`);
    run.actions.forEach(({ status, undo, items }, index) => {
      see(`action ${ActionStatus[status]}`);
      if (undo !== undefined) see(`undo ${UndoStatus[undo.status]}`);
      eachItem(view, runId, index, items?.bound ?? 0, (_item, byte) =>
        see(`item ${ItemStatus[byte & STATUS_MASK]}`),
      );
    });
  }
  for (const { type } of [...events.values()].flat()) see(`event ${RunEventType[type]}`);
}

function noteDefinition({ actions, guardrails, recovery }: WorkflowDefinition): void {
  if (guardrails !== undefined) see("part guardrails");
  if (recovery?.auto === true) see("part recovery");
  for (const action of actions) for (const part of partsOf(action)) see(`part ${part}`);
}

function partsOf({ forEach, wait, child, batch: job, breaker, undo, ...action }: ActionDefinition): string[] {
  const parts = {
    undo: undo !== undefined,
    breaker: breaker !== undefined,
    recover: action.recover,
    batch: job !== undefined && forEach === undefined,
    "batch over items": job !== undefined && forEach !== undefined,
    optional: action.optional,
    tolerate: action.tolerate?.limit.case !== undefined,
    "time-out": action.timeouts !== undefined,
  };
  const named = Object.entries(parts).flatMap(([name, has]) => (has ? [name] : []));
  if (wait !== undefined) named.push(`wait ${wait.for.case}`);
  if (child !== undefined) named.push(`child ${child.input.case}`);
  if (forEach !== undefined) named.push(`items ${forEach.source.case}`);
  return named;
}

/** The names of an enum's values but the first, which says nothing. */
const namesOf = (values: object): string[] =>
  Object.values(values).filter((name): name is string => typeof name === "string" && name !== "UNSPECIFIED");

/** Of these nobody is told what became of them. */
const UNANSWERED = new Set(["timersFired", "announceOwner", "prune"]);
/** Sent once, before the sequence begins. */
const BEFORE = "defineWorkflow";
/** Always taken, or refused only of what the moves do not make. */
const NEVER_REFUSED = new Set(["messagesDelivered", "tasksHeld", "prune"]);

test("every kind of command is folded, taken and refused", () => {
  const kinds = CommandSchema.fields
    .filter(({ oneof }) => oneof?.localName === "kind")
    .map(({ localName }) => localName);
  expect(missing(kinds.filter((kind) => kind !== "announceOwner").map((kind) => `${kind} folded`))).toEqual(
    [],
  );
  const answered = kinds.filter((kind) => !UNANSWERED.has(kind) && kind !== BEFORE);
  expect(missing(answered.map((kind) => `${kind} accepted`))).toEqual([]);
  expect(
    missing(answered.filter((kind) => !NEVER_REFUSED.has(kind)).map((kind) => `${kind} rejected`)),
  ).toEqual([]);
});

test("every event happens", () => {
  expect(missing(namesOf(RunEventType).map((name) => `event ${name}`))).toEqual([]);
});

test("runs, actions, items and undos come to every status", () => {
  expect(missing(namesOf(RunStatus).map((name) => `run ${name}`))).toEqual([]);
  expect(missing(namesOf(ActionStatus).map((name) => `action ${name}`))).toEqual([]);
  expect(missing(namesOf(ItemStatus).map((name) => `item ${name}`))).toEqual([]);
  expect(missing(namesOf(UndoStatus).map((name) => `undo ${name}`))).toEqual([]);
});

test("every kind of timer is set", () => {
  expect(missing(namesOf(TimerKind).map((name) => `timer ${name}`))).toEqual([]);
});

test("definitions have every part", () => {
  const parts = [
    "guardrails",
    "recovery",
    "undo",
    "recover",
    "breaker",
    "batch",
    "batch over items",
    "optional",
  ]
    .concat(["tolerate", "time-out", "wait sleepMs", "wait signal", "wait approval", "child inputPointer"])
    .concat(["child outputOf", "child undefined", "items inputPointer", "items itemsOf", "items outputOf"])
    .concat(["items linesOfInput", "items linesOfOutput"]);
  expect(missing(parts.map((part) => `part ${part}`))).toEqual([]);
});
