/** An action whose list of items breaks off in the middle: what succeeded stays, and a retry goes on where it broke. */
import { FailureMode, RunStatus, type WorkflowDefinition } from "@holdfast/proto";
import { beforeEach, expect, test } from "vitest";
import {
  action,
  define,
  failed,
  failure,
  json,
  loaded,
  ONE_ATTEMPT,
  overItemsOf,
  overLines,
  overLinesOf,
  retry,
  start,
  succeeded,
  tolerateCount,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";

const BROKEN = "line 4 of rows.jsonl is not JSON";
const one = { retry: ONE_ATTEMPT };
const flow = workflow("w", [
  action("check", { forEach: overLines("/file"), ...one }),
  action("load", { forEach: overItemsOf("check"), ...one }),
  action("report", { after: ["load"], ...one }),
]);

let partition: TestPartition;
const rows = (count: number): Uint8Array[] => Array.from({ length: count }, (_, row) => json({ row }));
function begin(runId: string, definition: WorkflowDefinition): void {
  partition.send(define(definition));
  partition.send(start(runId, definition.name));
}
const breakOff = (firstIndex: number, generation = 1): void => {
  const broken = { failure: failure(FailureMode.VALIDATION, BROKEN), firstIndex, generation };
  partition.asOwner(loaded("r", broken));
};

beforeEach(() => {
  partition = new TestPartition();
  begin("r", flow);
});

test("what succeeded stays, what was begun is cancelled with the reason, and nothing goes on after it", () => {
  partition.load("r", "check", rows(3), false);
  partition.finish("r", "check", succeeded(), 1);
  breakOff(3);
  expect(partition.status("r", "check")).toBe("FAILED");
  expect(partition.action("r", "check").failure).toMatchObject({
    mode: FailureMode.VALIDATION,
    message: BROKEN,
  });
  expect(partition.counts("r", "check")).toMatchObject({ total: 3, succeeded: 1, cancelled: 2 });
  expect(partition.itemRecord("r", "check", 0)?.detail?.text).toBe(`cancelled: ${BROKEN}`);
  expect(partition.status("r", "load")).toBe("SKIPPED");
  expect(RunStatus[partition.run("r").status]).toBe("FAILED");
  expect(partition.inFlight("r")).toEqual([]);
  checkPartition(partition);
});

test("a retry asks for the rest alone, and does nothing again that had succeeded", () => {
  partition.load("r", "check", rows(3), false);
  partition.finish("r", "check", succeeded(), 1);
  breakOff(3);
  partition.control(retry("r"));
  expect(partition.loads.at(-1)).toMatchObject({ action: 0, generation: 2, fromIndex: 3 });
  expect(partition.inFlight("r")).toEqual(["check#0", "check#2"]);
  partition.load("r", "check", rows(1), true);
  for (const item of [0, 2, 3]) partition.finish("r", "check", succeeded(), item);
  for (const item of [0, 1, 2, 3]) partition.finish("r", "load", succeeded(), item);
  partition.finish("r", "report", succeeded());
  expect(RunStatus[partition.run("r").status]).toBe("COMPLETED");
  checkPartition(partition);
});

test("it may break again at the same place, as often as it is retried", () => {
  partition.load("r", "check", rows(2), false);
  partition.finish("r", "check", succeeded(), 0);
  for (let generation = 1; generation <= 3; generation++) {
    breakOff(2, generation);
    expect(partition.counts("r", "check")).toMatchObject({ total: 2, succeeded: 1, cancelled: 1 });
    checkPartition(partition);
    partition.control(retry("r"));
  }
  expect(partition.inFlight("r")).toEqual(["check#1"]);
});

test("of failed items and a broken list, the list is what is told: the items keep their own failures", () => {
  partition.load("r", "check", rows(2), false);
  partition.finish("r", "check", failed(FailureMode.VALIDATION, "a negative price"), 0);
  partition.finish("r", "check", succeeded(), 1);
  breakOff(2);
  expect(partition.action("r", "check").failure?.message).toBe(BROKEN);
  expect(partition.itemRecord("r", "check", 0)?.failure?.message).toBe("a negative price");
  checkPartition(partition);
});

test("a report of an item that was cancelled with its list changes nothing", () => {
  partition.load("r", "check", rows(1), false);
  const [task] = partition.open.values();
  breakOff(1);
  expect(task).toBeDefined();
  expect(partition.open.size).toBe(0);
  breakOff(1);
  expect(partition.counts("r", "check")).toMatchObject({ total: 1, cancelled: 1 });
  checkPartition(partition);
});

test("beyond a tolerated count nothing more is begun, though the list goes on; it ends when all is listed", () => {
  begin(
    "t",
    workflow("t", [action("check", { forEach: overLines("/file", 2), tolerate: tolerateCount(0), ...one })]),
  );
  partition.load("t", "check", rows(2), false);
  partition.finish("t", "check", failed(FailureMode.VALIDATION, "bad"), 0);
  partition.load("t", "check", rows(3), false);
  expect(partition.inFlight("t")).toEqual(["check#1"]);
  expect(partition.status("t", "check")).toBe("RUNNING");
  checkPartition(partition);
  partition.load("t", "check", rows(1), true);
  expect(partition.status("t", "check")).toBe("FAILED");
  expect(partition.counts("t", "check")).toMatchObject({ total: 6, failed: 1, cancelled: 5 });
  checkPartition(partition);
});

test("lines of an upstream output are asked for once it is there, and anew when it runs again", () => {
  const lines = workflow("lines", [
    action("extract", one),
    action("check", { forEach: overLinesOf("extract", "/file"), ...one }),
  ]);
  begin("l", lines);
  expect(partition.loads.filter(({ runId }) => runId === "l")).toEqual([]);
  partition.finish("l", "extract", succeeded());
  partition.load("l", "check", rows(2), true);
  expect(partition.inFlight("l")).toEqual(["check#0", "check#1"]);
  checkPartition(partition);
});
