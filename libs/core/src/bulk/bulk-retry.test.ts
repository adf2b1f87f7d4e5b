/** A bulk retry: what matches over several partitions, what is done with each run, and that it is done once. */
import {
  BulkResultKind as Kind,
  BulkStatus,
  FailureMode,
  PruneKind,
  RecoveryStrategy,
} from "@holdfast/proto";
import { beforeEach, describe, expect, it } from "vitest";
import { BULK_ROWS_A_STEP, BULK_RUNS_A_STEP } from "../limits.js";
import { partitionOf } from "../names.js";
import { pruning, retry } from "../testing/build.js";
import { drive, operationOf, stepAll } from "../testing/bulk-build.js";
import {
  cluster,
  setUp,
  PARTITIONS,
  fail,
  succeed,
  statusOf,
  counts,
  results,
  DAY_MS,
  failedRuns,
  begin,
  run,
} from "../testing/bulk-scene.js";

beforeEach(() => setUp());

describe("a bulk retry", () => {
  it("sets every failed run of a workflow off again, in all partitions, and nothing else", () => {
    const runIds = failedRuns(20);
    failedRuns(3, "other", "o");
    cluster.start("well", "one");
    succeed("well");
    cluster.start("live", "one");
    const operation = run({ workflow: "one" });
    expect(operation).toMatchObject({
      status: BulkStatus.COMPLETED,
      found: 20n,
      total: 20n,
      outstanding: 20n,
    });
    expect(operation.counts).toMatchObject({ done: 20n, raced: 0n, refused: 0n, pruned: 0n });
    expect(new Set(results().map(({ runId }) => runId))).toEqual(new Set(runIds));
    for (const runId of runIds) expect(statusOf(runId)).toBe("RUNNING");
    expect(statusOf("o0")).toBe("FAILED");
    expect(statusOf("well")).toBe("COMPLETED");
  });

  it("says how the runs that it set off have ended", () => {
    failedRuns(5);
    run({ workflow: "one" });
    for (const runId of ["r0", "r1", "r2"]) succeed(runId);
    for (const runId of ["r3", "r4"]) fail(runId);
    drive(cluster);
    expect(operationOf(cluster, "op").ends).toMatchObject({ completed: 3n, failed: 2n, noBetter: 2n });
    expect(operationOf(cluster, "op").outstanding).toBe(0n);
  });

  it("names the operation, who asked and why in each run's history", () => {
    failedRuns(1);
    run({ workflow: "one" });
    const events = cluster.of("r0").events.get("r0") ?? [];
    expect(events.map(({ detail }) => detail)).toContain("by ann: it is mended; bulk operation op");
  });

  it("takes runs of a queue, of a mode, and of a time", () => {
    failedRuns(2);
    failedRuns(3, "other", "o");
    failedRuns(2, "other", "t", FailureMode.TIMEOUT);
    expect(run({ queue: "gpu", dryRun: true }, [], "by-queue").found).toBe(5n);
    expect(run({ workflow: "other", modes: [FailureMode.TIMEOUT], dryRun: true }, [], "by-mode").found).toBe(
      2n,
    );
    const nowNs = cluster.at(0).nowNs;
    cluster.pass(10_000);
    failedRuns(1, "other", "late");
    const before = { workflow: "other", untilNs: nowNs + 1_000_000_000n, dryRun: true };
    const after = { workflow: "other", fromNs: nowNs + 1_000_000_000n, dryRun: true };
    expect(run(before, [], "before").found).toBe(5n);
    expect(run(after, [], "after").found).toBe(1n);
  });

  it("takes the runs that failed alike", () => {
    failedRuns(3);
    failedRuns(2, "one", "t", FailureMode.TIMEOUT);
    const signature = cluster.of("t0").run("t0").signatures[0]?.id ?? "";
    const operation = run({ signature });
    expect(operation.counts).toMatchObject({ done: 2n, raced: 0n, refused: 0n });
    expect(results().map(({ runId }) => runId)).toEqual(["t0", "t1"]);
  });

  it("counts each named run once, whatever became of it", () => {
    failedRuns(2);
    failedRuns(1, "one", "p", FailureMode.POLICY_SECURITY);
    cluster.start("well", "one");
    succeed("well");
    const operation = run({ byIds: true }, ["r0", "r0", "r1", "p0", "well", "nobody", "r0"]);
    expect(operation).toMatchObject({ found: 5n, status: BulkStatus.COMPLETED });
    expect(operation.counts).toMatchObject({ done: 2n, raced: 1n, refused: 2n, pruned: 0n });
    expect(results()).toMatchObject([
      {
        runId: "nobody",
        kind: Kind.REFUSED,
        reason: 'there is no run "nobody"',
        why: "there is no such run",
      },
      { runId: "p0", kind: Kind.REFUSED, why: "POLICY_SECURITY: needs a person" },
      { runId: "r0", kind: Kind.DONE },
      { runId: "r1", kind: Kind.DONE },
      { runId: "well", kind: Kind.RACED, reason: "no longer failed: it is COMPLETED" },
    ]);
  });

  it("tells of a named run that was pruned, and counts it beside the others", () => {
    failedRuns(1);
    const home = cluster.of("r0");
    home.nowNs += BigInt(8 * DAY_MS) * 1_000_000n;
    home.asOwner(pruning({ kind: PruneKind.FAILED, workflow: "one", sweepNs: 1n, upToNs: 2n ** 64n - 1n }));
    const { counts: counted } = run({ byIds: true }, ["r0"]);
    expect(counted).toMatchObject({ done: 0n, raced: 0n, refused: 0n, pruned: 1n });
    expect(results()[0]).toMatchObject({
      kind: Kind.PRUNED,
      reason: expect.stringContaining("was pruned at"),
    });
  });

  it("retries each run once where two operators ask at once: the other one sees that it raced", () => {
    const runIds = failedRuns(12);
    begin({ workflow: "one" }, [], "first");
    begin({ workflow: "one" }, [], "second");
    drive(cluster);
    const [first, second] = [counts("first"), counts("second")];
    expect(Number(first?.done) + Number(second?.done)).toBe(12);
    expect(Number(first?.raced) + Number(second?.raced)).toBe(12);
    expect(Number(first?.refused) + Number(second?.refused)).toBe(0);
    for (const runId of runIds) expect(cluster.of(runId).run(runId).generation).toBe(2);
  });

  it("does not retry again what was retried and failed once more before its turn", () => {
    failedRuns(1);
    begin({ workflow: "one" });
    cluster.settle();
    const home = cluster.of("r0");
    // Of both places where failed runs are filed: it is matched.
    stepAll(home);
    stepAll(home);
    home.control(retry("r0"));
    fail("r0");
    drive(cluster);
    expect(results()).toMatchObject([
      { kind: Kind.RACED, reason: "it was set off again meanwhile: it is FAILED" },
    ]);
  });

  it("changes nothing in a dry run, and says what it would do", () => {
    failedRuns(3);
    failedRuns(1, "one", "p", FailureMode.POLICY_SECURITY);
    const operation = run({ workflow: "one", dryRun: true });
    expect(operation.counts).toMatchObject({ done: 3n, refused: 1n });
    expect(operation.outstanding).toBe(0n);
    expect(statusOf("r0")).toBe("FAILED");
    expect(cluster.of("r0").run("r0").generation).toBe(1);
  });

  it("comes to no more than its limit, and lets the rest go", () => {
    failedRuns(10);
    const operation = run({ workflow: "one", limit: 3 });
    expect(operation).toMatchObject({ found: 10n, total: 3n, left: 0n, status: BulkStatus.COMPLETED });
    expect(operation.counts?.done).toBe(3n);
    for (const { view } of cluster.partitions) expect(view.keysOf("C")).toEqual([]);
  });

  it("uses the strategy that is asked for, or each run's own", () => {
    failedRuns(1);
    run({ workflow: "one", strategy: RecoveryStrategy.RETRY_ALL }, [], "all");
    fail("r0");
    run({ workflow: "one", recommended: true }, [], "own");
    const details = (cluster.of("r0").events.get("r0") ?? []).map(({ detail }) => detail);
    expect(details.filter((detail) => detail.includes("bulk operation"))).toEqual([
      "by ann: RETRY_ALL: it is mended; bulk operation all",
      "by ann: RETRY_ALL: it is mended; bulk operation own",
    ]);
  });

  it("forces terminal modes only where that is asked for", () => {
    failedRuns(2, "one", "p", FailureMode.POLICY_SECURITY);
    expect(run({ workflow: "one" }, [], "without").counts).toMatchObject({ done: 0n, refused: 2n });
    expect(operationOf(cluster, "without").counts?.refusals).toMatchObject([
      { why: "POLICY_SECURITY: needs a person", count: 2n },
    ]);
    expect(run({ workflow: "one", force: true }, [], "with").counts).toMatchObject({ done: 2n, refused: 0n });
  });

  it("goes on in pieces, each of which counts once, also under a new owner", () => {
    const many = BULK_RUNS_A_STEP * 3 + 7;
    const mine: string[] = [];
    for (let i = 0; mine.length < many; i++) if (partitionOf(`m${i}`, PARTITIONS) === 0) mine.push(`m${i}`);
    const home = cluster.at(0);
    for (const runId of mine) {
      cluster.start(runId, "one");
      fail(runId);
    }
    expect(mine.length).toBeLessThan(BULK_ROWS_A_STEP);
    begin({ workflow: "one" });
    cluster.settle();
    stepAll(home);
    cluster.settle();
    stepAll(home);
    cluster.die(0);
    drive(cluster);
    expect(counts()).toMatchObject({ done: BigInt(many), raced: 0n });
    expect(results().length).toBe(many);
  });
});
