/**
 * An outside system that is down now and then, under runs whose jobs it takes: with a breaker nothing is lost, nothing is submitted
 * while it is open, each outage costs a job at most the one attempt by which it became known, and all ends well.
 */
import { BatchPhase, BreakerStatus, FailureMode, ItemStatus, RunStatus } from "@holdfast/proto";
import * as fc from "fast-check";
import { expect, inject, test } from "vitest";
import { checkedJob, itemsAtWork, resultOf, submittedJob } from "../testing/batch-moves.js";
import { begin, breakerOf, scene } from "../testing/breaker-scene.js";
import { BATCH, failed, json, overInput, report, retryPolicy, succeeded } from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import type { TestPartition } from "../testing/partition.js";

const SCENARIOS = Math.ceil(inject("sequences") / 100);
const TIME = { timeout: 900_000 };
const STEP_MS = 500;
const STEPS_MAX = 2_000;
/** All rules are looked at after so many steps, and at the end. */
const CHECK_EVERY = 8;

const scenario = fc.record({
  /** How many steps it answers, and is then down, by turns. */
  spells: fc.array(fc.record({ up: fc.integer({ min: 16, max: 40 }), down: fc.nat(60) }), { maxLength: 4 }),
  runs: fc.integer({ min: 1, max: 8 }),
  /** Steps between their starts. */
  gap: fc.integer({ min: 1, max: 15 }),
  items: fc.nat(5),
  itemsAJob: fc.integer({ min: 1, max: 4 }),
  /** Checks that a job takes. */
  checks: fc.integer({ min: 1, max: 4 }),
  probes: fc.integer({ min: 1, max: 3 }),
  openForMs: fc.constantFrom(1_000, 4_000),
  mode: fc.constantFrom(FailureMode.UNAVAILABLE, FailureMode.NETWORK, FailureMode.RATE_LIMITED),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** By step: whether it is down. */
const downOf = ({ spells }: Scenario): boolean[] =>
  spells.flatMap(({ up, down }) => [
    ...Array.from({ length: up }, () => false),
    ...Array.from({ length: down }, () => true),
  ]);

class Outside {
  submits = 0;
  spared = 0;
  private readonly checked = new Map<string, number>();

  constructor(
    private readonly partition: TestPartition,
    private readonly drawn: Scenario,
  ) {}

  /** Answers all attempts that are open. */
  answer(isDown: boolean): void {
    for (const task of [...this.partition.open.values()]) {
      const { runId, action, attempt } = task;
      const state = this.partition.run(runId).actions[action];
      const isSubmit = state?.batch?.phase === BatchPhase.SUBMITTING;
      const isOpen = breakerOf(this.partition)?.status === BreakerStatus.OPEN;
      // The owner has taken back what no worker had.
      if (isSubmit && isOpen) continue;
      if (isSubmit) this.submits += 1;
      const tries = state?.batch?.tries ?? 0;
      const outcome = isDown
        ? failed(this.drawn.mode, "down")
        : isSubmit
          ? submittedJob(attempt)
          : this.checkOf(task);
      this.partition.send(report(runId, { action, attempt, outcome }));
      if (isDown && !isSubmit && this.partition.run(runId).actions[action]?.batch?.tries === tries)
        this.spared += 1;
    }
  }

  private checkOf(task: Parameters<typeof itemsAtWork>[1]) {
    const job = `${task.runId} ${this.partition.run(task.runId).actions[task.action]?.batch?.job}`;
    const checks = (this.checked.get(job) ?? 0) + 1;
    this.checked.set(job, checks);
    const items = itemsAtWork(this.partition, task);
    const done = checks >= this.drawn.checks;
    const results = (done ? items : items.slice(1)).map((item) => resultOf(item, succeeded({ item })));
    return checkedJob({ done, results });
  }
}

interface Seen {
  opened: number;
  spared: number;
  waves: number;
}

function play(drawn: Scenario, seen: Seen): void {
  const partition = scene(
    {
      probes: drawn.probes,
      openForMs: drawn.openForMs,
      failureRateBp: 1,
      minSamples: 1,
      windowMs: 5_000,
      maxOpenForMs: drawn.openForMs,
    },
    {
      forEach: drawn.items === 0 ? undefined : overInput("/rows"),
      batch: { ...BATCH, itemsAJob: drawn.items === 0 ? 0 : drawn.itemsAJob },
      // Each outage may cost one, and there is no more than one for each of them.
      retry: retryPolicy({ maxAttempts: 5, initialBackoffMs: 500, maxBackoffMs: 500, jitterMilli: 0 }),
    },
  );
  partition.announce();
  const outside = new Outside(partition, drawn);
  const runs = Array.from({ length: drawn.runs }, (_, n) => `r${n}`);
  const down = downOf(drawn);
  for (let step = 0; step < STEPS_MAX; step++) {
    const run = runs[step % drawn.gap === 0 ? step / drawn.gap : -1];
    if (run !== undefined) {
      begin(partition, run);
      const rows = Array.from({ length: drawn.items }, (_, row) => json(row));
      if (drawn.items > 0) partition.load(run, "charge", rows);
    }
    outside.answer(down[step] ?? false);
    partition.pass(STEP_MS);
    if (step % CHECK_EVERY === 0) checkPartition(partition);
    if (step < down.length || step < drawn.gap * runs.length) continue;
    if (runs.every((known) => partition.run(known).status !== RunStatus.RUNNING)) break;
  }
  checkPartition(partition);
  for (const run of runs) {
    expect([run, RunStatus[partition.run(run).status]]).toEqual([run, "COMPLETED"]);
    for (let item = 0; item < drawn.items; item++)
      expect([
        ItemStatus[partition.itemStatus(run, "charge", item)],
        partition.itemRecord(run, "charge", item)?.attempt,
      ]).toEqual(["SUCCEEDED", 1]);
  }
  const steps = breakerOf(partition)?.transitions ?? [];
  seen.opened += steps.filter(({ to }) => to === BreakerStatus.OPEN).length;
  seen.waves += steps.filter(({ to }) => to === BreakerStatus.RECOVERING).length;
  seen.spared += outside.spared;
  expect(partition.view.keysOf("H")).toEqual([]);
}

test("jobs outlast outages", TIME, () => {
  fc.assert(
    fc.property(scenario, (drawn) => play(drawn, { opened: 0, spared: 0, waves: 0 })),
    { numRuns: SCENARIOS },
  );
});

test("outages open breakers, spare checks, and let work out in waves", TIME, () => {
  const seen = { opened: 0, spared: 0, waves: 0 };
  fc.assert(
    fc.property(scenario, (drawn) => play(drawn, seen)),
    { numRuns: 15, seed: 7 },
  );
  expect(Object.entries(seen).filter(([, times]) => times === 0)).toEqual([]);
});
