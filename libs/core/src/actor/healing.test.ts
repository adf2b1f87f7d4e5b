/** Partial failure and healing, told by example: check(3 rows) → load (each good row) → report (all of them). */
import {
  FailureMode,
  ItemStatus,
  RunEventType,
  RunStatus,
  type TaskReport,
  type WorkflowDefinition,
} from "@holdfast/proto";
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
  overOutputOf,
  report,
  retry,
  skipped,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";

const rows = (count: number): Uint8Array[] => Array.from({ length: count }, (_, row) => json({ row }));
const one = { retry: ONE_ATTEMPT };

const IMPORT = workflow("import", [
  action("check", { forEach: overInput("/rows"), ...one }),
  action("load", { forEach: overItemsOf("check"), ...one }),
  action("report", { after: ["load"], ...one }),
]);

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

function begin(definition: WorkflowDefinition, runId = "r"): void {
  partition.append(batch([define(definition)]));
  expect(partition.send(start(runId, definition.name)).case).toBe("accepted");
}
const good = (name: string, ...items: number[]): void => {
  for (const item of items) partition.finish("r", name, succeeded({ item }), item);
};
const bad = (name: string, item: number, mode = FailureMode.VALIDATION): void => {
  partition.finish("r", name, failed(mode, `row ${item} is bad`), item);
};
const runStatus = (): string => RunStatus[partition.run("r").status];
const rejection = (result: ReturnType<TestPartition["control"]>): string => {
  expect(result.case).toBe("rejected");
  return result.case === "rejected" ? result.value.message : "";
};

/** Rows 0 and 1 are good, row 2 is not; what comes after ran for the good ones. */
function importInPart(): void {
  begin(IMPORT);
  partition.load("r", "check", rows(3));
  good("check", 0, 1);
  bad("check", 2);
  good("load", 0, 1);
  partition.finish("r", "report", succeeded("2 rows"));
}

describe("a run of which one row is bad", () => {
  beforeEach(importInPart);

  test("completes with failures, and says of each row how it went", () => {
    expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");
    expect(["check", "load", "report"].map((name) => partition.status("r", name))).toEqual([
      "COMPLETED_WITH_FAILURES",
      "COMPLETED",
      "COMPLETED",
    ]);
    expect(partition.counts("r", "check")).toMatchObject({ total: 3, succeeded: 2, failed: 1 });
    expect(partition.counts("r", "load")).toMatchObject({ total: 2, succeeded: 2 });
    expect(partition.itemRecord("r", "check", 2)).toMatchObject({
      attempt: 1,
      failure: { mode: FailureMode.VALIDATION, message: "row 2 is bad", worker: "worker-test" },
      detail: { text: "VALIDATION: row 2 is bad" },
    });
    expect(partition.run("r").failure).toMatchObject({ mode: FailureMode.VALIDATION });
    expect(partition.run("r").retryableUntilNs).toBe(partition.nowNs + 7n * 24n * 3600n * 1_000_000_000n);
  });

  test("heals by one retry: only the bad row is checked, loaded, and reported with the rest", () => {
    expect(partition.control(retry("r"))).toMatchObject({
      case: "accepted",
      value: { items: 1, actions: 1 },
    });
    expect(partition.inFlight("r")).toEqual(["check#2"]);
    good("check", 2);
    expect(partition.inFlight("r")).toEqual(["load#2"]);
    good("load", 2);
    expect(partition.inFlight("r")).toEqual(["report"]);
    partition.finish("r", "report", succeeded("3 rows"));
    expect(runStatus()).toBe("COMPLETED");
    expect(partition.counts("r", "load")).toMatchObject({ total: 3, succeeded: 3 });
    expect(partition.run("r")).toMatchObject({ generation: 2, failure: undefined, retryableUntilNs: 0n });
    checkPartition(partition);
  });

  test("keeps both generations in its history", () => {
    partition.control(retry("r", { who: "ann", reason: "the catalogue was mended" }));
    good("check", 2);
    good("load", 2);
    partition.finish("r", "report", succeeded());
    const events = partition
      .run("r")
      .events.map(({ type, generation, runStatus: status }) => ({ type, generation, status }));
    expect(events.filter(({ type }) => type === RunEventType.RUN_ENDED)).toEqual([
      { type: RunEventType.RUN_ENDED, generation: 1, status: RunStatus.COMPLETED_WITH_FAILURES },
      { type: RunEventType.RUN_ENDED, generation: 2, status: RunStatus.COMPLETED },
    ]);
    const retried = partition.run("r").events.find(({ type }) => type === RunEventType.RUN_RETRIED);
    expect(retried?.detail).toBe("by ann: the catalogue was mended");
  });

  test("may fail anew; what came after is left alone, and it heals the next time", () => {
    partition.control(retry("r"));
    bad("check", 2, FailureMode.CONFLICT);
    expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");
    expect(partition.action("r", "report").generation).toBe(1);
    expect(partition.itemRecord("r", "check", 2)).toMatchObject({
      attempt: 2,
      failure: { mode: FailureMode.CONFLICT },
    });
    expect(partition.action("r", "check").items?.modes).toMatchObject([
      { mode: FailureMode.CONFLICT, count: 1 },
    ]);
    partition.control(retry("r"));
    good("check", 2);
    good("load", 2);
    partition.finish("r", "report", succeeded());
    expect(runStatus()).toBe("COMPLETED");
    expect(partition.run("r").generation).toBe(3);
    checkPartition(partition);
  });

  test("that is filtered out when retried is no news to anybody", () => {
    partition.control(retry("r"));
    partition.finish("r", "check", skipped("not for us"), 2);
    expect(runStatus()).toBe("COMPLETED");
    expect(partition.action("r", "report").generation).toBe(1);
  });

  test("keeps its reason until the row is really tried again", () => {
    partition.control(retry("r"));
    // The fresh attempt is under way.
    expect(partition.itemRecord("r", "check", 2)).toMatchObject({
      attempt: 2,
      failure: undefined,
      detail: undefined,
    });
  });

  test("knows a late report of the first attempt for what it is", () => {
    partition.control(retry("r"));
    const late = partition.send(report("r", { action: 0, item: 2, attempt: 1, outcome: succeeded() }));
    expect(rejection(late)).toContain("is not the current one");
    expect(partition.inFlight("r")).toEqual(["check#2"]);
  });

  test("that has healed can't be retried again", () => {
    partition.control(retry("r"));
    good("check", 2);
    good("load", 2);
    partition.finish("r", "report", succeeded());
    expect(rejection(partition.control(retry("r")))).toBe("run r is not failed: it is COMPLETED");
  });
});

test("items wait their turn with their reason kept, where the window is full", () => {
  begin(workflow("w", [action("check", { forEach: overInput("", 1), ...one })]));
  partition.load("r", "check", rows(2));
  bad("check", 0);
  bad("check", 1);
  expect(runStatus()).toBe("FAILED");
  partition.control(retry("r"));
  expect(partition.inFlight("r")).toEqual(["check#0"]);
  expect(ItemStatus[partition.itemStatus("r", "check", 1)]).toBe("PENDING");
  expect(partition.itemRecord("r", "check", 1)).toMatchObject({ failure: { message: "row 1 is bad" } });
});

test("a failed action heals, and what was skipped because of it runs", () => {
  begin(
    workflow("w", [
      action("a", one),
      action("b", { after: ["a"], ...one }),
      action("c", { after: ["b"], ...one }),
    ]),
  );
  partition.finish("r", "a", failed(FailureMode.NOT_FOUND, "no file"));
  expect(runStatus()).toBe("FAILED");
  expect(partition.action("r", "b").detail?.text).toBe("upstream a failed");
  expect(partition.action("r", "c").detail?.text).toBe("upstream b was skipped");
  expect(partition.control(retry("r"))).toMatchObject({ value: { actions: 1, items: 0 } });
  expect(partition.action("r", "a")).toMatchObject({ attempt: 2, attemptBase: 1, failure: undefined });
  for (const name of ["a", "b", "c"]) partition.finish("r", name, succeeded());
  expect(runStatus()).toBe("COMPLETED");
});

test("an optional failure leaves the run partial, and a retry heals it, too", () => {
  begin(workflow("w", [action("a", { optional: true, ...one }), action("b", one)]));
  partition.finish("r", "a", failed());
  partition.finish("r", "b", succeeded());
  expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");
  partition.control(retry("r"));
  expect(partition.inFlight("r")).toEqual(["a"]);
  partition.finish("r", "a", succeeded());
  expect(runStatus()).toBe("COMPLETED");
  expect(partition.action("r", "b").attempt).toBe(1);
});

test("what waits for several healed actions runs once", () => {
  begin(
    workflow("w", [
      action("a", { forEach: overInput(), ...one }),
      action("b", { forEach: overInput(), ...one }),
      action("c", { after: ["a", "b"], ...one }),
    ]),
  );
  for (const name of ["a", "b"]) {
    partition.load("r", name, rows(2));
    good(name, 0);
    bad(name, 1);
  }
  partition.finish("r", "c", succeeded());
  partition.control(retry("r"));
  good("a", 1);
  expect(partition.inFlight("r")).toEqual(["b#1"]);
  good("b", 1);
  expect(partition.inFlight("r")).toEqual(["c"]);
  partition.finish("r", "c", succeeded());
  expect(runStatus()).toBe("COMPLETED");
  expect(partition.action("r", "c").attempt).toBe(2);
});

test("a list that healing makes anew is worked through anew", () => {
  begin(
    workflow("w", [
      action("check", { forEach: overInput(), ...one }),
      action("plan", { after: ["check"], ...one }),
      action("do", { forEach: overOutputOf("plan"), ...one }),
      action("confirm", { forEach: overItemsOf("do"), ...one }),
    ]),
  );
  partition.load("r", "check", rows(2));
  good("check", 0);
  bad("check", 1);
  partition.finish("r", "plan", succeeded(["x", "y"]));
  partition.load("r", "do", [json("x"), json("y")]);
  good("do", 0, 1);
  good("confirm", 0, 1);
  expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");

  partition.control(retry("r"));
  good("check", 1);
  partition.finish("r", "plan", succeeded(["z"]));
  expect(partition.counts("r", "do").total).toBe(0);
  partition.load("r", "do", [json("z")]);
  expect(partition.inFlight("r")).toEqual(["do#0"]);
  const late = partition.send(report("r", { action: 2, item: 0, attempt: 1, outcome: succeeded("old") }));
  expect(late.case).toBe("rejected");
  good("do", 0);
  expect(partition.counts("r", "confirm")).toMatchObject({ total: 1, running: 1 });
  good("confirm", 0);
  expect(runStatus()).toBe("COMPLETED");
  expect(partition.counts("r", "do")).toMatchObject({ total: 1, succeeded: 1 });
  checkPartition(partition);
});

test("items that a retry opened are closed again where their action is skipped after all", () => {
  begin(
    workflow("w", [
      action("check", { forEach: overInput(), ...one }),
      action("gate", { after: ["check"], ...one }),
      action("load", { forEach: overItemsOf("check"), after: ["gate"], ...one }),
    ]),
  );
  partition.load("r", "check", rows(3));
  good("check", 0, 1);
  bad("check", 2);
  partition.finish("r", "gate", succeeded());
  good("load", 0);
  bad("load", 1);
  partition.control(retry("r"));
  good("check", 2);
  partition.finish("r", "gate", failed());
  expect(partition.status("r", "load")).toBe("SKIPPED");
  expect(partition.counts("r", "load")).toMatchObject({ total: 2, succeeded: 1, failed: 1, cancelled: 0 });
  checkPartition(partition);
  partition.control(retry("r"));
  partition.finish("r", "gate", succeeded());
  expect(partition.inFlight("r")).toEqual(["load#1", "load#2"]);
  good("load", 1, 2);
  expect(runStatus()).toBe("COMPLETED");
});

test("items over several chunks of state heal like any others", () => {
  begin(
    workflow("w", [
      action("a", { forEach: overInput("", 3000), ...one }),
      action("b", { forEach: overItemsOf("a", 3000), ...one }),
    ]),
  );
  partition.load("r", "a", rows(1000), false);
  partition.load("r", "a", rows(1500));
  const bads = [0, 63, 64, 1023, 1024, 2047, 2048, 2499];
  // Many reports in one entry, as a busy log has them.
  const reportAll = (index: number, outcomeOf: (item: number) => TaskReport["outcome"] | undefined): void => {
    const commands = Array.from({ length: 2500 }, (_, item) => ({ item, outcome: outcomeOf(item) }))
      .filter(({ outcome }) => outcome !== undefined)
      .map(({ item, outcome }) => report("r", { action: index, item, outcome }));
    partition.append(batch(commands));
  };
  reportAll(0, (item) => (bads.includes(item) ? failed() : succeeded({ item })));
  reportAll(1, (item) => (bads.includes(item) ? undefined : succeeded({ item })));
  expect(partition.counts("r", "a")).toMatchObject({ total: 2500, failed: bads.length });
  expect(partition.control(retry("r"))).toMatchObject({ value: { items: bads.length } });
  good("a", ...bads);
  expect(partition.inFlight("r")).toHaveLength(bads.length);
  good("b", ...bads);
  expect(runStatus()).toBe("COMPLETED");
  expect(partition.counts("r", "b")).toMatchObject({ total: 2500, succeeded: 2500 });
  checkPartition(partition);
});
