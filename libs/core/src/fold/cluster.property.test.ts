/**
 * Several partitions, any definitions with child runs, any commands, and messages that are late, repeated, out of order, lost, or sent
 * by an owner who dies. Whatever happens, each message is applied once and in its sender's order (I12); and once everything has
 * arrived, nobody waits for what is not there.
 */
import {
  ActionStatus,
  type MessageMarkRecord,
  RunEventType,
  type RunRecord,
  RunStatus,
  type ScheduleRecord,
  UsageSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { expect, inject, test } from "vitest";
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
import {
  familyDefinitions,
  familySteps,
  PARTITIONS,
  playSteps,
  type Step,
} from "../testing/cluster-steps.js";
import { must, runIdsOf } from "../testing/must.js";
import { TestPartition } from "../testing/partition.js";
import { Watch, type Watching } from "../testing/watch.js";

const SEQUENCES = Math.ceil(inject("sequences") / 5);
const TIME = { timeout: 900_000 };

function play(cluster: TestCluster, played: readonly Step[], watching?: Watching): Watch[] {
  const watches = cluster.partitions.map((partition) => new Watch(partition, watching));
  const lengths = cluster.partitions.map(({ log }) => log.length);
  /** Of each partition that folded something: what holds of one holds. */
  playSteps(cluster, played, () => {
    for (const partition of cluster.partitions) {
      const { number, log } = partition;
      const watch = watches[number] as Watch;
      const more = log.length - (lengths[number] as number);
      if (more === 1) watch.look();
      else if (more > 1) watch.skip();
      lengths[number] = log.length;
    }
    checkOrder(cluster);
  });
  return watches;
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

test("messages are applied once and in order, and nothing is lost", TIME, () => {
  fc.assert(
    fc.property(familyDefinitions, familySteps, fc.nat(7), (defined, played, audit) => {
      const cluster = new TestCluster(PARTITIONS, defined);
      const watches = play(cluster, played, { audit, forgetEvery: 3 });
      cluster.settle();
      for (const watch of watches) watch.end();
      checkSettled(cluster);
      for (const watch of watches)
        watch.replay(new TestPartition(watch.partition.number, PARTITIONS).view.dump());
    }),
    { numRuns: SEQUENCES },
  );
});

test(
  "sequences get somewhere: children begin, end in every way, are retried and heal their parents",
  TIME,
  () => {
    const ends = new Map<string, number>();
    const count = (what: string): void => void ends.set(what, (ends.get(what) ?? 0) + 1);
    fc.assert(
      fc.property(familyDefinitions, familySteps, (defined, played) => {
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
      { numRuns: 120, seed: 11 },
    );
    const wanted = ["RUNNING", "COMPLETED", "COMPLETED_WITH_FAILURES", "FAILED", "CANCELLED"];
    const more = [
      "scheduled",
      "child retried",
      "timed out",
      "child's usage counted",
      "child left for another",
    ];
    const rare = [...wanted.map((status) => `child ${status}`), ...more].filter(
      (what) => (ends.get(what) ?? 0) <= 3,
    );
    expect(rare).toEqual([]);
  },
);
