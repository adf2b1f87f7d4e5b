/** External batch actions, told as stories of one run. */
import {
  BatchPhase,
  FailureMode,
  ItemStatus,
  PruneKind,
  RecoveryStrategy,
  RunEventType,
  RunStatus,
} from "@holdfast/proto";
import { beforeEach, describe, expect, test } from "vitest";
import { BATCH_CLOSED_AT_ONCE_MAX } from "../limits.js";
import { resultOf } from "../testing/batch-moves.js";
import {
  action,
  batch,
  BATCH,
  cancel,
  define,
  failed,
  failure,
  json,
  ONE_ATTEMPT,
  overInput,
  pruning,
  retry,
  retryPolicy,
  start,
  succeeded,
  tolerateCount,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { JobScript } from "../testing/job-script.js";
import { TestPartition } from "../testing/partition.js";
import { runView } from "../views/run-view.js";

const rows = (count: number): Uint8Array[] => Array.from({ length: count }, (_, row) => json({ row }));
const TWICE = retryPolicy({ maxAttempts: 2, initialBackoffMs: 100, jitterMilli: 0 });

let partition: TestPartition;
let job: JobScript;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

/** load (in jobs) → report */
function begin(count: number, fields: Parameters<typeof action>[1] = {}): void {
  const load = action("load", { forEach: overInput("/rows"), retry: TWICE, batch: BATCH, ...fields });
  partition.append(batch([define(workflow("w", [load, action("report", { after: ["load"] })]))]));
  partition.send(start("r", "w"));
  partition.load("r", "load", rows(count));
  job = new JobScript(partition, "r", "load");
}
const good = (item: number) => resultOf(item, succeeded({ item }));
const bad = (item: number, mode = FailureMode.VALIDATION) => resultOf(item, failed(mode, `item ${item}`));
const items = (): string[] => {
  const { bound = 0 } = partition.action("r", "load").items ?? {};
  return Array.from({ length: bound }, (_, i) => ItemStatus[partition.itemStatus("r", "load", i)]);
};
const detail = (): string => partition.action("r", "load").detail?.text ?? "";
const status = (): string => partition.status("r", "load");
const runStatus = (): string => RunStatus[partition.run("r").status];
const events = (type: RunEventType): string[] =>
  (partition.events.get("r") ?? []).filter((event) => event.type === type).map((event) => event.detail);
describe("a job over items", () => {
  test("is submitted, waited for, and ends its items as their results come", () => {
    begin(4);
    expect(partition.inFlight("r")).toEqual(["load"]);
    expect(job.items).toEqual([0, 1, 2, 3]);
    job.submit({ id: 17 });
    expect([status(), detail(), partition.inFlight("r")]).toEqual([
      "WAITING",
      'batch job {"id":17}: 0 of 4 done',
      [],
    ]);
    job.check({ results: [good(2), bad(0)], progress: "50 %" });
    expect(detail()).toBe('batch job {"id":17}: 2 of 4 done; 50 %');
    checkPartition(partition);
    const waiting = partition.action("r", "load");
    expect(waiting.retryAtNs).toBeGreaterThan(partition.nowNs);
    job.check({ done: true, results: [good(1), good(3)] });
    expect([status(), items()]).toEqual([
      "COMPLETED_WITH_FAILURES",
      ["FAILED", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"],
    ]);
    expect(detail()).toBe("1 of 4 items failed (VALIDATION 1)");
    partition.finish("r", "report", succeeded());
    expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");
    expect(events(RunEventType.BATCH_SUBMITTED)).toEqual(['batch job {"id":17}, 4 items']);
    checkPartition(partition);
  });

  test("is over once every item has a result, whatever the outside system says", () => {
    begin(2);
    job.submit();
    job.check({ results: [good(0), good(1)] });
    expect(status()).toBe("COMPLETED");
    checkPartition(partition);
  });

  test("takes so many items, and the next one what is left, with what backed off", () => {
    begin(5, { batch: { ...BATCH, itemsAJob: 3 } });
    expect(job.items).toEqual([0, 1, 2]);
    job.submit("a");
    job.check({ done: true, results: [good(0), bad(1, FailureMode.NETWORK), good(2)] });
    expect(status()).toBe("RUNNING");
    expect(partition.inFlight("r")).toEqual([]);
    partition.pass(200);
    expect(job.items).toEqual([1, 3, 4]);
    job.submit("b");
    job.check({ done: true, results: [good(1), good(3), good(4)] });
    expect([status(), partition.itemRecord("r", "load", 1)?.attempt]).toEqual(["COMPLETED", 2]);
  });

  test("fails items that it ends without, with a reason; they are retried as the policy has it", () => {
    begin(3);
    for (const name of ["a", "b"]) {
      job.submit(name);
      job.check({ done: true, results: name === "a" ? [good(0)] : [] });
      partition.pass(200);
    }
    expect([status(), items()]).toEqual(["COMPLETED_WITH_FAILURES", ["SUCCEEDED", "FAILED", "FAILED"]]);
    const { failure: why, attempt } = partition.itemRecord("r", "load", 1) ?? {};
    expect([why?.mode, why?.message, attempt]).toEqual([
      FailureMode.PARTIAL_TOOL_FAILURES,
      "batch job b ended without a result for this item",
      2,
    ]);
  });

  test("that fails as a whole fails what has no result with what it said", () => {
    begin(2, { retry: ONE_ATTEMPT });
    job.submit();
    job.check({ done: true, results: [good(0)], error: failure(FailureMode.PERMISSION, "quota used up") });
    expect([status(), items()]).toEqual(["COMPLETED_WITH_FAILURES", ["SUCCEEDED", "FAILED"]]);
    expect(partition.itemRecord("r", "load", 1)?.failure).toMatchObject({
      mode: FailureMode.PERMISSION,
      message: "quota used up",
    });
  });

  test("a submit that fails backs off under the same number; for good, all its items fail with it", () => {
    begin(2);
    job.report(failed(FailureMode.UNAVAILABLE, "no route"));
    expect([status(), detail()]).toEqual(["RETRYING", "UNAVAILABLE: no route"]);
    partition.pass(150);
    expect([status(), partition.action("r", "load").batch?.job]).toEqual(["RUNNING", 1]);
    job.report(failed(FailureMode.UNAVAILABLE, "no route still"));
    expect([status(), items()]).toEqual(["FAILED", ["FAILED", "FAILED"]]);
    expect(partition.itemRecord("r", "load", 1)?.failure?.message).toBe("no route still");
    expect(partition.itemRecord("r", "load", 1)?.attempt).toBe(1);
  });

  test("a check that fails is made again, and loses neither the job nor a result", () => {
    begin(2, { batch: { ...BATCH, cancellable: true } });
    job.submit("j");
    job.untilCheck();
    job.bring([good(0)]);
    job.report(failed(FailureMode.WORKER_LOST, "gone"));
    expect([status(), detail()]).toEqual([
      "WAITING",
      "batch job j: 1 of 2 done; the last check failed: WORKER_LOST: gone",
    ]);
    job.check({ results: [] });
    expect(partition.action("r", "load").batch?.tries).toBe(0);
    job.untilCheck();
    job.report(failed(FailureMode.NETWORK, "off"));
    job.untilCheck();
    job.report(failed(FailureMode.NETWORK, "off for good"));
    expect([status(), items()]).toEqual(["COMPLETED_WITH_FAILURES", ["SUCCEEDED", "FAILED"]]);
    // What may still be at work outside is told that it is not wanted.
    expect(partition.inFlight("r")).toEqual(["load", "report"]);
    checkPartition(partition);
  });

  test("of very many items is closed piece by piece", () => {
    const many = BATCH_CLOSED_AT_ONCE_MAX * 2 + 500;
    begin(many, { retry: ONE_ATTEMPT });
    job.submit();
    job.check({ done: true, results: [good(7)] });
    expect(partition.action("r", "load").batch?.phase).toBe(BatchPhase.CLOSING);
    expect(partition.counts("r", "load").failed).toBe(BATCH_CLOSED_AT_ONCE_MAX);
    partition.pass(1);
    checkPartition(partition);
    partition.pass(1);
    expect(status()).toBe("COMPLETED_WITH_FAILURES");
    expect(partition.counts("r", "load")).toMatchObject({ succeeded: 1, failed: many - 1 });
  });
});

describe("time and cancel", () => {
  const inTime = { ...BATCH, timeoutMs: 10_000n, cancellable: true };

  test("what has no result in time fails with TIMEOUT, what has one keeps it, and the job is cancelled outside", () => {
    begin(4, { batch: { ...inTime, itemsAJob: 3 } });
    job.submit("slow");
    job.check({ results: [good(0)] });
    partition.pass(12_000);
    expect([status(), items()]).toEqual([
      "COMPLETED_WITH_FAILURES",
      ["SUCCEEDED", "FAILED", "FAILED", "FAILED"],
    ]);
    expect(partition.itemRecord("r", "load", 3)?.failure).toMatchObject({
      mode: FailureMode.TIMEOUT,
      message: "the outside system gave no result within 10 s (batch job slow: 1 of 3 done)",
    });
    const { attempt } = partition.action("r", "load").batchCancels[0] ?? {};
    job.report(succeeded(null), attempt);
    expect(events(RunEventType.BATCH_CANCELLED)).toEqual(["batch job slow was cancelled: its time was over"]);
    expect(partition.action("r", "load").batchCancels).toEqual([]);
    checkPartition(partition);
  });

  test("an item whose retry would begin after the action's time ends the action, and the run goes on", () => {
    begin(2, { batch: inTime });
    job.submit();
    job.check({ done: true, results: [good(0), bad(1, FailureMode.NETWORK)] });
    expect(partition.itemStatus("r", "load", 1)).toBe(ItemStatus.RETRYING);
    partition.pass(12_000);
    expect([status(), items()]).toEqual(["COMPLETED_WITH_FAILURES", ["SUCCEEDED", "FAILED"]]);
    expect(partition.inFlight("r")).toEqual(["report"]);
    checkPartition(partition);
  });

  test("a submit that hangs does not outlive the action's time", () => {
    begin(1, { batch: inTime });
    partition.pass(11_000);
    expect([status(), partition.inFlight("r")]).toEqual(["FAILED", []]);
    checkPartition(partition);
  });

  test("an item whose next attempt is due when the time is over ends its action, and the run goes on", () => {
    begin(2, { batch: inTime });
    job.submit();
    job.check({ done: true, results: [good(0), bad(1, FailureMode.NETWORK)] });
    expect(items()).toEqual(["SUCCEEDED", "RETRYING"]);
    partition.pass(12_000);
    expect([status(), partition.inFlight("r")]).toEqual(["COMPLETED_WITH_FAILURES", ["report"]]);
    checkPartition(partition);
  });

  test("a cancelled run keeps the results it has; the outside system is told, a few times at most", () => {
    begin(3, { batch: inTime });
    job.submit("j");
    job.check({ results: [good(1)] });
    job.untilCheck();
    partition.control(cancel("r"));
    expect([runStatus(), items()]).toEqual(["CANCELLED", ["CANCELLED", "SUCCEEDED", "CANCELLED"]]);
    expect(partition.effects.filter(({ kind }) => kind === "cancel-tasks")).toHaveLength(1);
    checkPartition(partition);
    for (let made = 0; made < 3; made++) {
      const [open] = partition.action("r", "load").batchCancels;
      expect(open?.running).toBe(true);
      if (made === 1) partition.pass(400_000);
      else job.report(failed(FailureMode.NETWORK, "off"), open?.attempt);
      checkPartition(partition);
      partition.pass(200);
    }
    expect(events(RunEventType.BATCH_CANCEL_FAILED)).toEqual([
      "batch job j could not be cancelled, and may still be at work: NETWORK: off",
    ]);
    expect(runStatus()).toBe("CANCELLED");
  });

  test("a run that is pruned takes its attempt to cancel along", () => {
    begin(1, { batch: inTime });
    job.submit();
    partition.control(cancel("r"));
    expect(partition.inFlight("r")).toEqual(["load"]);
    partition.nowNs += 30n * 24n * 3_600_000_000_000n;
    partition.asOwner(
      pruning({ kind: PruneKind.FAILED, workflow: "w", sweepNs: 1n, upToNs: partition.nowNs }),
    );
    expect(partition.open.size).toBe(0);
    checkPartition(partition);
  });

  test("beyond what is tolerated the job is given up, and what came counts", () => {
    begin(4, { batch: inTime, tolerate: tolerateCount(0), retry: ONE_ATTEMPT });
    job.submit();
    job.untilCheck();
    job.bring([good(0), bad(1), good(2)]);
    expect([status(), items()]).toEqual(["FAILED", ["SUCCEEDED", "FAILED", "CANCELLED", "CANCELLED"]]);
    expect(partition.action("r", "load").batchCancels).toHaveLength(1);
    checkPartition(partition);
  });
});

describe("a retry of the run", () => {
  function fallShort(): void {
    begin(3, { retry: ONE_ATTEMPT });
    job.submit("a");
    job.check({ done: true, results: [good(0), bad(1), good(2)] });
    partition.finish("r", "report", succeeded());
  }

  test("of what failed submits the failed items alone, and heals", () => {
    fallShort();
    partition.control(retry("r"));
    expect(job.items).toEqual([1]);
    expect(partition.action("r", "load").batch).toMatchObject({ job: 2, jobs: 1, size: 1 });
    job.submit("b");
    job.check({ done: true, results: [good(1)] });
    partition.finish("r", "report", succeeded());
    expect([runStatus(), status()]).toEqual(["COMPLETED", "COMPLETED"]);
  });

  test("of all submits all", () => {
    fallShort();
    partition.control(retry("r", { strategy: RecoveryStrategy.RETRY_ALL }));
    partition.load("r", "load", rows(3));
    expect(job.items).toEqual([0, 1, 2]);
  });
});

test("a job is shown: which one, how far, when it was and will be checked", () => {
  begin(3);
  job.submit({ id: 5 });
  job.check({ results: [good(1)], progress: "1/3" });
  const plan = partition.planOf("r");
  const shown = runView({
    runId: "r",
    run: partition.run("r"),
    plan,
    partition: 0,
    seq: 1n,
    retryableUntilNs: 0n,
    workflowPaused: "",
    olderEvents: [],
    stepsOf: () => [],
    full: true,
  }).actions[0]?.batch;
  expect(shown).toMatchObject({
    phase: BatchPhase.SUBMITTED,
    job: 1,
    handle: '{"id":5}',
    size: 3,
    done: 1,
    checks: 1,
    progress: "1/3",
  });
  expect(shown?.nextCheck?.seconds).toBeGreaterThan(shown?.lastCheck?.seconds ?? 0n);
});
