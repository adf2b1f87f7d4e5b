/** Failure signatures, told by example: what is counted under which, what of it is failed now, and what gives way. */
import { FailureMode, PruneKind, RunStatus, type SignatureRecord } from "@holdfast/proto";
import { beforeEach, describe, expect, test } from "vitest";
import { OTHER_MESSAGES, otherSignature, signatureOf } from "../failure/signature.js";
import { hourOf, hoursUpTo } from "../failure/signature-books.js";
import { SIGNATURES_A_RUN_MAX, SIGNATURES_A_WORKFLOW_MAX } from "../limits.js";
import { isSignatureId } from "../names.js";
import { readSignatureRunKey, signatureKey, signatureListKey, signatureRunsPrefix } from "../state/tables.js";
import {
  action,
  batch,
  cancel,
  define,
  failed,
  json,
  ONE_ATTEMPT,
  overInput,
  pruning,
  report,
  retry,
  start,
  succeeded,
  tolerateCount,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";

const HOUR_MS = 3_600_000;
const rows = (count: number): Uint8Array[] => Array.from({ length: count }, (_, row) => json({ row }));
const one = { retry: ONE_ATTEMPT };

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  partition.append(
    batch([
      define(workflow("plain", [action("only", one)])),
      define(workflow("listed", [action("load", { forEach: overInput(), ...one })])),
      define(
        workflow("strict", [action("load", { forEach: overInput(), tolerate: tolerateCount(0), ...one })]),
      ),
      define(workflow("two", [action("a", { ...one, optional: true }), action("b", one)])),
    ]),
  );
});

const id = (workflowName: string, name: string, message: string, mode = FailureMode.VALIDATION): string =>
  signatureOf(workflowName, name, { mode, message }).id;
const record = (signature: string): SignatureRecord | undefined =>
  partition.view.get(signatureKey(signature));
const runsOf = (signature: string): string[] =>
  partition.view.keysOf(signatureRunsPrefix(signature)).map((key) => readSignatureRunKey(key).runId);
const listed = (runId: string, count: number, name = "listed"): void => {
  partition.send(start(runId, name));
  partition.load(runId, "load", rows(count));
};
const fail = (runId: string, message: string, mode = FailureMode.VALIDATION): void => {
  partition.send(start(runId, "plain"));
  partition.finish(runId, "only", failed(mode, message));
};

describe("an id", () => {
  test("is that of workflow, action, mode and what the message says", () => {
    const own = id("w", "a", "row 7 is bad");
    expect(isSignatureId(own)).toBe(true);
    expect(id("w", "a", "row 12 is bad")).toBe(own);
    const others = [
      id("v", "a", "row 7 is bad"),
      id("w", "b", "row 7 is bad"),
      id("w", "a", "row 7 is good"),
      id("w", "a", "row 7 is bad", FailureMode.CONFLICT),
      otherSignature("w", "a", FailureMode.VALIDATION).id,
    ];
    expect(new Set([own, ...others]).size).toBe(6);
    // It is in stores and in people's notes: it never changes.
    expect(own).toBe("5381a29500f90716");
  });
  test.each(["", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdef0", "../../etc/passwd"])(
    "is not %j",
    (bad) => expect(isSignatureId(bad)).toBe(false),
  );
});

describe("items that fail alike", () => {
  test("are one signature of one run, which is found by it once it has ended", () => {
    listed("r", 4);
    const own = id("listed", "load", "row 0 is bad");
    for (const item of [0, 1])
      partition.finish("r", "load", failed(FailureMode.VALIDATION, `row ${item} is bad`), item);
    expect(record(own)).toMatchObject({
      workflow: "listed",
      action: "load",
      message: "row <n> is bad",
      items: 2n,
      runs: 0,
    });
    expect(runsOf(own)).toEqual([]);
    partition.finish("r", "load", failed(FailureMode.CONFLICT, "was there"), 2);
    partition.finish("r", "load", succeeded(), 3);
    expect(record(own)).toMatchObject({
      count: 2n,
      items: 2n,
      runs: 1,
      sample: "row 1 is bad",
      examples: ["r"],
    });
    expect(runsOf(own)).toEqual(["r"]);
    expect(runsOf(id("listed", "load", "was there", FailureMode.CONFLICT))).toEqual(["r"]);
    expect(partition.view.keysOf("G")).toHaveLength(2);
    checkPartition(partition);
  });

  test("are failed no more once they are retried, and what stays failed stays counted", () => {
    listed("r", 3);
    const plain = id("listed", "load", "row 1 is bad");
    const terminal = id("listed", "load", "not allowed", FailureMode.POLICY_SECURITY);
    partition.finish("r", "load", failed(FailureMode.VALIDATION, "row 0 is bad"), 0);
    partition.finish("r", "load", failed(FailureMode.POLICY_SECURITY, "not allowed"), 1);
    partition.finish("r", "load", succeeded(), 2);
    partition.control(retry("r"));
    expect(record(plain)).toMatchObject({ count: 1n, items: 0n, runs: 0 });
    expect(record(terminal)).toMatchObject({ count: 1n, items: 1n, runs: 0 });
    expect(partition.view.keysOf("G")).toEqual([]);
    partition.finish("r", "load", succeeded(), 0);
    expect(runsOf(plain)).toEqual([]);
    expect(runsOf(terminal)).toEqual(["r"]);
    partition.control(retry("r", { force: true }));
    partition.finish("r", "load", succeeded(), 1);
    expect(RunStatus[partition.run("r").status]).toBe("COMPLETED");
    expect(record(terminal)).toMatchObject({ count: 1n, items: 0n, runs: 0 });
    expect(partition.run("r").signatures).toEqual([]);
    checkPartition(partition);
  });

  test("are told apart up to a limit; those beyond are other messages, which are counted and found as well", () => {
    const beyond = 5;
    listed("r", SIGNATURES_A_RUN_MAX + beyond);
    const word = (item: number): string => `it is ${String.fromCharCode(97 + item)}-ish`;
    for (let item = 0; item < SIGNATURES_A_RUN_MAX + beyond; item++)
      partition.finish("r", "load", failed(FailureMode.VALIDATION, word(item)), item);
    const other = otherSignature("listed", "load", FailureMode.VALIDATION).id;
    expect(partition.run("r").signatures).toHaveLength(SIGNATURES_A_RUN_MAX + 1);
    expect(record(other)).toMatchObject({
      message: OTHER_MESSAGES,
      count: BigInt(beyond),
      items: BigInt(beyond),
      runs: 1,
    });
    expect(record(id("listed", "load", word(0)))).toMatchObject({ count: 1n, runs: 1 });
    expect(record(id("listed", "load", word(SIGNATURES_A_RUN_MAX)))).toBeUndefined();
    expect(runsOf(other)).toEqual(["r"]);
    checkPartition(partition);
    partition.control(retry("r"));
    expect(record(other)).toMatchObject({ count: BigInt(beyond), items: 0n, runs: 0 });
    checkPartition(partition);
  });

  test("of one entry change one record, whatever their number", () => {
    listed("r", 500);
    const reports = Array.from({ length: 500 }, (_, item) =>
      report("r", { action: 0, item, outcome: failed(FailureMode.VALIDATION, `row ${item} is bad`) }),
    );
    partition.append(batch(reports));
    expect(partition.view.keysOf("f")).toHaveLength(1);
    expect(partition.view.keysOf("G")).toHaveLength(1);
    expect(record(id("listed", "load", "row 1 is bad"))).toMatchObject({ count: 500n, items: 500n, runs: 1 });
    expect(partition.run("r").signatures).toHaveLength(1);
  });
});

describe("what fails by itself", () => {
  test("is counted when its run ends, once for each time that it failed", () => {
    partition.send(start("r", "two"));
    partition.finish("r", "a", failed(FailureMode.NOT_FOUND, "no table 7"));
    const a = id("two", "a", "no table 7", FailureMode.NOT_FOUND);
    expect(record(a)).toBeUndefined();
    partition.finish("r", "b", failed(FailureMode.VALIDATION, "bad"));
    const b = id("two", "b", "bad");
    expect([record(a), record(b)]).toMatchObject([{ runs: 1 }, { runs: 1 }]);
    partition.control(retry("r"));
    expect([record(a), record(b)]).toMatchObject([{ runs: 0 }, { runs: 0 }]);
    partition.finish("r", "a", failed(FailureMode.NOT_FOUND, "no table 8"));
    partition.finish("r", "b", succeeded());
    expect(record(a)).toMatchObject({ count: 2n, runs: 1, sample: "no table 8", examples: ["r"] });
    expect(record(b)).toMatchObject({ count: 1n, runs: 0 });
    expect([runsOf(a), runsOf(b)]).toEqual([["r"], []]);
    checkPartition(partition);
  });

  test("an action that fails because of its items does not", () => {
    listed("r", 2, "strict");
    partition.finish("r", "load", failed(FailureMode.VALIDATION, "row 0 is bad"), 0);
    expect(RunStatus[partition.run("r").status]).toBe("FAILED");
    expect(partition.run("r").signatures).toMatchObject([
      { id: id("strict", "load", "row 0 is bad"), items: 1 },
    ]);
    checkPartition(partition);
  });

  test("a cancelled run has failed in no way", () => {
    listed("r", 2);
    partition.finish("r", "load", failed(FailureMode.VALIDATION, "row 0 is bad"), 0);
    partition.control(cancel("r"));
    expect(RunStatus[partition.run("r").status]).toBe("CANCELLED");
    expect(record(id("listed", "load", "row 0 is bad"))).toMatchObject({ count: 1n, items: 0n, runs: 0 });
    expect(partition.view.keysOf("G")).toEqual([]);
    checkPartition(partition);
  });
});

test("the failed runs of a signature come in the order in which they were created", () => {
  for (const runId of ["z", "a", "m"]) fail(runId, "it broke");
  fail("other", "it tore");
  expect(runsOf(id("plain", "only", "it broke"))).toEqual(["z", "a", "m"]);
});

test("a pruned run is failed no more, and is in no index", () => {
  fail("r", "it broke");
  const own = id("plain", "only", "it broke");
  partition.nowNs += 8n * 24n * BigInt(HOUR_MS) * 1_000_000n;
  partition.asOwner(
    pruning({ kind: PruneKind.FAILED, workflow: "plain", sweepNs: 1n, upToNs: 2n ** 64n - 1n }),
  );
  expect(partition.view.keysOf("r")).toEqual([]);
  expect(record(own)).toMatchObject({ count: 1n, runs: 0 });
  expect(runsOf(own)).toEqual([]);
  checkPartition(partition);
});

test("the newest runs are kept as examples, each once", () => {
  for (const runId of ["a", "b", "c", "d", "e", "f"]) fail(runId, "it broke");
  partition.control(retry("c"));
  partition.finish("c", "only", failed(FailureMode.VALIDATION, "it broke"));
  expect(record(id("plain", "only", "it broke"))?.examples).toEqual(["b", "d", "e", "f", "c"]);
});

test("failures are counted by the hour, for a day", () => {
  const own = id("plain", "only", "it broke");
  const trend = (): number[] => hoursUpTo(record(own) as SignatureRecord, hourOf(partition.nowNs)).slice(-4);
  fail("a", "it broke");
  fail("b", "it broke");
  partition.pass(2 * HOUR_MS);
  fail("c", "it broke");
  expect(trend()).toEqual([0, 2, 0, 1]);
  partition.pass(HOUR_MS);
  expect(trend()).toEqual([2, 0, 1, 0]);
  partition.pass(30 * HOUR_MS);
  expect(trend()).toEqual([0, 0, 0, 0]);
  fail("d", "it broke");
  expect(trend()).toEqual([0, 0, 0, 1]);
  expect(record(own)).toMatchObject({ count: 4n });
});

describe("of too many signatures", () => {
  const word = (i: number): string =>
    `it is ${String.fromCharCode(97 + (i % 26), 97 + Math.floor(i / 26))}-ish`;

  test("the one that was least recently seen gives way, and what it had counted is counted", () => {
    for (let i = 0; i < SIGNATURES_A_WORKFLOW_MAX; i++) fail(`r${i}`, word(i));
    fail("again", word(0));
    fail("new", "quite another thing");
    const list = partition.view.get(signatureListKey("plain"));
    expect(list?.kept).toHaveLength(SIGNATURES_A_WORKFLOW_MAX);
    expect(list).toMatchObject({ gaveWay: 1n, gaveWayFailures: 1n });
    expect(record(id("plain", "only", word(0)))).toMatchObject({ count: 2n, runs: 2 });
    expect(record(id("plain", "only", word(1)))).toBeUndefined();
    checkPartition(partition);
  });

  test("the failed runs of one that gave way are still found by it, and are not taken off its successor", () => {
    for (let i = 0; i <= SIGNATURES_A_WORKFLOW_MAX; i++) fail(`r${i}`, word(i));
    const first = id("plain", "only", word(0));
    expect(record(first)).toBeUndefined();
    expect(runsOf(first)).toEqual(["r0"]);
    fail("late", word(0));
    expect(record(first)).toMatchObject({ count: 1n, runs: 1, examples: ["late"] });
    expect(runsOf(first)).toEqual(["r0", "late"]);
    partition.control(retry("r0"));
    expect(record(first)).toMatchObject({ runs: 1 });
    expect(runsOf(first)).toEqual(["late"]);
    checkPartition(partition);
  });
});
