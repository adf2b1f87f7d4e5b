/** Retries of single items, told by example: what is named heals, and flows on; what else failed is left as it is. */
import {
  FailureMode,
  ItemStatus,
  RecoveryStrategy,
  RejectCode,
  type RetryRun,
  RunEventType,
  RunStatus,
  TolerateSchema,
  type WorkflowDefinition,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import {
  action,
  batch,
  define,
  failed,
  json,
  ONE_ATTEMPT,
  overInput,
  overItemsOf,
  retry,
  retryPolicy,
  skipped,
  start,
  succeeded,
  timersFired,
  tolerateCount,
  UNDO,
  workflow,
} from "../testing/build.js";
import { moveOf } from "../testing/dead-letter-scene.js";
import { checkPartition } from "../testing/invariants.js";
import { EPOCH_NS, TestPartition } from "../testing/partition.js";

const one = { retry: ONE_ATTEMPT };
const check = action("check", { forEach: overInput("/rows"), ...one });
const load = action("load", { forEach: overItemsOf("check"), ...one });
const report = action("report", { after: ["load"], ...one });

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

function begin(definition: WorkflowDefinition, rows = 6): void {
  partition.append(batch([define(definition)]));
  expect(partition.send(start("r", definition.name)).case).toBe("accepted");
  partition.load(
    "r",
    "check",
    Array.from({ length: rows }, (_, row) => json({ row })),
  );
}
const good = (name: string, ...items: number[]): void => {
  for (const item of items) partition.finish("r", name, succeeded({ item }), item);
};
const bad = (name: string, item: number, mode = FailureMode.VALIDATION): void =>
  void partition.finish("r", name, failed(mode, `row ${item} is bad`), item);
const retryItems = (items: number[], fields: Init<RetryRun> = {}) =>
  partition.control(retry("r", { action: "check", items, who: "ann", ...fields }));
const refused = (result: ReturnType<TestPartition["control"]>): string =>
  result.case === "rejected"
    ? `${RejectCode[result.value.code]}: ${result.value.message}`
    : `it was ${result.case}`;
const runStatus = (): string => RunStatus[partition.run("r").status];
const dispositions = (name: string): string =>
  Array.from({ length: partition.action("r", name).items?.bound ?? 0 }, (_, item) =>
    (ItemStatus[partition.itemStatus("r", name, item)] ?? "-").slice(0, 2),
  ).join(" ");

/** Of six rows 1, 3 and 5 are bad; what comes after ran for the others. */
function importInPart(modes = [FailureMode.VALIDATION, FailureMode.TIMEOUT, FailureMode.VALIDATION]): void {
  begin(workflow("import", [check, load, report]));
  good("check", 0, 2, 4);
  modes.forEach((mode, i) => bad("check", 2 * i + 1, mode));
  good("load", 0, 2, 4);
  partition.finish("r", "report", succeeded("3 rows"));
  expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");
}

describe("a retry that names an item", () => {
  test("heals it alone, and what comes after runs for it alone", () => {
    importInPart();
    const left = [3, 5].map((item) => partition.itemRecord("r", "check", item));
    expect(retryItems([1])).toMatchObject({ case: "accepted", value: { items: 1, actions: 1 } });
    expect(partition.inFlight("r")).toEqual(["check#1"]);
    good("check", 1);
    expect(partition.inFlight("r")).toEqual(["load#1"]);
    good("load", 1);
    expect(partition.inFlight("r")).toEqual(["report"]);
    partition.finish("r", "report", succeeded("4 rows"));
    expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");
    expect(dispositions("check")).toBe("SU SU SU FA SU FA");
    expect(dispositions("load")).toBe("SU SU SU UN SU UN");
    expect([3, 5].map((item) => partition.itemRecord("r", "check", item))).toEqual(left);
    expect(partition.counts("r", "check")).toMatchObject({ succeeded: 4, failed: 2 });
    expect(partition.action("r", "check").items?.modes).toMatchObject([
      { mode: FailureMode.VALIDATION, count: 1 },
      { mode: FailureMode.TIMEOUT, count: 1 },
    ]);
    checkPartition(partition);
  });

  test("says in the run's history which, by whom and why", () => {
    importInPart();
    retryItems([5, 1, 5], { reason: "both are mended" });
    const { events } = partition.run("r");
    expect(events.findLast(({ type }) => type === RunEventType.RUN_RETRIED)?.detail).toBe(
      "by ann: items 1 and 5 of check: both are mended",
    );
  });

  test("can be made as often as it takes, and for the rest later", () => {
    importInPart();
    for (const _again of [1, 2]) {
      retryItems([1]);
      bad("check", 1, FailureMode.CONFLICT);
      expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");
      checkPartition(partition);
    }
    expect(partition.itemRecord("r", "check", 1)).toMatchObject({
      attempt: 3,
      failure: { mode: FailureMode.CONFLICT },
    });
    expect(partition.action("r", "report").generation).toBe(1);
    expect(partition.control(retry("r"))).toMatchObject({ value: { items: 3 } });
    good("check", 1, 3, 5);
    good("load", 1, 3, 5);
    partition.finish("r", "report", succeeded());
    expect([runStatus(), partition.run("r").generation]).toEqual(["COMPLETED", 4]);
    checkPartition(partition);
  });

  test("completes the run where it was the last one", () => {
    importInPart();
    retryItems([1, 3]);
    good("check", 1, 3);
    good("load", 1, 3);
    partition.finish("r", "report", succeeded());
    retryItems([5]);
    good("check", 5);
    good("load", 5);
    partition.finish("r", "report", succeeded());
    expect(runStatus()).toBe("COMPLETED");
    expect(partition.run("r").signatures).toEqual([]);
    checkPartition(partition);
  });

  test("leaves failures further on alone", () => {
    begin(workflow("import", [check, load, report]));
    good("check", 0, 2, 3, 4, 5);
    bad("check", 1);
    good("load", 0, 2, 4, 5);
    bad("load", 3);
    partition.finish("r", "report", succeeded());
    retryItems([1]);
    good("check", 1);
    expect(partition.inFlight("r")).toEqual(["load#1"]);
    good("load", 1);
    partition.finish("r", "report", succeeded());
    expect(dispositions("load")).toBe("SU SU SU FA SU SU");
    expect(partition.control(retry("r", { action: "load", items: [3] }))).toMatchObject({
      value: { items: 1 },
    });
    good("load", 3);
    partition.finish("r", "report", succeeded());
    expect(runStatus()).toBe("COMPLETED");
    checkPartition(partition);
  });

  test("lets what was skipped because of it run, and leaves what else failed of the run", () => {
    const other = action("other", one);
    const after = action("after", { after: ["other"], ...one });
    begin(workflow("w", [check, load, report, other, after]), 2);
    bad("check", 0);
    bad("check", 1);
    partition.finish("r", "other", failed());
    expect([runStatus(), partition.status("r", "report")]).toEqual(["FAILED", "SKIPPED"]);
    retryItems([0]);
    expect(partition.inFlight("r")).toEqual(["check#0"]);
    good("check", 0);
    good("load", 0);
    partition.finish("r", "report", succeeded());
    expect(["check", "report", "other", "after"].map((name) => partition.status("r", name))).toEqual([
      "COMPLETED_WITH_FAILURES",
      "COMPLETED",
      "FAILED",
      "SKIPPED",
    ]);
    expect(runStatus()).toBe("FAILED");
    checkPartition(partition);
  });

  test("that is then filtered out, though nothing else succeeded, lets what comes after run over nothing", () => {
    begin(workflow("w", [check, load]), 1);
    bad("check", 0);
    retryItems([0]);
    partition.finish("r", "check", skipped("not for us"), 0);
    expect([runStatus(), partition.status("r", "load")]).toEqual(["COMPLETED", "COMPLETED"]);
    checkPartition(partition);
  });

  test("goes on with what its action had stopped before, once what failed is within what it bears", () => {
    begin(
      workflow("w", [
        action("check", { forEach: overInput("/rows", 2), tolerate: tolerateCount(1), ...one }),
      ]),
    );
    bad("check", 0);
    bad("check", 1);
    expect([runStatus(), dispositions("check")]).toEqual(["FAILED", "FA FA CA CA CA CA"]);
    expect(retryItems([1])).toMatchObject({ value: { items: 5 } });
    expect(partition.inFlight("r")).toEqual(["check#1", "check#2"]);
    good("check", 1, 2, 3, 4, 5);
    expect([runStatus(), dispositions("check")]).toEqual(["COMPLETED_WITH_FAILURES", "FA SU SU SU SU SU"]);
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
    importInPart();
    partition.control(moveOf("r", "check", [1, 3]));
    retryItems([3]);
    expect(letters()).toEqual([1]);
    bad("check", 3);
    expect([runStatus(), letters()]).toEqual(["COMPLETED_WITH_FAILURES", [1]]);
    checkPartition(partition);
  });

  test("all are retried at once, of several actions, and nothing else", () => {
    begin(workflow("import", [check, load, report]));
    good("check", 0, 2, 4);
    for (const item of [1, 3, 5]) bad("check", item);
    good("load", 0, 2);
    bad("load", 4);
    partition.finish("r", "report", succeeded());
    partition.control(moveOf("r", "check", [3]));
    partition.control(moveOf("r", "load", [4]));
    const set = retry("r", { deadLetters: true });
    expect(partition.control(set)).toMatchObject({ value: { items: 2, actions: 2 } });
    expect(letters()).toEqual([]);
    good("check", 3);
    expect(partition.inFlight("r")).toEqual(["load#3", "load#4"]);
    good("load", 3, 4);
    partition.finish("r", "report", succeeded());
    expect(dispositions("check")).toBe("SU FA SU SU SU FA");
    expect(refused(partition.control(set))).toBe(
      "NOT_DEAD_LETTER: run r is not in the dead letters, nor is any item of it",
    );
    checkPartition(partition);
  });

  test("only those that are there may be named as such", () => {
    importInPart();
    partition.control(moveOf("r", "check", [1, 3]));
    expect(refused(retryItems([1, 5], { deadLetters: true }))).toBe(
      "NOT_DEAD_LETTER: item 5 of action check of run r is not in the dead letters by itself; nothing was retried",
    );
    expect(retryItems([1], { deadLetters: true })).toMatchObject({ value: { items: 1 } });
    expect(letters()).toEqual([3]);
  });

  test("a run that is there as a whole is retried as a whole, or items of it, and is out then", () => {
    importInPart();
    partition.control(moveOf("r"));
    const promised = partition.run("r").deadLetters?.untilNs ?? 0n;
    expect(partition.control(retry("r", { deadLetters: true }))).toMatchObject({ value: { items: 3 } });
    for (const item of [1, 3, 5]) bad("check", item);
    partition.control(moveOf("r"));
    retryItems([1]);
    bad("check", 1);
    expect(partition.run("r").deadLetters).toBeUndefined();
    expect(partition.run("r").retryableUntilNs).toBeGreaterThanOrEqual(promised);
    checkPartition(partition);
  });
});

describe("is refused, and changes nothing:", () => {
  const unchanged = (result: ReturnType<TestPartition["control"]>, why: string): void => {
    expect(refused(result)).toBe(why);
    expect([runStatus(), partition.inFlight("r")]).toEqual([expect.stringMatching(/FAILURES|FAILED/), []]);
    checkPartition(partition);
  };

  test("what failed in a terminal mode, unless forced", () => {
    importInPart([FailureMode.POLICY_SECURITY, FailureMode.TIMEOUT, FailureMode.VALIDATION]);
    unchanged(
      retryItems([1, 3]),
      "TERMINAL_MODE: item 1 of action check of run r failed with POLICY_SECURITY, which needs a person: mend the cause, then retry with force; nothing was retried",
    );
    expect(retryItems([3])).toMatchObject({ value: { items: 1 } });
    bad("check", 3);
    expect(retryItems([1], { force: true })).toMatchObject({ value: { items: 1 } });
    expect(partition.inFlight("r")).toEqual(["check#1"]);
    checkPartition(partition);
  });

  test("what succeeded, what is not, and none", () => {
    importInPart();
    const of = "action check of run r";
    unchanged(
      retryItems([1, 2]),
      `NOT_FAILED: item 2 of ${of} is not failed: it is SUCCEEDED; nothing was retried`,
    );
    unchanged(retryItems([1, 6]), `NO_SUCH_ITEM: ${of} has no item 6; nothing was retried`);
    unchanged(retryItems([]), `MALFORMED: no item of ${of} is named: name failed ones, or retry the run`);
    unchanged(
      retryItems([1], { action: "report" }),
      "NO_SUCH_ITEM: run r has no items of action report; its actions over items are: check, load",
    );
  });

  test.each(["RETRY_ALL", "RETRY_FROM_CHECKPOINT", "MANUAL"] as const)("with %s", (name) => {
    importInPart();
    unchanged(
      retryItems([1], { strategy: RecoveryStrategy[name] }),
      `UNSUPPORTED: ${name} sets off more than single items of run r: retry them with RETRY_FAILED, or the run with ${name}`,
    );
    expect(retryItems([1], { strategy: RecoveryStrategy.RETRY_FAILED }).case).toBe("accepted");
  });

  test("where the others that failed are more than the action bears", () => {
    const tolerate = init(TolerateSchema, { limit: { case: "basisPoints", value: 2_500 } });
    partition.append(batch([define(workflow("w", [action("check", { ...check, tolerate })]))]));
    partition.send(start("r", "w"));
    const four = Array.from({ length: 4 }, (_, row) => json({ row }));
    // A part of all that there is can only be judged once all is listed.
    partition.load("r", "check", four, false);
    good("check", 0);
    for (const item of [1, 2, 3]) bad("check", item);
    partition.load("r", "check", []);
    unchanged(
      retryItems([1]),
      "NOT_RECOVERABLE: the 2 other failed items of action check of run r are more than it tolerates, so it would stop before these: name more of them, or retry the run",
    );
    expect(retryItems([1, 3])).toMatchObject({ value: { items: 2 } });
    good("check", 1, 3);
    expect([runStatus(), dispositions("check")]).toEqual(["COMPLETED_WITH_FAILURES", "SU SU FA SU"]);
    checkPartition(partition);
  });

  test("while the run goes on", () => {
    importInPart();
    retryItems([1]);
    expect(refused(retryItems([3]))).toBe("NOT_FAILED: run r is not failed: it is RUNNING");
  });

  test("where what the run did was undone", () => {
    const first = action("first", { undo: UNDO });
    begin(workflow("w", [first, check]), 1);
    partition.finish("r", "first", succeeded());
    bad("check", 0);
    partition.finish("r", "first", succeeded());
    expect(runStatus()).toBe("FAILED");
    unchanged(
      retryItems([0]),
      "NOT_RECOVERABLE: action first of run r was undone and has to begin anew, with whatever comes after it: retry the run",
    );
  });
});

describe("of a run that its workflow recovers by itself", () => {
  const recovery = { auto: true, maxAttempts: 2, deadLetter: true };
  const patient = (deadLetter: boolean): WorkflowDefinition =>
    workflow("w", [check], {
      recovery: {
        $typeName: "holdfast.v1.RecoveryPolicy",
        ...recovery,
        deadLetter,
        backoff: retryPolicy({ initialBackoffMs: 1_000, maxBackoffMs: 1_000, jitterMilli: 0 }),
      },
    });
  const pass = (): void => {
    partition.nowNs += 5_000_000_000n;
    partition.asOwner(timersFired(2n ** 64n - 1n));
  };

  test("waits until that is over", () => {
    begin(patient(false), 2);
    good("check", 0);
    bad("check", 1, FailureMode.NETWORK);
    expect(refused(retryItems([1]))).toMatch(
      /^NOT_FAILED: run r is recovered by itself at .*, items and all: /,
    );
  });

  test("leaves the rest to a person: nothing sets it off by itself, until the run is retried as a whole", () => {
    begin(patient(true), 3);
    good("check", 0);
    for (const item of [1, 2]) bad("check", item, FailureMode.NETWORK);
    for (const _recovery of [1, 2]) {
      pass();
      for (const item of [1, 2]) bad("check", item, FailureMode.NETWORK);
    }
    expect([runStatus(), partition.run("r").deadLetters?.runAtNs === partition.nowNs]).toEqual([
      "COMPLETED_WITH_FAILURES",
      true,
    ]);
    retryItems([1]);
    bad("check", 1, FailureMode.NETWORK);
    expect(partition.run("r")).toMatchObject({ recoverAtNs: 0n, recoveries: 2 });
    // Its policy puts it back, and says why.
    expect(partition.events.get("r")?.at(-1)?.detail).toBe(
      "the run by its workflow's policy: single items of it were retried by hand",
    );
    partition.control(retry("r"));
    for (const item of [1, 2]) bad("check", item, FailureMode.NETWORK);
    expect(partition.run("r").recoverAtNs).toBeGreaterThan(EPOCH_NS);
    checkPartition(partition);
  });
});
