/** Retries of single items, told by example: what is named heals, and flows on; what else failed is left as it is. */
import { FailureMode, RunEventType } from "@holdfast/proto";
import { beforeEach, describe, expect, test } from "vitest";
import {
  action,
  failed,
  ONE_ATTEMPT,
  overInput,
  retry,
  skipped,
  succeeded,
  tolerateCount,
  workflow,
} from "../testing/build.js";
import { moveOf } from "../testing/dead-letter-scene.js";
import { checkPartition } from "../testing/invariants.js";
import { type TestPartition } from "../testing/partition.js";
import { check, load, refused, report, RetryItemsScene } from "../testing/retry-items-scene.js";

let scene: RetryItemsScene;
let partition: TestPartition;
beforeEach(() => {
  scene = new RetryItemsScene();
  ({ partition } = scene);
});

describe("a retry that names an item", () => {
  test("heals it alone, and what comes after runs for it alone", () => {
    scene.importInPart();
    const left = [3, 5].map((item) => partition.itemRecord("r", "check", item));
    expect(scene.retry([1])).toMatchObject({ case: "accepted", value: { items: 1, actions: 1 } });
    expect(partition.inFlight("r")).toEqual(["check#1"]);
    scene.good("check", 1);
    expect(partition.inFlight("r")).toEqual(["load#1"]);
    scene.good("load", 1);
    expect(partition.inFlight("r")).toEqual(["report"]);
    partition.finish("r", "report", succeeded("4 rows"));
    expect(scene.status()).toBe("COMPLETED_WITH_FAILURES");
    expect(scene.dispositions("check")).toBe("SU SU SU FA SU FA");
    expect(scene.dispositions("load")).toBe("SU SU SU UN SU UN");
    expect([3, 5].map((item) => partition.itemRecord("r", "check", item))).toEqual(left);
    expect(partition.counts("r", "check")).toMatchObject({ succeeded: 4, failed: 2 });
    expect(partition.action("r", "check").items?.modes).toMatchObject([
      { mode: FailureMode.VALIDATION, count: 1 },
      { mode: FailureMode.TIMEOUT, count: 1 },
    ]);
    checkPartition(partition);
  });

  test("says in the run's history which, by whom and why", () => {
    scene.importInPart();
    scene.retry([5, 1, 5], { reason: "both are mended" });
    const { events } = partition.run("r");
    expect(events.findLast(({ type }) => type === RunEventType.RUN_RETRIED)?.detail).toBe(
      "by ann: items 1 and 5 of check: both are mended",
    );
  });

  test("can be made as often as it takes, and for the rest later", () => {
    scene.importInPart();
    for (let time = 1; time <= 2; time++) {
      scene.retry([1]);
      scene.bad("check", 1, FailureMode.CONFLICT);
      expect(scene.status()).toBe("COMPLETED_WITH_FAILURES");
      checkPartition(partition);
    }
    expect(partition.itemRecord("r", "check", 1)).toMatchObject({
      attempt: 3,
      failure: { mode: FailureMode.CONFLICT },
    });
    expect(partition.action("r", "report").generation).toBe(1);
    expect(partition.control(retry("r"))).toMatchObject({ value: { items: 3 } });
    scene.good("check", 1, 3, 5);
    scene.good("load", 1, 3, 5);
    partition.finish("r", "report", succeeded());
    expect([scene.status(), partition.run("r").generation]).toEqual(["COMPLETED", 4]);
    checkPartition(partition);
  });

  test("completes the run where it was the last one", () => {
    scene.importInPart();
    scene.retry([1, 3]);
    scene.good("check", 1, 3);
    scene.good("load", 1, 3);
    partition.finish("r", "report", succeeded());
    scene.retry([5]);
    scene.good("check", 5);
    scene.good("load", 5);
    partition.finish("r", "report", succeeded());
    expect(scene.status()).toBe("COMPLETED");
    expect(partition.run("r").signatures).toEqual([]);
    checkPartition(partition);
  });

  test("leaves failures further on alone", () => {
    scene.begin(workflow("import", [check, load, report]));
    scene.good("check", 0, 2, 3, 4, 5);
    scene.bad("check", 1);
    scene.good("load", 0, 2, 4, 5);
    scene.bad("load", 3);
    partition.finish("r", "report", succeeded());
    scene.retry([1]);
    scene.good("check", 1);
    expect(partition.inFlight("r")).toEqual(["load#1"]);
    scene.good("load", 1);
    partition.finish("r", "report", succeeded());
    expect(scene.dispositions("load")).toBe("SU SU SU FA SU SU");
    expect(partition.control(retry("r", { action: "load", items: [3] }))).toMatchObject({
      value: { items: 1 },
    });
    scene.good("load", 3);
    partition.finish("r", "report", succeeded());
    expect(scene.status()).toBe("COMPLETED");
    checkPartition(partition);
  });

  test("lets what was skipped because of it run, and leaves what else failed of the run", () => {
    const other = action("other", { retry: ONE_ATTEMPT });
    const after = action("after", { after: ["other"], retry: ONE_ATTEMPT });
    scene.begin(workflow("w", [check, load, report, other, after]), 2);
    scene.bad("check", 0);
    scene.bad("check", 1);
    partition.finish("r", "other", failed());
    expect([scene.status(), partition.status("r", "report")]).toEqual(["FAILED", "SKIPPED"]);
    scene.retry([0]);
    expect(partition.inFlight("r")).toEqual(["check#0"]);
    scene.good("check", 0);
    scene.good("load", 0);
    partition.finish("r", "report", succeeded());
    expect(["check", "report", "other", "after"].map((name) => partition.status("r", name))).toEqual([
      "COMPLETED_WITH_FAILURES",
      "COMPLETED",
      "FAILED",
      "SKIPPED",
    ]);
    expect(scene.status()).toBe("FAILED");
    checkPartition(partition);
  });

  test("that is then filtered out, though nothing else succeeded, lets what comes after run over nothing", () => {
    scene.begin(workflow("w", [check, load]), 1);
    scene.bad("check", 0);
    scene.retry([0]);
    partition.finish("r", "check", skipped("not for us"), 0);
    expect([scene.status(), partition.status("r", "load")]).toEqual(["COMPLETED", "COMPLETED"]);
    checkPartition(partition);
  });

  test("goes on with what its action had stopped before, once what failed is within what it bears", () => {
    scene.begin(
      workflow("w", [
        action("check", { forEach: overInput("/rows", 2), tolerate: tolerateCount(1), retry: ONE_ATTEMPT }),
      ]),
    );
    scene.bad("check", 0);
    scene.bad("check", 1);
    expect([scene.status(), scene.dispositions("check")]).toEqual(["FAILED", "FA FA CA CA CA CA"]);
    expect(scene.retry([1])).toMatchObject({ value: { items: 5 } });
    expect(partition.inFlight("r")).toEqual(["check#1", "check#2"]);
    scene.good("check", 1, 2, 3, 4, 5);
    expect([scene.status(), scene.dispositions("check")]).toEqual([
      "COMPLETED_WITH_FAILURES",
      "FA SU SU SU SU SU",
    ]);
    checkPartition(partition);
  });
});

describe("of items in the dead letters", () => {
  const letters = (): number[] =>
    partition
      .run("r")
      .deadLetters?.items.flatMap(({ items }) => items)
      .sort() ?? [];

  test("those that are named leave them, the others stay", () => {
    scene.importInPart();
    partition.control(moveOf("r", "check", [1, 3]));
    scene.retry([3]);
    expect(letters()).toEqual([1]);
    scene.bad("check", 3);
    expect([scene.status(), letters()]).toEqual(["COMPLETED_WITH_FAILURES", [1]]);
    checkPartition(partition);
  });

  test("all are retried at once, of several actions, and nothing else", () => {
    scene.begin(workflow("import", [check, load, report]));
    scene.good("check", 0, 2, 4);
    for (const item of [1, 3, 5]) scene.bad("check", item);
    scene.good("load", 0, 2);
    scene.bad("load", 4);
    partition.finish("r", "report", succeeded());
    partition.control(moveOf("r", "check", [3]));
    partition.control(moveOf("r", "load", [4]));
    const set = retry("r", { deadLetters: true });
    expect(partition.control(set)).toMatchObject({ value: { items: 2, actions: 2 } });
    expect(letters()).toEqual([]);
    scene.good("check", 3);
    expect(partition.inFlight("r")).toEqual(["load#3", "load#4"]);
    scene.good("load", 3, 4);
    partition.finish("r", "report", succeeded());
    expect(scene.dispositions("check")).toBe("SU FA SU SU SU FA");
    expect(refused(partition.control(set))).toBe(
      "NOT_DEAD_LETTER: run r is not in the dead letters, nor is any item of it",
    );
    checkPartition(partition);
  });

  test("only those that are there may be named as such", () => {
    scene.importInPart();
    partition.control(moveOf("r", "check", [1, 3]));
    expect(refused(scene.retry([1, 5], { deadLetters: true }))).toBe(
      "NOT_DEAD_LETTER: item 5 of action check of run r is not in the dead letters by itself; nothing was retried",
    );
    expect(scene.retry([1], { deadLetters: true })).toMatchObject({ value: { items: 1 } });
    expect(letters()).toEqual([3]);
  });

  test("a run that is there as a whole is retried as a whole, or items of it, and is out then", () => {
    scene.importInPart();
    partition.control(moveOf("r"));
    const promised = partition.run("r").deadLetters?.untilNs ?? 0n;
    expect(partition.control(retry("r", { deadLetters: true }))).toMatchObject({ value: { items: 3 } });
    for (const item of [1, 3, 5]) scene.bad("check", item);
    partition.control(moveOf("r"));
    scene.retry([1]);
    scene.bad("check", 1);
    expect(partition.run("r").deadLetters).toBeUndefined();
    expect(partition.run("r").retryableUntilNs).toBeGreaterThanOrEqual(promised);
    checkPartition(partition);
  });
});
