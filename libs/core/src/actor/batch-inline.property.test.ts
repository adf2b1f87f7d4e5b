/**
 * The same outcomes of the same items, worked on inline or by an outside system in jobs: the same ledger, the same ends, the same
 * dependants, the same healing, the same events. Whatever differs here is where such systems go wrong.
 */
import {
  ActionStatus,
  BatchPhase,
  FailureMode,
  ItemStatus,
  RecoveryStrategy,
  RunEventType,
  RunStatus,
  type TaskReport,
} from "@holdfast/proto";
import * as fc from "fast-check";
import { expect, inject, test } from "vitest";
import { tallyOf } from "../resolve.js";
import { isRunTerminal, isTerminal } from "../status.js";
import { resultOf } from "../testing/batch-moves.js";
import {
  action,
  batch,
  BATCH,
  define,
  failed,
  json,
  overInput,
  overItemsOf,
  retry,
  retryPolicy,
  skipped,
  start,
  succeeded,
  tolerateBasisPoints,
  tolerateCount,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { JobScript } from "../testing/job-script.js";
import { TestPartition } from "../testing/partition.js";

const SCENARIOS = Math.ceil(inject("sequences") / 10);

type Fate = "good" | "empty" | "skipped" | "late" | "bad" | "forbidden";
const OUTCOME: Readonly<Record<Fate, (item: number) => TaskReport["outcome"]>> = {
  good: (item) => succeeded({ item }),
  empty: () => succeeded(null, 3),
  skipped: (item) => skipped(`item ${item} is not wanted`),
  late: (item) => failed(FailureMode.NETWORK, `item ${item} did not get through`),
  bad: (item) => failed(FailureMode.VALIDATION, `item ${item} is bad`),
  forbidden: (item) => failed(FailureMode.POLICY_SECURITY, `item ${item} is not allowed`),
};

interface Scenario {
  /** What becomes of each item, attempt by attempt; the last holds on. */
  readonly fates: readonly (readonly Fate[])[];
  readonly maxAttempts: number;
  readonly tolerate: { readonly kind: "any" | "count" | "percent"; readonly value: number };
  readonly itemsAJob: number;
  /** Into how many checks, and in which order, a job's results come. */
  readonly split: number;
  readonly shuffle: number;
  readonly retries: number;
  readonly force: boolean;
  readonly optional: boolean;
}

const fate = fc.constantFrom<Fate>("good", "good", "good", "empty", "skipped", "late", "bad", "forbidden");
const scenario: fc.Arbitrary<Scenario> = fc.record({
  fates: fc.array(fc.array(fate, { minLength: 1, maxLength: 4 }), { minLength: 0, maxLength: 9 }),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  tolerate: fc.record({
    kind: fc.constantFrom("any" as const, "any" as const, "count" as const, "percent" as const),
    value: fc.nat(4),
  }),
  itemsAJob: fc.integer({ min: 1, max: 10 }),
  split: fc.integer({ min: 1, max: 4 }),
  shuffle: fc.nat(6),
  retries: fc.nat(2),
  force: fc.boolean(),
  optional: fc.boolean(),
});

class Play {
  readonly partition = new TestPartition();
  private readonly jobs: JobScript | undefined;

  constructor(
    private readonly drawn: Scenario,
    isBatch: boolean,
  ) {
    const { partition } = this;
    const { tolerate, maxAttempts, itemsAJob, optional } = drawn;
    const isFailFast = tolerate.kind !== "any";
    const once = retryPolicy({ maxAttempts: 1 });
    partition.announce();
    const definition = workflow("import", [
      action("load", {
        forEach: overInput("/rows"),
        optional,
        retry: retryPolicy({ maxAttempts, initialBackoffMs: 100, jitterMilli: 200 }),
        tolerate:
          tolerate.kind === "any"
            ? undefined
            : tolerate.kind === "count"
              ? tolerateCount(tolerate.value)
              : tolerateBasisPoints(tolerate.value * 2_000),
        // Fail-fast cuts off whatever comes later, so both have to come to things in the same order.
        batch: isBatch ? { ...BATCH, itemsAJob: isFailFast ? 100 : itemsAJob } : undefined,
      }),
      action("index", { forEach: overItemsOf("load"), retry: once }),
      action("report", { after: ["index"], retry: once }),
    ]);
    partition.append(batch([define(definition)]));
    partition.send(start("r", "import"));
    const rows = drawn.fates.map((_, row) => json({ row }));
    partition.load("r", "load", rows);
    if (isBatch) this.jobs = new JobScript(partition, "r", "load");
  }

  /** Until the run ends, again after each retry. */
  run(): unknown[] {
    const seen: unknown[] = [];
    for (let round = 0; round <= this.drawn.retries; round++) {
      this.untilEnd();
      seen.push(this.seen());
      if (round === this.drawn.retries) break;
      const answer = this.partition.control(
        retry("r", { strategy: RecoveryStrategy.RETRY_FAILED, force: this.drawn.force }),
      );
      seen.push(answer.case, answer.case === "accepted" ? answer.value.items : 0);
    }
    return seen;
  }

  private untilEnd(): void {
    const { partition } = this;
    for (let turn = 0; turn < 300 && !isRunTerminal(partition.run("r").status); turn++) {
      if (isTerminal(partition.action("r", "load").status)) this.finishDependants();
      else if (this.jobs === undefined) this.workInline();
      else this.workInJobs(this.jobs);
      checkPartition(partition);
      if (!isRunTerminal(partition.run("r").status)) partition.pass(1_000);
    }
    if (!isRunTerminal(partition.run("r").status)) throw new Error("the run does not end");
  }

  private outcomeOf(item: number): TaskReport["outcome"] {
    const fates = this.drawn.fates[item] ?? [];
    const attempt = (this.partition.itemRecord("r", "load", item)?.attempt ?? 1) - 1;
    return OUTCOME[fates[Math.min(attempt, fates.length - 1)] ?? "good"](item);
  }

  private workInline(): void {
    for (let item = 0; item < this.drawn.fates.length; item++) {
      if (isTerminal(this.partition.action("r", "load").status)) return;
      if (this.partition.itemStatus("r", "load", item) !== ItemStatus.RUNNING) continue;
      this.partition.finish("r", "load", this.outcomeOf(item), item);
    }
  }

  private workInJobs(jobs: JobScript): void {
    if (jobs.phase === BatchPhase.SUBMITTING) jobs.submit();
    if (jobs.phase !== BatchPhase.CHECKING) return;
    const { split, shuffle, tolerate } = this.drawn;
    const items = jobs.items;
    if (tolerate.kind === "any")
      items.sort((a, b) => ((a * 7 + shuffle * 3) % 11) - ((b * 7 + shuffle * 3) % 11));
    const part = items.slice(0, Math.ceil(items.length / split));
    const done = part.length === items.length;
    const [first, ...others] = part.map((item) => resultOf(item, this.outcomeOf(item)));
    // Some before the report, some with it, and what comes twice does not count twice.
    if (shuffle % 2 === 0 && first !== undefined) jobs.bring([first]);
    if (jobs.phase === BatchPhase.CHECKING)
      jobs.check({ done, results: first === undefined ? [] : [first, ...others] });
  }

  private finishDependants(): void {
    for (const { action: index, item } of [...this.partition.open.values()]) {
      const name = this.partition.planOf("r").actions[index]?.name ?? "";
      this.partition.finish("r", name, succeeded({ from: item }), item < 0 ? undefined : item);
    }
  }

  private seen(): unknown {
    const run = this.partition.run("r");
    const items = this.drawn.fates.map((_, item) => {
      const record = this.partition.itemRecord("r", "load", item);
      const status = ItemStatus[this.partition.itemStatus("r", "load", item)];
      const kept = record && {
        attempt: record.attempt,
        base: record.attemptBase,
        output: record.output,
        effect: record.effect,
        detail: record.detail?.text,
        mode: record.failure?.mode,
        message: record.failure?.message,
      };
      return { status, kept };
    });
    return {
      run: RunStatus[run.status],
      detail: inOrder(run.detail?.text),
      failure: run.failure && { mode: run.failure.mode, message: inOrder(run.failure.message) },
      tally: tallyOf(run.actions.map(({ status }) => status)),
      effect: run.effect,
      actions: run.actions.map((state) => ({
        status: ActionStatus[state.status],
        detail: inOrder(state.detail?.text),
        mode: state.failure?.mode,
        message: inOrder(state.failure?.message),
        modes: state.failure?.modes.map(({ mode, count }) => `${mode}:${count}`).sort(),
        effect: state.effect,
        counts: state.items?.counts,
        failed: state.items?.modes.map(({ mode, count }) => `${mode}:${count}`).sort(),
        effects: [state.items?.withEffect, state.items?.noEffect, state.items?.silent],
        list: state.items?.listGeneration,
      })),
      events: (this.partition.events.get("r") ?? [])
        .filter(({ type }) => SHARED.has(type))
        .map((event) => ({
          type: RunEventType[event.type],
          action: event.action,
          generation: event.generation,
          status: [RunStatus[event.runStatus], ActionStatus[event.actionStatus]],
          detail: inOrder(event.detail),
          items: event.type === RunEventType.ACTION_ENDED ? event.items : undefined,
        })),
      items,
    };
  }
}

/** Failure modes are told in the order in which they came, which is the outside system's own. */
const inOrder = (text: string | undefined): string | undefined =>
  text?.replace(/\(([A-Z_]+ \d+(, [A-Z_]+ \d+)+)\)/, (_, modes: string) => modes.split(", ").sort().join());

const SHARED: ReadonlySet<RunEventType> = new Set([
  RunEventType.RUN_STARTED,
  RunEventType.RUN_ENDED,
  RunEventType.RUN_RETRIED,
  RunEventType.ACTION_STARTED,
  RunEventType.ACTION_ENDED,
  RunEventType.ACTION_REOPENED,
  RunEventType.ITEMS_LOADED,
]);

/** How the run and its action end, in either way. */
function playBoth(drawn: Scenario): string {
  const inline = new Play(drawn, false);
  const jobs = new Play(drawn, true);
  expect(jobs.run()).toEqual(inline.run());
  return `${RunStatus[jobs.partition.run("r").status]} ${jobs.partition.status("r", "load")}`;
}

const TIME = { timeout: 300_000 };

test("inline and in jobs, the same outcomes of items come to the same run", TIME, () => {
  fc.assert(
    fc.property(scenario, (drawn) => {
      playBoth(drawn);
    }),
    { numRuns: SCENARIOS },
  );
});

test("the scenarios that are drawn end in every way", TIME, () => {
  const ends = new Set<string>();
  fc.assert(
    fc.property(scenario, (drawn) => {
      ends.add(playBoth(drawn));
    }),
    { numRuns: 100, seed: 7 },
  );
  expect(ends).toContain("COMPLETED COMPLETED");
  expect(ends).toContain("COMPLETED_WITH_FAILURES COMPLETED_WITH_FAILURES");
  expect(ends).toContain("FAILED FAILED");
});
