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
  bulkMoves,
  endingMove,
  type Move,
  Mover,
  scheduleMoves,
} from "../testing/moves.js";
import { TestPartition } from "../testing/partition.js";

const SEQUENCES_A_ROUND = 50;
const ROUNDS_MAX = 12;
const SEED = 5;

const seen = new Map<string, number>();
const see = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);

const MIXES = [arbitraryMove, endingMove, breakerMove, scheduleMoves, bulkMoves];

function drawSome(kinds: fc.Arbitrary<Move>, round: number): void {
  const moves = fc.array(kinds, { minLength: 20, maxLength: 80, size: "max" });
  fc.assert(
    fc.property(arbitraryDefinitions, moves, (defined, drawn) => {
      for (const definition of defined) noteDefinition(definition);
      play(defined, [{ kind: "start", pick: 0, how: 0, joined: false }, ...drawn]);
    }),
    { seed: SEED + round, numRuns: SEQUENCES_A_ROUND, endOnFailure: true },
  );
}

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
    "batch with a breaker": job !== undefined && breaker !== undefined,
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
const NEVER_REFUSED = new Set([
  "bulkStep",
  "messagesDelivered",
  "tasksHeld",
  "prune",
  "attentionTold",
  "breachesFound",
]);
const KINDS = CommandSchema.fields
  .filter(({ oneof }) => oneof?.localName === "kind")
  .map(({ localName }) => localName);
const ANSWERED = KINDS.filter((kind) => !UNANSWERED.has(kind) && kind !== BEFORE);
const REFUSED = ANSWERED.filter((kind) => !NEVER_REFUSED.has(kind));

/** By the rule that they are part of. */
const WANTED: Readonly<Record<string, readonly string[]>> = {
  "every kind of command is folded": KINDS.filter((kind) => kind !== "announceOwner").map(
    (kind) => `${kind} folded`,
  ),
  "every kind of command that is answered is taken": ANSWERED.map((kind) => `${kind} accepted`),
  "every kind of command that can be refused is": REFUSED.map((kind) => `${kind} rejected`),
  "every event happens": namesOf(RunEventType).map((name) => `event ${name}`),
  "runs come to every status": namesOf(RunStatus).map((name) => `run ${name}`),
  "actions come to every status": namesOf(ActionStatus).map((name) => `action ${name}`),
  "items come to every status": namesOf(ItemStatus).map((name) => `item ${name}`),
  "undos come to every status": namesOf(UndoStatus).map((name) => `undo ${name}`),
  "every kind of timer is set": namesOf(TimerKind).map((name) => `timer ${name}`),
  "definitions have every part": ["guardrails", "recovery", "undo", "recover", "breaker", "batch"]
    .concat([
      "batch over items",
      "batch with a breaker",
      "optional",
      "tolerate",
      "time-out",
      "wait sleepMs",
      "wait signal",
    ])
    .concat(["wait approval", "child inputPointer", "child outputOf", "child undefined"])
    .concat([
      "items inputPointer",
      "items itemsOf",
      "items outputOf",
      "items linesOfInput",
      "items linesOfOutput",
    ])
    .map((part) => `part ${part}`),
};
const missing = (wanted: readonly string[]): string[] => wanted.filter((what) => !seen.has(what));

/** Until all of it has been seen, or so much was drawn that what has not is too rare to be looked at by the properties. */
beforeAll(() => {
  for (let round = 0; round < ROUNDS_MAX && missing(Object.values(WANTED).flat()).length > 0; round++)
    for (const kinds of MIXES) drawSome(kinds, round);
}, 300_000);

test.each(Object.entries(WANTED))("%s", (_rule, wanted) => {
  expect(missing(wanted)).toEqual([]);
});
