/** Which retries of single items are refused, with which words; and how a policy that recovers the run bears with them. */
import { FailureMode, RecoveryStrategy, TolerateSchema, type WorkflowDefinition } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import {
  action,
  batch,
  define,
  json,
  retry,
  retryPolicy,
  start,
  succeeded,
  timersFired,
  UNDO,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { EPOCH_NS, type TestPartition } from "../testing/partition.js";
import { check, refused, RetryItemsScene } from "../testing/retry-items-scene.js";

let scene: RetryItemsScene;
let partition: TestPartition;
beforeEach(() => {
  scene = new RetryItemsScene();
  ({ partition } = scene);
});

describe("is refused, and changes nothing:", () => {
  const expectUnchanged = (result: ReturnType<TestPartition["control"]>, why: string): void => {
    expect(refused(result)).toBe(why);
    expect([scene.status(), partition.inFlight("r")]).toEqual([expect.stringMatching(/FAILURES|FAILED/), []]);
    checkPartition(partition);
  };

  test("what failed in a terminal mode, unless forced", () => {
    scene.importInPart([FailureMode.POLICY_SECURITY, FailureMode.TIMEOUT, FailureMode.VALIDATION]);
    expectUnchanged(
      scene.retry([1, 3]),
      "TERMINAL_MODE: item 1 of action check of run r failed with POLICY_SECURITY, which needs a person: mend the cause, then retry with force; nothing was retried",
    );
    expect(scene.retry([3])).toMatchObject({ value: { items: 1 } });
    scene.bad("check", 3);
    expect(scene.retry([1], { force: true })).toMatchObject({ value: { items: 1 } });
    expect(partition.inFlight("r")).toEqual(["check#1"]);
    checkPartition(partition);
  });

  test("what succeeded, what is not, and none", () => {
    scene.importInPart();
    const of = "action check of run r";
    expectUnchanged(
      scene.retry([1, 2]),
      `NOT_FAILED: item 2 of ${of} is not failed: it is SUCCEEDED; nothing was retried`,
    );
    expectUnchanged(scene.retry([1, 6]), `NO_SUCH_ITEM: ${of} has no item 6; nothing was retried`);
    expectUnchanged(
      scene.retry([]),
      `MALFORMED: no item of ${of} is named: name failed ones, or retry the run`,
    );
    expectUnchanged(
      scene.retry([1], { action: "report" }),
      "NO_SUCH_ITEM: run r has no items of action report; its actions over items are: check, load",
    );
  });

  test("all that is wrong is told of at once: the first ten, and how many more", () => {
    scene.importInPart();
    const of = "action check of run r";
    expectUnchanged(
      scene.retry([1, 2, 6, 2 ** 32 - 1, 2]),
      `NOT_FAILED: 3 of the 4 items named are no failed items of ${of}: 2 is SUCCEEDED, 6 is not there, 4294967295 is not there; nothing was retried`,
    );
    expectUnchanged(
      scene.retry([1, 1, 2 ** 32 - 1, 2 ** 32 - 1]),
      `NO_SUCH_ITEM: ${of} has no item 4294967295; nothing was retried`,
    );
    const beyond = Array.from({ length: 15 }, (_, n) => 100 + n);
    expectUnchanged(
      scene.retry([3, ...beyond]),
      `NO_SUCH_ITEM: 15 of the 16 items named are no failed items of ${of}: ${beyond
        .slice(0, 10)
        .map((item) => `${item} is not there`)
        .join(", ")} and 5 more; nothing was retried`,
    );
    const many = Array.from({ length: 100_001 }, (_, n) => n);
    expectUnchanged(
      scene.retry(many),
      "TOO_LARGE: 100001 items of run r are named, and one retry takes at most 1000: retry the run, or some after the others",
    );
    expect(scene.retry([1, 1, 3, 1])).toMatchObject({ value: { items: 2 } });
  });

  test.each(["RETRY_ALL", "RETRY_FROM_CHECKPOINT", "MANUAL"] as const)("with %s", (name) => {
    scene.importInPart();
    expectUnchanged(
      scene.retry([1], { strategy: RecoveryStrategy[name] }),
      `UNSUPPORTED: ${name} sets off more than single items of run r: retry them with RETRY_FAILED, or the run with ${name}`,
    );
    expect(scene.retry([1], { strategy: RecoveryStrategy.RETRY_FAILED }).case).toBe("accepted");
  });

  test("where the others that failed are more than the action bears", () => {
    const tolerate = init(TolerateSchema, { limit: { case: "basisPoints", value: 2_500 } });
    partition.append(batch([define(workflow("w", [action("check", { ...check, tolerate })]))]));
    partition.send(start("r", "w"));
    const four = Array.from({ length: 4 }, (_, row) => json({ row }));
    // A part of all that there is can only be judged once all is listed.
    partition.load("r", "check", four, false);
    scene.good("check", 0);
    for (const item of [1, 2, 3]) scene.bad("check", item);
    partition.load("r", "check", []);
    expectUnchanged(
      scene.retry([1]),
      "NOT_RECOVERABLE: the 2 other failed items of action check of run r are more than it tolerates, so it would stop before these: name more of them, or retry the run",
    );
    expect(scene.retry([1, 3])).toMatchObject({ value: { items: 2 } });
    scene.good("check", 1, 3);
    expect([scene.status(), scene.dispositions("check")]).toEqual(["COMPLETED_WITH_FAILURES", "SU SU FA SU"]);
    checkPartition(partition);
  });

  test("while the run goes on", () => {
    scene.importInPart();
    scene.retry([1]);
    expect(refused(scene.retry([3]))).toBe("NOT_FAILED: run r is not failed: it is RUNNING");
  });

  test("where what the run did was undone", () => {
    const first = action("first", { undo: UNDO });
    scene.begin(workflow("w", [first, check]), 1);
    partition.finish("r", "first", succeeded());
    scene.bad("check", 0);
    partition.finish("r", "first", succeeded());
    expect(scene.status()).toBe("FAILED");
    expectUnchanged(
      scene.retry([0]),
      "NOT_RECOVERABLE: action first of run r was undone and has to begin anew, with whatever comes after it: retry the run",
    );
  });
});

describe("of a run that its workflow recovers by itself", () => {
  const patient = (deadLetter: boolean): WorkflowDefinition =>
    workflow("w", [check], {
      recovery: {
        $typeName: "holdfast.v1.RecoveryPolicy",
        auto: true,
        maxAttempts: 2,
        deadLetter,
        backoff: retryPolicy({ initialBackoffMs: 1_000, maxBackoffMs: 1_000, jitterMilli: 0 }),
      },
    });
  const pass = (): void => {
    partition.nowNs += 5_000_000_000n;
    partition.asOwner(timersFired(2n ** 64n - 1n));
  };

  test("waits until that is over", () => {
    scene.begin(patient(false), 2);
    scene.good("check", 0);
    scene.bad("check", 1, FailureMode.NETWORK);
    expect(refused(scene.retry([1]))).toMatch(
      /^NOT_FAILED: run r is recovered by itself at .*, items and all: /,
    );
  });

  test("leaves the rest to a person: nothing sets it off by itself, until the run is retried as a whole", () => {
    scene.begin(patient(true), 3);
    scene.good("check", 0);
    for (const item of [1, 2]) scene.bad("check", item, FailureMode.NETWORK);
    for (let recovery = 1; recovery <= 2; recovery++) {
      pass();
      for (const item of [1, 2]) scene.bad("check", item, FailureMode.NETWORK);
    }
    expect([scene.status(), partition.run("r").deadLetters?.runAtNs === partition.nowNs]).toEqual([
      "COMPLETED_WITH_FAILURES",
      true,
    ]);
    scene.retry([1]);
    scene.bad("check", 1, FailureMode.NETWORK);
    expect(partition.run("r")).toMatchObject({ recoverAtNs: 0n, recoveries: 2 });
    // Its policy puts it back, and says why.
    expect(partition.events.get("r")?.at(-1)?.detail).toBe(
      "the run by its workflow's policy: single items of it were retried by hand",
    );
    partition.control(retry("r"));
    for (const item of [1, 2]) scene.bad("check", item, FailureMode.NETWORK);
    expect(partition.run("r").recoverAtNs).toBeGreaterThan(EPOCH_NS);
    checkPartition(partition);
  });
});
