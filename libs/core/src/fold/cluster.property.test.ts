/**
 * Several partitions, any definitions with child runs, any commands, and messages that are late, repeated, out of order, lost, or sent
 * by an owner who dies. Whatever happens, each message is applied once and in its sender's order (I12); and once everything has
 * arrived, nobody waits for what is not there.
 */
import {
  ActionStatus,
  CommandBatchSchema,
  type MessageMarkRecord,
  RunEventType,
  type RunRecord,
  RunStatus,
  type ScheduleRecord,
  UsageSchema,
} from "@holdfast/proto";
import { decode, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { partitionOf } from "../names.js";
import { usageText } from "../policy/usage.js";
import {
  markedPartition,
  receivedMarkKey,
  runKey,
  scheduleKey,
  SENT_MARKS,
  sentMarkKey,
} from "../state/tables.js";
import { isRunTerminal } from "../status.js";
import { TestCluster } from "../testing/cluster.js";
import { checkPartition, must, runIdsOf } from "../testing/invariants.js";
import { MemoryView } from "../testing/memory-view.js";
import { arbitraryDefinitions, endingMove, type Move, Mover } from "../testing/moves.js";
import { foldLogEntry, type LogEntry, TestPartition } from "../testing/partition.js";
import { checkStep, mustBeSame } from "../testing/transitions.js";

const PARTITIONS = 3;
const SEQUENCES = Math.ceil(Number(process.env.HOLDFAST_SEQUENCES ?? 3000) / 5);
const seed =
  process.env.HOLDFAST_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.HOLDFAST_SEED);
const settings = { seed, numRuns: SEQUENCES, endOnFailure: false };

/** Runs that are begun from outside, by partition. */
const RUNS = Array.from({ length: PARTITIONS }, (_, number) => {
  const ids: string[] = [];
  for (let i = 0; ids.length < 2; i++) if (partitionOf(`r${i}`, PARTITIONS) === number) ids.push(`r${i}`);
  return ids;
});

type Step =
  | { readonly step: "move"; readonly at: number; readonly move: Move }
  | {
      readonly step: "post";
      readonly from: number;
      readonly to: number;
      readonly count: number;
      readonly shift: number;
    }
  | { readonly step: "arrive"; readonly pick: number; readonly again: boolean }
  | { readonly step: "carry" }
  | { readonly step: "lose"; readonly pick: number }
  | { readonly step: "confirm"; readonly from: number; readonly to: number }
  | { readonly step: "die"; readonly at: number };

const at = fc.nat(PARTITIONS - 1);
const post: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("post" as const),
  from: at,
  to: at,
  count: fc.integer({ min: 1, max: 4 }),
  shift: fc.constantFrom(0, 0, 0, 0, 1, 2, -1, -3),
});
const arrive: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("arrive" as const),
  pick: fc.nat(31),
  again: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
});
const move: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("move" as const),
  at,
  move: endingMove.filter(({ kind }) => !BY_THE_NETWORK.has(kind)),
});
/** What the network of this test does; nobody's time goes on for others. */
const BY_THE_NETWORK = new Set<Move["kind"]>(["messages", "let-go", "garbage", "prune"]);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 40, arbitrary: move },
  // All that is there arrives as it should, so that sequences get somewhere.
  { weight: 3, arbitrary: fc.constant({ step: "carry" as const }) },
  { weight: 9, arbitrary: post },
  { weight: 9, arbitrary: arrive },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("lose" as const), pick: fc.nat(31) }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("confirm" as const), from: at, to: at }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("die" as const), at }) },
);
/** A parent in each partition. */
const begin = RUNS.map((_, number): Step => {
  return { step: "move", at: number, move: { kind: "start", pick: 0, how: 0, joined: false } };
});
/** A schedule in one of them, and its first instant. */
const firstInstant = (["schedule", "plan", "instant"] as const).map((kind): Step => {
  return { step: "move", at: 0, move: { kind, pick: 0, how: kind === "plan" ? 3 : 0, joined: false } };
});
/** With at least one child that does not wait for much. */
const definitions = arbitraryDefinitions.filter(([first]) =>
  first.actions.some(({ child, after }) => child?.workflow === "second" && after.length < 2),
);
const steps = fc
  .array(step, { minLength: 60, maxLength: 160, size: "max" })
  .map((drawn) => [...begin, ...firstInstant, ...drawn]);

function play(cluster: TestCluster, played: readonly Step[]): void {
  const movers = cluster.partitions.map((partition) => new Mover(partition, RUNS[partition.number]));
  const seen = cluster.partitions.map(({ view }) => view.dump());
  const lengths = cluster.partitions.map(({ log }) => log.length);
  /** Of each partition that folded something: what holds of one holds. */
  const look = (): void => {
    for (const partition of cluster.partitions) {
      const { number, log, view, effects } = partition;
      if (log.length === lengths[number]) continue;
      const after = view.dump();
      if (log.length === (lengths[number] as number) + 1) {
        const batch = decode(CommandBatchSchema, (log.at(-1) as LogEntry).bytes);
        checkStep({ before: seen[number] as Map<string, Uint8Array>, after, batch, effects });
      }
      checkPartition(partition);
      if (log.length % 3 === 0) view.forget();
      seen[number] = after;
      lengths[number] = log.length;
    }
    checkOrder(cluster);
  };
  for (const each of played) {
    const wire = cluster.wire.length;
    if (each.step === "move")
      movers[each.at]?.entries([each.move], (batchOf) => {
        cluster.at(each.at).append(batchOf);
        look();
      });
    else if (each.step === "post") cluster.post(each.from, each.to, each.count, each.shift);
    else if (each.step === "carry") cluster.settle();
    else if (each.step === "confirm") cluster.confirm(each.from, each.to);
    else if (each.step === "die") cluster.die(each.at);
    else if (wire > 0 && each.step === "lose") cluster.wire.splice(each.pick % wire, 1);
    else if (wire > 0 && each.step === "arrive") cluster.arrive(each.pick % wire, each.again);
    look();
  }
}

/** I12 while messages are under way: nobody has taken more than was sent, or let go what was not taken. */
function checkOrder(cluster: TestCluster): void {
  for (const { number: from, view } of cluster.partitions) {
    for (const key of view.keysOf(SENT_MARKS)) {
      const { n, delivered } = view.get<MessageMarkRecord>(key) as MessageMarkRecord;
      const taken = cluster.at(markedPartition(key)).view.get(receivedMarkKey(from))?.n ?? 0n;
      must(
        taken <= n && delivered <= taken,
        `I12: of ${n} messages ${taken} were taken and ${delivered} let go`,
      );
    }
  }
}

/** Everything has arrived: nothing is lost, and nobody waits in vain. */
function checkSettled(cluster: TestCluster): void {
  for (const { number: from, view } of cluster.partitions) {
    for (const { number: to, view: there } of cluster.partitions) {
      const sent = view.get(sentMarkKey(to))?.n ?? 0n;
      const taken = there.get(receivedMarkKey(from))?.n ?? 0n;
      must(sent === taken, `I12: all of ${sent} messages were taken: ${taken}`);
    }
    must(view.keysOf("o").length === 0, "what has arrived is kept no longer");
    for (const key of view.keysOf("e"))
      checkSchedule(cluster, key.slice(1), view.get(scheduleKey(key.slice(1))));
    for (const runId of runIdsOf(view)) checkFamily(cluster, runId, view.get(runKey(runId)) as RunRecord);
  }
}

function checkFamily(cluster: TestCluster, runId: string, run: RunRecord): void {
  const find = (id: string): RunRecord | undefined => cluster.of(id).view.get(runKey(id));
  run.actions.forEach(({ status, child, attempt }, index) => {
    if (child === undefined || child.status === RunStatus.UNSPECIFIED) return;
    const there = find(child.runId);
    must(there !== undefined, `the child ${child.runId} of ${runId} is there`);
    const ended = isRunTerminal(there.status) && there.recoverAtNs === 0n;
    if (status === ActionStatus.WAITING) {
      const asked = there.requester?.of.case === "action" ? there.requester.of.value : undefined;
      must(asked?.runId === runId && asked.action === index, `${child.runId} knows who asked for it`);
      must(asked.attempt === attempt, `${child.runId} will answer attempt ${attempt}, not ${asked.attempt}`);
      must(!ended, `${runId} waits for ${child.runId}, which has ended`);
    } else if (ended) {
      must(child.status === there.status, `${runId} knows how ${child.runId} ended`);
      must(child.generation === there.generation, `${runId} knows the last end of ${child.runId}`);
      // What it takes to cancel a job of a run that has ended is told to nobody.
      const plan = cluster.of(child.runId).planOf(child.runId);
      const same = usageText(child.usage ?? NO_USAGE) === usageText(there.usage ?? NO_USAGE);
      const jobs = plan.actions.some(({ batch }) => batch !== undefined);
      must(same || jobs, `${runId} knows what ${child.runId} spent`);
    }
  });
  const asked = run.requester?.of.case === "action" ? run.requester.of.value : undefined;
  const parent = asked === undefined ? undefined : find(asked.runId);
  if (asked === undefined || parent === undefined || isRunTerminal(run.status)) return;
  const wanted = parent.actions[asked.action]?.child?.runId === runId;
  must(
    !wanted ||
      run.undo !== undefined ||
      run.cancel !== undefined ||
      run.generation > 1 ||
      parent.status !== RunStatus.CANCELLED,
    `${runId} does not go on though its parent was cancelled`,
  );
}

const NO_USAGE = init(UsageSchema);

/** A schedule knows exactly which of its runs have not ended, wherever they are. */
function checkSchedule(cluster: TestCluster, name: string, schedule: ScheduleRecord | undefined): void {
  const open = cluster.partitions.flatMap(({ view }) =>
    runIdsOf(view).filter((runId) => {
      const run = view.get(runKey(runId)) as RunRecord;
      const by = run.requester?.of.case === "schedule" ? run.requester.of.value : undefined;
      const goesOn = !isRunTerminal(run.status) || run.recoverAtNs > 0n;
      return goesOn && by?.name === name && by.incarnation === schedule?.incarnation;
    }),
  );
  const live = (schedule?.live ?? []).map(({ runId }) => runId);
  must(
    open.sort().join() === live.sort().join(),
    `schedule ${name} has ${live.join()} live, not ${open.join()}`,
  );
}

function replayed(partition: TestPartition): void {
  const view = new MemoryView(new TestPartition(partition.number, PARTITIONS).view.dump());
  for (const entry of partition.log) foldLogEntry(view, entry);
  view.commit();
  mustBeSame(view.dump(), partition.view.dump(), `I2: partition ${partition.number}, folded again`);
}

test(`messages are applied once and in order, and nothing is lost (HOLDFAST_SEED=${seed} repeats this)`, {
  timeout: 120_000 + SEQUENCES * 200,
}, () => {
  fc.assert(
    fc.property(definitions, steps, (defined, played) => {
      const cluster = new TestCluster(PARTITIONS, defined);
      play(cluster, played);
      cluster.settle();
      cluster.partitions.forEach(checkPartition);
      checkSettled(cluster);
      cluster.partitions.forEach(replayed);
    }),
    settings,
  );
});

test("sequences get somewhere: children begin, end in every way, are retried and heal their parents", {
  timeout: 120_000,
}, () => {
  const ends = new Map<string, number>();
  const count = (what: string): void => void ends.set(what, (ends.get(what) ?? 0) + 1);
  fc.assert(
    fc.property(definitions, steps, (defined, played) => {
      const cluster = new TestCluster(PARTITIONS, defined);
      play(cluster, played);
      for (const { view, events } of cluster.partitions) {
        for (const runId of runIdsOf(view)) {
          const run = view.get(runKey(runId)) as RunRecord;
          if (run.requester?.of.case === "schedule") count("scheduled");
          if (run.requester?.of.case === "action") count(`child ${RunStatus[run.status]}`);
          if (run.requester?.of.case === "action" && run.generation > 1) count("child retried");
          const healed = (events.get(runId) ?? []).some(
            ({ type, detail }) => type === RunEventType.RUN_RETRIED && detail.includes("has completed"),
          );
          if (healed) count("healed by a child");
          for (const { child, childrenLeft } of run.actions) {
            if (child?.timedOut === true) count("timed out");
            if (child?.usage !== undefined) count("child's usage counted");
            if (childrenLeft.length > 0) count("child left for another");
            if (childrenLeft.some(({ usage }) => usage !== undefined))
              count("usage of a child that was left");
          }
        }
      }
    }),
    { ...settings, numRuns: 300, seed: 11 },
  );
  const wanted = ["RUNNING", "COMPLETED", "COMPLETED_WITH_FAILURES", "FAILED", "CANCELLED"];
  const more = ["scheduled", "child retried", "timed out", "child's usage counted", "child left for another"];
  const rare = [...wanted.map((status) => `child ${status}`), ...more].filter(
    (what) => (ends.get(what) ?? 0) <= 3,
  );
  expect(rare).toEqual([]);
});
