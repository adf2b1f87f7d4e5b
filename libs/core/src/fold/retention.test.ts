/** Retention: what is kept how long, what a sweep takes, and what it leaves behind. */
import {
  type Command,
  Effect,
  type ExpiryRecord,
  FailureMode,
  OnConflict,
  PruneCause,
  PruneKind,
  RejectCode,
  type RetentionPolicy,
  RetentionPolicySchema,
  RunStatus,
  SetRetentionSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { keptUntilNs } from "../actor/expiry.js";
import { TOMBSTONE_NS } from "../limits.js";
import { retentionOf } from "../policy/retention.js";
import {
  action,
  batch,
  cancel,
  define,
  failed,
  inline,
  json,
  ONE_ATTEMPT,
  ownerStamp,
  pruning,
  retry,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { timeText } from "../text.js";
import { scansOf } from "./scans.js";
import { TestPartition } from "../testing/partition.js";
import { appliedKey, countsKey, retentionKey, rollupKey, sweepKey, tombstoneKey } from "../state/tables.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const EVER = 2n ** 64n - 1n;

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  partition.append(
    batch([
      define(workflow("plain", [action("only", { retry: ONE_ATTEMPT })])),
      define(
        workflow("listed", [
          action("rows", {
            retry: ONE_ATTEMPT,
            forEach: {
              $typeName: "holdfast.v1.ForEach",
              source: { case: "inputPointer", value: "" },
              window: 8,
            },
          }),
        ]),
      ),
    ]),
  );
});

const completeRun = (runId: string): void => {
  partition.send(start(runId, "plain"));
  partition.finish(runId, "only", succeeded("x".repeat(2_000)));
};
const failRun = (runId: string, mode = FailureMode.VALIDATION): void => {
  partition.send(start(runId, "plain"));
  partition.finish(runId, "only", failed(mode));
};
const sweep = (kind: PruneKind, workflowName = "plain", sweepNs = 1n): void => {
  partition.asOwner(pruning({ kind, workflow: workflowName, sweepNs, upToNs: EVER }));
};
const exists = (runId: string): boolean => partition.view.keysOf("r").includes(`r${runId}`);
const set = (policy: Init<RetentionPolicy> | undefined, workflowName = "plain"): unknown =>
  partition.control({
    case: "setRetention",
    value: init(SetRetentionSchema, {
      workflow: workflowName,
      policy: policy === undefined ? undefined : init(RetentionPolicySchema, policy),
      who: "ann",
      reason: "disk",
    }),
  });
const wait = (ms: number): void => {
  partition.nowNs += BigInt(ms) * 1_000_000n;
};

describe("what a sweep takes", () => {
  test("completed runs go after their retention, not before", () => {
    completeRun("r");
    wait(23 * HOUR_MS);
    sweep(PruneKind.COMPLETED);
    expect(exists("r")).toBe(true);
    wait(HOUR_MS);
    sweep(PruneKind.COMPLETED);
    expect(exists("r")).toBe(false);
    expect(partition.view.keysOf("p")).toEqual([]);
  });

  test("failed, partial and cancelled runs stay for the floor, which is longer", () => {
    failRun("failed");
    partition.send(start("cancelled", "plain"));
    partition.control(cancel("cancelled"));
    wait(6 * DAY_MS);
    sweep(PruneKind.FAILED);
    sweep(PruneKind.COMPLETED);
    expect(exists("failed") && exists("cancelled")).toBe(true);
    wait(DAY_MS);
    sweep(PruneKind.FAILED);
    expect(exists("failed") || exists("cancelled")).toBe(false);
  });

  test("retrying takes a run out of retention, and ending again starts a new floor", () => {
    failRun("r", FailureMode.NETWORK);
    wait(6 * DAY_MS);
    partition.control(retry("r"));
    wait(2 * DAY_MS);
    sweep(PruneKind.FAILED);
    expect(exists("r")).toBe(true);
    partition.finish("r", "only", failed());
    wait(6 * DAY_MS);
    sweep(PruneKind.FAILED);
    expect(exists("r")).toBe(true);
    wait(DAY_MS);
    sweep(PruneKind.FAILED);
    expect(exists("r")).toBe(false);
  });

  test("a run with items leaves no record behind", () => {
    partition.send(start("r", "listed", { input: inline([1, 2, 3]) }));
    partition.load("r", "rows", [json(1), json(2), json(3)]);
    for (const item of [0, 1, 2]) partition.finish("r", "rows", item === 1 ? failed() : succeeded(), item);
    expect(partition.run("r").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    wait(7 * DAY_MS);
    sweep(PruneKind.FAILED, "listed");
    expect(exists("r")).toBe(false);
    expect(partition.view.keysOf("g")).toEqual(["gr"]);
    partition.asOwner(pruning({ kind: PruneKind.GARBAGE, runId: "r" }));
    for (const table of ["g", "c", "n", "i", "s", "p", "h"]) expect(partition.view.keysOf(table)).toEqual([]);
    const rollup = partition.view.get(rollupKey("listed", "default"));
    expect(rollup).toMatchObject({ itemsSucceeded: 2n, itemsFailed: 1n });
    expect(partition.view.get(countsKey("listed"))).toMatchObject({ itemsSucceeded: 0n, itemsFailed: 0n });
  });

  test("only an owner sweeps", () => {
    const sent = partition.send(pruning({ kind: PruneKind.COMPLETED, workflow: "plain", upToNs: EVER }));
    expect(sent).toMatchObject({ case: "rejected", value: { code: RejectCode.UNSUPPORTED } });
  });
});

describe("a cap on ended runs", () => {
  test("takes the oldest completed ones, and no floor, however many there are", () => {
    set({ maxTerminalRuns: 2 });
    for (const runId of ["c1", "c2", "c3"]) completeRun(runId);
    for (const runId of ["f1", "f2", "f3"]) failRun(runId);
    sweep(PruneKind.COMPLETED);
    sweep(PruneKind.FAILED);
    expect(["c1", "c2", "c3"].some(exists)).toBe(false);
    expect(["f1", "f2", "f3"].every(exists)).toBe(true);
    expect(partition.view.get(rollupKey("plain", "default"))?.pruned).toMatchObject([
      { cause: PruneCause.MAX_TERMINAL_RUNS, status: RunStatus.COMPLETED, runs: 3n },
    ]);
  });
});

describe("a changed policy", () => {
  test("lengthened, it counts for runs that have ended: they are carried forward, and counted", () => {
    failRun("r");
    set({ failedRetentionS: 30 * 86_400 });
    expect(keptUntilNs(partition.view, partition.run("r"))).toBe(
      partition.run("r").endedAtNs + 30n * BigInt(DAY_MS) * 1_000_000n,
    );
    wait(8 * DAY_MS);
    sweep(PruneKind.FAILED);
    expect(exists("r")).toBe(true);
    expect(partition.view.get(sweepKey(1n))).toMatchObject({ scanned: 1n, carriedForward: 1n, pruned: [] });
    wait(23 * DAY_MS);
    sweep(PruneKind.FAILED);
    expect(exists("r")).toBe(false);
  });

  test("shortened, it cuts no floor already promised, also not of a run that ends again", () => {
    failRun("r", FailureMode.NETWORK);
    const promised = partition.run("r").retryableUntilNs;
    set({ failedRetentionS: 60 });
    failRun("later");
    wait(HOUR_MS);
    sweep(PruneKind.FAILED);
    expect(exists("later")).toBe(false);
    expect(exists("r")).toBe(true);
    partition.control(retry("r"));
    partition.finish("r", "only", failed());
    expect(partition.run("r").retryableUntilNs).toBe(promised);
  });

  test("for completed runs counts at once, both ways", () => {
    completeRun("r");
    set({ completedRetentionS: 60 });
    wait(HOUR_MS);
    sweep(PruneKind.COMPLETED);
    expect(exists("r")).toBe(false);
  });

  test("each part comes from the first that says something: workflow, definition, all workflows, default", () => {
    const hours = (value: bigint): bigint => value / 3_600_000_000_000n;
    set({ completedRetentionS: 3_600, failedRetentionS: 7_200 }, "");
    set({ failedRetentionS: 3 * 3_600 });
    expect(hours(retentionOf(partition.view, "plain").completedNs)).toBe(1n);
    expect(hours(retentionOf(partition.view, "plain").failedNs)).toBe(3n);
    expect(hours(retentionOf(partition.view, "listed").failedNs)).toBe(2n);
    set(undefined, "");
    expect(hours(retentionOf(partition.view, "plain").completedNs)).toBe(24n);
    expect(partition.view.get(retentionKey("plain"))).toMatchObject({ who: "ann", reason: "disk" });
  });

  test.each<[string, Init<RetentionPolicy> | undefined, string, RejectCode]>([
    ["a bad workflow name", { completedRetentionS: 1 }, "no/way", RejectCode.INVALID_NAME],
    ["a span beyond ten years", { failedRetentionS: 400_000_000 }, "plain", RejectCode.MALFORMED],
  ])("%s is refused", (_, policy, workflowName, code) => {
    expect(set(policy, workflowName)).toMatchObject({ case: "rejected", value: { code } });
  });
});

describe("what a pruned run leaves", () => {
  beforeEach(() => {
    failRun("gone");
    wait(7 * DAY_MS);
    sweep(PruneKind.FAILED);
  });

  const rejection = (sent: unknown): string => (sent as { value: { message: string } }).value.message;

  test("a tombstone: every command that names it is told when and why it was pruned", () => {
    const told =
      /^run gone of workflow "plain" ended FAILED at .+ UTC and was pruned at .+ UTC: failed runs are kept 7 d/;
    expect(rejection(partition.control(retry("gone")))).toMatch(told);
    expect(rejection(partition.control(cancel("gone")))).toMatch(told);
    const again = partition.send(start("gone", "plain"));
    expect(again).toMatchObject({ case: "rejected", value: { code: RejectCode.RUN_EXISTS } });
    expect(rejection(again)).toMatch(/choose another run id$/);
  });

  test("is forgotten after 30 days, and the id is free", () => {
    partition.nowNs += TOMBSTONE_NS;
    sweep(PruneKind.TOMBSTONES);
    expect(partition.view.get(tombstoneKey("gone"))).toBeUndefined();
    expect(partition.view.get(appliedKey)?.tombstones).toBe(0n);
    expect(partition.view.keysOf("j")).toEqual([]);
    const later = { startAtNs: partition.nowNs + 3_600_000_000_000n };
    expect(partition.send(start("gone", "plain", later))).toMatchObject({ case: "accepted" });
  });

  test("a count by workflow, queue, cause and end, and the time between which they had ended", () => {
    const rollup = partition.view.get(rollupKey("plain", "default"));
    expect(rollup?.pruned).toMatchObject([
      { cause: PruneCause.RETENTION, status: RunStatus.FAILED, runs: 1n },
    ]);
    expect(rollup?.firstEndedNs).toBe(rollup?.lastEndedNs);
    expect(partition.view.get(countsKey("plain"))).toMatchObject({ failed: 0, started: 1n, pruned: 1n });
  });

  test("a record of the sweep; the newest hundred are kept", () => {
    expect(partition.view.get(sweepKey(1n))).toMatchObject({ scanned: 1n, carriedForward: 0n });
    for (let n = 2; n <= 105; n++) {
      failRun(`r${n}`);
      wait(7 * DAY_MS);
      sweep(PruneKind.FAILED, "plain", BigInt(n));
    }
    expect(partition.view.keysOf("v")).toHaveLength(100);
    expect(partition.view.get(sweepKey(5n))).toBeUndefined();
    expect(partition.view.get(sweepKey(105n))).toBeDefined();
  });
});

test("whoever is told of a failed run is told until when it can be retried", () => {
  partition.send(start("r1", "plain", { notifyEnd: true }));
  failRun("r2");
  partition.finish("r1", "only", failed(FailureMode.POLICY_SECURITY));
  const until = partition.run("r1").endedAtNs + 7n * 86_400_000_000_000n;
  const told = partition.effects.flatMap((effect): (string | bigint)[] => {
    if (effect.kind === "attention") return [effect.attention.message];
    return effect.kind === "reply" && effect.outcome.result.case === "ended"
      ? [effect.outcome.result.value.retryableUntilNs]
      : [];
  });
  expect(told).toEqual([until, expect.stringContaining(`It can be retried until ${timeText(until)}.`)]);
  const refused = partition.send(start("r1", "plain", { onConflict: OnConflict.REJECT }));
  expect(refused).toMatchObject({
    case: "rejected",
    value: { message: expect.stringContaining(timeText(until)) },
  });
});

test("two sweeps in one entry count each run once", () => {
  completeRun("r");
  wait(2 * DAY_MS);
  const again = (): Command =>
    pruning({ kind: PruneKind.COMPLETED, workflow: "plain", sweepNs: 1n, upToNs: EVER });
  partition.asOwner(again(), again());
  expect(partition.view.get(countsKey("plain"))).toMatchObject({ completed: 0, pruned: 1n });
});

describe("a completed run that consists of its record alone", () => {
  const row = (runId: string) => {
    const [key] = partition.view.keysOf("y").filter((each) => each.endsWith(runId));
    return partition.view.get<ExpiryRecord>(key ?? "");
  };

  test("is told by its row of the index, and pruned without its record", () => {
    partition.send(start("r1", "plain"));
    partition.finish("r1", "only", succeeded());
    const { createdAtNs, endedAtNs } = partition.run("r1");
    expect(row("r1")).toMatchObject({ alone: true, createdAtNs, effect: Effect.VALUE });
    wait(2 * DAY_MS);
    const prune = pruning({ kind: PruneKind.COMPLETED, workflow: "plain", upToNs: EVER });
    const [scan] = scansOf(batch([prune], { owner: ownerStamp(1n, 1n) })).get(0) ?? [];
    expect(scan?.reads?.("yc", row("r1"))).toBeUndefined();
    sweep(PruneKind.COMPLETED);
    for (const table of ["r", "x", "y"]) expect(partition.view.keysOf(table)).toEqual([]);
    expect(partition.view.get(tombstoneKey("r1"))).toMatchObject({
      status: RunStatus.COMPLETED,
      endedAtNs,
      queue: "default",
    });
    expect(partition.view.get(countsKey("plain"))).toMatchObject({ completed: 0, started: 1n, pruned: 1n });
  });

  test("one with items, steps, or stored payloads is looked for", () => {
    partition.send(start("items", "listed", { input: inline([1]) }));
    partition.load("items", "rows", [json(1)]);
    partition.finish("items", "rows", succeeded(), 0);
    completeRun("large");
    for (const runId of ["items", "large"]) {
      expect(partition.run(runId).status).toBe(RunStatus.COMPLETED);
      expect(row(runId)?.alone).toBe(false);
    }
  });
});
