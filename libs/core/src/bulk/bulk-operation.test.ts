/** Bulk operations as a whole: waves, cancels, aborts, and how long they are kept. */
import { BulkKind, BulkResultKind as Kind, BulkStatus } from "@holdfast/proto";
import { isDeadLetter } from "../actor/dead-letters.js";
import { beforeEach, describe, expect, it } from "vitest";
import { BULK_KEPT_NS } from "../limits.js";
import { action, cancel, ONE_ATTEMPT, workflow } from "../testing/build.js";
import { abortBulk, drive, homeOf, operationOf, stepAll } from "../testing/bulk-build.js";
import {
  cluster,
  setUp,
  ids,
  fail,
  succeed,
  statusOf,
  counts,
  results,
  failedRuns,
  begin,
  run,
} from "../testing/bulk-scene.js";
import { checkPartition } from "../testing/invariants.js";

/** Its runs are recovered by themselves. */
const HEALS = workflow("heals", [action("work", { retry: ONE_ATTEMPT })], {
  recovery: {
    $typeName: "holdfast.v1.RecoveryPolicy",
    auto: true,
    maxAttempts: 5,
    backoff: undefined,
    deadLetter: false,
  },
});

beforeEach(() => setUp());

describe("a canary", () => {
  const spec = { workflow: "one", canaryFirst: 2, canaryThen: 5 };
  const live = (): string[] => ids(12).filter((runId) => statusOf(runId) === "RUNNING");

  it("goes on in waves, each after the end of the one before", () => {
    failedRuns(12);
    run(spec);
    expect(operationOf(cluster, "op")).toMatchObject({
      status: BulkStatus.WAITING,
      wave: 1,
      detail: "waits for the end of 2 of wave 1",
    });
    const first = live();
    expect(first.length).toBe(2);
    succeed(first[0] as string);
    drive(cluster);
    expect(live().length).toBe(1);
    succeed(first[1] as string);
    drive(cluster);
    expect(live().length).toBe(5);
    for (const runId of live()) succeed(runId);
    drive(cluster);
    expect(operationOf(cluster, "op")).toMatchObject({ status: BulkStatus.COMPLETED, wave: 3 });
    expect(counts()?.done).toBe(12n);
  });

  it("halts where more than half of a wave are no better, and leaves the rest as it is", () => {
    failedRuns(12);
    run(spec);
    for (const runId of live()) fail(runId);
    drive(cluster);
    expect(operationOf(cluster, "op")).toMatchObject({
      status: BulkStatus.HALTED,
      detail: "halted: of the 2 that wave 1 set off, 2 are no better than before",
      left: 10n,
    });
    expect(ids(12).filter((runId) => cluster.of(runId).run(runId).generation === 1).length).toBe(10);
  });

  it("does not wait for a run that another operation sets off in its place", () => {
    setUp([HEALS]);
    for (const runId of ids(2)) {
      cluster.start(runId, "heals");
      fail(runId);
    }
    run({ workflow: "heals", canaryFirst: 1 }, [], "waves");
    const [first] = ids(2).filter((runId) => statusOf(runId) === "RUNNING");
    fail(first as string);
    run({ byIds: true }, [first as string], "by-hand");
    drive(cluster);
    expect(operationOf(cluster, "waves").status).toBe(BulkStatus.HALTED);
  });
});

describe("a bulk cancel", () => {
  it("ends every run of a workflow that has not ended", () => {
    for (const runId of ids(6)) cluster.start(runId, "one");
    succeed("r5");
    cluster.start("x", "other");
    const operation = run({ kind: BulkKind.CANCEL, workflow: "one", reason: "wrong release" });
    expect(operation.counts).toMatchObject({ done: 5n, raced: 0n });
    expect(statusOf("r0")).toBe("CANCELLED");
    expect(statusOf("r5")).toBe("COMPLETED");
    expect(statusOf("x")).toBe("RUNNING");
  });

  it("takes a queue over all workflows, and passes over what has ended", () => {
    failedRuns(4, "one", "a");
    for (const runId of ids(3)) cluster.start(runId, "other");
    for (const runId of ids(2, "q")) cluster.start(runId, "one");
    expect(run({ kind: BulkKind.CANCEL, queue: "gpu" }).counts).toMatchObject({ done: 3n });
    expect(statusOf("r0")).toBe("CANCELLED");
    expect(statusOf("q0")).toBe("RUNNING");
  });

  it("sees what ended before its turn as raced", () => {
    cluster.start("r0", "one");
    begin({ kind: BulkKind.CANCEL, byIds: true }, ["r0"]);
    cluster.of("r0").control(cancel("r0"));
    drive(cluster);
    expect(results()).toMatchObject([
      { kind: Kind.RACED, reason: "run r0 has ended already: it is CANCELLED" },
    ]);
  });

  it("calls off the recovery of what failed before its turn, and leaves it failed", () => {
    setUp([HEALS]);
    for (const runId of ids(3)) cluster.start(runId, "heals");
    begin({ kind: BulkKind.CANCEL, byIds: true, reason: "wrong release" }, ids(3));
    for (const runId of ids(2)) fail(runId);
    drive(cluster);
    expect(counts()).toMatchObject({ done: 3n, raced: 0n });
    expect(ids(3).map(statusOf)).toEqual(["FAILED", "FAILED", "CANCELLED"]);
    expect(cluster.of("r0").run("r0")).toMatchObject({ recoverAtNs: 0n, generation: 1 });
    expect(cluster.of("r0").run("r0").detail?.text).toMatch(
      /its recovery was cancelled by ann: wrong release$/,
    );
    for (const partition of cluster.partitions) checkPartition(partition);
  });
});

describe("dead letters", () => {
  const inTheSet = (): string[] => ids(6).filter((runId) => isDeadLetter(cluster.of(runId).run(runId)));

  it("are moved together, and passed over by a retry that does not name them", () => {
    failedRuns(6);
    const moved = run({ kind: BulkKind.MOVE_TO_DEAD_LETTERS, byIds: true }, ["r0", "r1", "r2"], "move");
    expect(moved.counts).toMatchObject({ done: 3n, raced: 0n, refused: 0n });
    expect(inTheSet()).toEqual(["r0", "r1", "r2"]);
    expect(run({ kind: BulkKind.MOVE_TO_DEAD_LETTERS, byIds: true }, ["r0"], "again").counts).toMatchObject({
      raced: 1n,
    });
    expect(run({ workflow: "one" }, [], "rest").counts).toMatchObject({ done: 3n });
    expect(run({ byIds: true }, ["r0"], "named").counts).toMatchObject({ done: 1n });
    expect(inTheSet()).toEqual(["r1", "r2"]);
  });

  it("are discarded together, with a reason", () => {
    failedRuns(6);
    run({ kind: BulkKind.MOVE_TO_DEAD_LETTERS, workflow: "one" }, [], "move");
    const foreseen = run({ kind: BulkKind.DISCARD, workflow: "one", dryRun: true }, [], "dry");
    expect(foreseen.counts).toMatchObject({ done: 6n });
    expect(inTheSet().length).toBe(6);
    const gone = run({ kind: BulkKind.DISCARD, queue: "default", reason: "a test's" }, [], "discard");
    expect(gone.counts).toMatchObject({ done: 6n, refused: 0n });
    expect(inTheSet()).toEqual([]);
    expect(run({ kind: BulkKind.DISCARD, byIds: true }, ["r0"], "late").counts).toMatchObject({ raced: 1n });
  });
});

describe("an operation", () => {
  it("is aborted: what it has not come to stays as it was", () => {
    failedRuns(12);
    run({ workflow: "one", canaryFirst: 1 });
    homeOf(cluster, "op").control(abortBulk("op", "wrong workflow"));
    drive(cluster);
    expect(operationOf(cluster, "op")).toMatchObject({
      status: BulkStatus.ABORTED,
      left: 11n,
      detail: "aborted by bob: wrong workflow",
    });
    expect(counts()?.done).toBe(1n);
    for (const { view } of cluster.partitions) expect(view.keysOf("C")).toEqual([]);
  });

  it("says which partitions it waits for", () => {
    failedRuns(3);
    begin({ workflow: "one" });
    expect(operationOf(cluster, "op")).toMatchObject({
      status: BulkStatus.MATCHING,
      detail: "waits for partitions 0, 1, 2, 3 to say which runs match",
    });
  });

  it("can be aborted before it knows what matches", () => {
    failedRuns(3);
    begin({ workflow: "one" });
    homeOf(cluster, "op").control(abortBulk("op"));
    drive(cluster);
    expect(operationOf(cluster, "op")).toMatchObject({ status: BulkStatus.ABORTED });
    expect(statusOf("r0")).toBe("FAILED");
  });

  it("still tells how what it set off has ended, once it was aborted in the middle of a wave", () => {
    const runIds = failedRuns(400);
    begin({ workflow: "one" });
    const cameTo = (): number => Number(counts()?.done ?? 0n);
    while (cameTo() === 0) {
      cluster.settle();
      cluster.partitions.forEach(stepAll);
      cluster.settle();
    }
    const done = cameTo();
    expect(done).toBeLessThan(400);
    homeOf(cluster, "op").control(abortBulk("op"));
    drive(cluster);
    expect(operationOf(cluster, "op")).toMatchObject({
      status: BulkStatus.ABORTED,
      outstanding: BigInt(done),
      left: BigInt(400 - done),
    });
    for (const runId of runIds) if (statusOf(runId) === "RUNNING") succeed(runId);
    drive(cluster);
    expect(operationOf(cluster, "op")).toMatchObject({ outstanding: 0n, ends: { completed: BigInt(done) } });
  });

  it("is forgotten a day after its end, with all that was kept of it", () => {
    failedRuns(3);
    run({ workflow: "one" });
    for (const runId of ids(3)) succeed(runId);
    cluster.pass(Number(BULK_KEPT_NS / 1_000_000n) + 10_000);
    drive(cluster);
    for (const { view } of cluster.partitions)
      for (const table of ["a", "b", "C", "R"]) expect(view.keysOf(table)).toEqual([]);
    cluster.partitions.forEach(checkPartition);
  });

  it("matches nothing where there is nothing, and has ended", () => {
    expect(run({ workflow: "nowhere" })).toMatchObject({ status: BulkStatus.COMPLETED, found: 0n });
    expect(run({ byIds: true }, ["nobody"], "ids").counts).toMatchObject({ refused: 1n });
  });
});
