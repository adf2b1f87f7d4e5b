/**
 * Any definitions and any sequence of commands: after every entry the invariants of the design hold, and the same log always
 * gives the same bytes.
 */
import {
  ActionDefinitionSchema,
  type CommandBatch,
  CommandBatchSchema,
  RunEventType,
  type WorkflowDefinition,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { batch, define, UNDO } from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { MemoryView, type StateBytes } from "../testing/memory-view.js";
import {
  arbitraryDefinitions as definitions,
  arbitraryMove,
  endingMove,
  type Move,
  Mover,
} from "../testing/moves.js";
import { foldLogEntry, type LogEntry, TestPartition } from "../testing/partition.js";
import { checkStep, mustBeSame } from "../testing/transitions.js";

const SEQUENCES = Number(process.env.HOLDFAST_SEQUENCES ?? 3000);
const seed =
  process.env.HOLDFAST_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.HOLDFAST_SEED);
const settings = { seed, numRuns: SEQUENCES, endOnFailure: false };

const moves = fc
  .array(arbitraryMove, { minLength: 1, maxLength: 50, size: "max" })
  .map((drawn): Move[] => [{ kind: "start", pick: 0, how: 0, joined: false }, ...drawn]);

/** Folds the moves and looks after every entry; forgets decoded records now and then. */
function play(
  defined: readonly WorkflowDefinition[],
  played: readonly Move[],
  forgetEvery: number,
): TestPartition {
  const partition = new TestPartition();
  partition.announce();
  partition.append(batch(defined.map((definition) => define(definition))));
  const mover = new Mover(partition);
  let before = partition.view.dump();
  mover.entries(played, (batchOf: CommandBatch) => {
    partition.append(batchOf);
    const after = partition.view.dump();
    const last = partition.log.at(-1) as LogEntry;
    checkStep({ before, after, batch: decode(CommandBatchSchema, last.bytes), effects: partition.effects });
    checkPartition(partition);
    before = after;
    if (last.seq % forgetEvery === 0) partition.view.forget();
  });
  return partition;
}

/** Folds a log from a state; commits after every `commitEvery` entries. */
function replay(from: StateBytes, log: readonly LogEntry[], commitEvery: number): StateBytes {
  const view = new MemoryView(from);
  log.forEach((entry, i) => {
    foldLogEntry(view, entry);
    if ((i + 1) % commitEvery !== 0) return;
    view.commit();
    view.forget();
  });
  view.commit();
  return view.dump();
}

test(`the invariants hold after every entry of any sequence (HOLDFAST_SEED=${seed} repeats this)`, {
  timeout: 120_000 + SEQUENCES * 30,
}, () => {
  fc.assert(
    fc.property(definitions, moves, fc.integer({ min: 2, max: 9 }), (defined, played, forgetEvery) => {
      play(defined, played, forgetEvery);
    }),
    settings,
  );
});

test(`the same log gives the same bytes, wherever commits fall and replay begins (HOLDFAST_SEED=${seed} repeats this)`, {
  timeout: 60_000 + SEQUENCES * 10,
}, () => {
  fc.assert(
    fc.property(
      definitions,
      moves,
      fc.nat(),
      fc.integer({ min: 1, max: 9 }),
      (defined, played, cut, commitEvery) => {
        const { log, view } = play(defined, played, 1);
        const whole = view.dump();
        mustBeSame(replay(new Map(), log, commitEvery), whole, "I2: another replica has other bytes");
        const at = cut % log.length;
        const prefix = replay(new Map(), log.slice(0, at), at + 1);
        mustBeSame(
          replay(prefix, log.slice(at), commitEvery),
          whole,
          "I11: restored and folded on, the bytes are others",
        );
      },
    ),
    { ...settings, numRuns: Math.ceil(SEQUENCES / 10) },
  );
});

test("sequences get somewhere: runs end in every way, are retried and heal", { timeout: 120_000 }, () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(definitions, moves, (defined, played) => {
      for (const [, events] of play(defined, played, 3).events) {
        for (const { type, runStatus } of events) {
          const key = `${type}:${runStatus}`;
          seen.set(key, (seen.get(key) ?? 0) + 1);
        }
      }
    }),
    { ...settings, numRuns: 500, seed: 7 },
  );
  const ended = [4, 5, 6, 7].map((status) => seen.get(`2:${status}`) ?? 0);
  expect(ended.every((count) => count > 5)).toBe(true);
  expect(seen.get("3:2") ?? 0).toBeGreaterThan(20);
  const jobs = [RunEventType.BATCH_SUBMITTED, RunEventType.BATCH_ENDED, RunEventType.BATCH_CANCELLED];
  expect(jobs.filter((type) => !seen.has(`${type}:0`)).map((type) => RunEventType[type])).toEqual([]);
  const of = (type: RunEventType): number =>
    [...seen].reduce((sum, [key, count]) => sum + (key.startsWith(`${type}:`) ? count : 0), 0);
  expect(of(RunEventType.ACTION_RECOVERING)).toBeGreaterThan(5);
  expect(of(RunEventType.GUARDRAIL_EXCEEDED)).toBeGreaterThan(5);
});

/** Nothing waits for signals or people, and all that has a handler can be undone. */
const undoable = definitions.map((drawn) =>
  drawn.map((definition) =>
    init(WorkflowDefinitionSchema, {
      ...definition,
      actions: definition.actions.map((drawnAction) =>
        init(ActionDefinitionSchema, {
          ...drawnAction,
          wait: undefined,
          undo: drawnAction.child === undefined ? UNDO : undefined,
        }),
      ),
    }),
  ),
);
const endings = fc
  .array(endingMove, { minLength: 10, maxLength: 80, size: "max" })
  .map((drawn): Move[] => [{ kind: "start", pick: 0, how: 0, joined: false }, ...drawn]);

test(`the invariants hold where runs are undone (HOLDFAST_SEED=${seed} repeats this)`, {
  timeout: 120_000 + SEQUENCES * 30,
}, () => {
  const seen = new Map<RunEventType, number>();
  fc.assert(
    fc.property(undoable, endings, (defined, played) => {
      const { events, log, view } = play(defined, played, 3);
      mustBeSame(replay(new Map(), log, 4), view.dump(), "I2: another replica has other bytes");
      for (const { type } of [...events.values()].flat()) seen.set(type, (seen.get(type) ?? 0) + 1);
    }),
    { ...settings, numRuns: Math.ceil(SEQUENCES / 3) },
  );
  const { UNDO_STARTED, UNDO_ATTEMPT_FAILED, ACTION_UNDONE, ACTION_UNDO_FAILED } = RunEventType;
  const rare = [UNDO_STARTED, UNDO_ATTEMPT_FAILED, ACTION_UNDONE, ACTION_UNDO_FAILED].filter(
    (type) => (seen.get(type) ?? 0) < Math.floor(SEQUENCES / 1000),
  );
  expect(rare.map((type) => RunEventType[type])).toEqual([]);
});
