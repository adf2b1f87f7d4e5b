/** How a run fails in part, told by example: terminal modes, failing fast, successes that did nothing. */
import { ActionStatus, Effect, FailureMode, RunStatus, type WorkflowDefinition } from "@holdfast/proto";
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
  report,
  retry,
  start,
  succeeded,
  tolerateCount,
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

describe("a failure in a terminal mode", () => {
  test("is refused where there is nothing else, and retried by force", () => {
    begin(workflow("w", [action("a", one)]));
    partition.finish("r", "a", failed(FailureMode.POLICY_SECURITY, "not allowed"));
    expect(rejection(partition.control(retry("r")))).toMatch(
      /POLICY_SECURITY, which needs a person.*with force/,
    );
    expect(partition.run("r").generation).toBe(1);
    expect(partition.control(retry("r", { force: true })).case).toBe("accepted");
    partition.finish("r", "a", succeeded());
    expect(runStatus()).toBe("COMPLETED");
  });

  test("among others is left out of a retry", () => {
    begin(IMPORT);
    partition.load("r", "check", rows(3));
    good("check", 0);
    bad("check", 1, FailureMode.POLICY_SECURITY);
    bad("check", 2);
    good("load", 0);
    partition.finish("r", "report", succeeded());
    expect(partition.control(retry("r"))).toMatchObject({ value: { items: 1 } });
    expect(partition.inFlight("r")).toEqual(["check#2"]);
    good("check", 2);
    good("load", 2);
    partition.finish("r", "report", succeeded());
    expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");
    expect(partition.run("r").failure?.mode).toBe(FailureMode.POLICY_SECURITY);
    expect(rejection(partition.control(retry("r")))).toContain("POLICY_SECURITY");
    partition.control(retry("r", { force: true }));
    expect(partition.inFlight("r")).toEqual(["check#1"]);
    checkPartition(partition);
  });

  test("that alone is beyond tolerance refuses the retry, since it could only fail again", () => {
    begin(workflow("w", [action("a", { forEach: overInput("", 2), tolerate: tolerateCount(0), ...one })]));
    partition.load("r", "a", rows(4));
    bad("a", 0, FailureMode.POLICY_SECURITY);
    expect(partition.counts("r", "a")).toMatchObject({ failed: 1, cancelled: 3 });
    expect(rejection(partition.control(retry("r")))).toContain("POLICY_SECURITY");
    partition.control(retry("r", { force: true }));
    expect(partition.inFlight("r")).toEqual(["a#0", "a#1"]);
  });
});

describe("failing fast", () => {
  test("stops what is under way, keeps what is done, and a retry takes up the rest under fresh attempts", () => {
    begin(workflow("w", [action("a", { forEach: overInput("", 2), tolerate: tolerateCount(0), ...one })]));
    partition.load("r", "a", rows(5));
    good("a", 0);
    bad("a", 1);
    expect(runStatus()).toBe("FAILED");
    expect(partition.counts("r", "a")).toMatchObject({ succeeded: 1, failed: 1, cancelled: 3 });
    expect(partition.effects.some((effect) => effect.kind === "cancel-tasks")).toBe(true);
    expect(partition.itemRecord("r", "a", 2)?.detail?.text).toMatch(
      /^cancelled: 1 failed items are more than/,
    );
    expect(partition.control(retry("r"))).toMatchObject({ value: { items: 4 } });
    // Item 2 was under way when it was cancelled: the worker's late report must not count for its second attempt.
    const late = partition.send(report("r", { action: 0, item: 2, attempt: 1, outcome: succeeded() }));
    expect(late.case).toBe("rejected");
    good("a", 1, 2, 3, 4);
    expect(runStatus()).toBe("COMPLETED");
    expect(partition.itemRecord("r", "a", 2)?.attempt).toBe(2);
    expect(partition.itemRecord("r", "a", 4)?.attempt).toBe(1);
  });
});

describe("a success that did nothing", () => {
  const endWith = (...effects: Effect[]): void => {
    begin(
      workflow(
        "w",
        effects.map((_, i) => action(`a${i}`, one)),
      ),
    );
    effects.forEach((effect, i) => partition.finish("r", `a${i}`, succeeded(null, effect)));
  };
  test("is told with its reason, or as silent", () => {
    endWith(Effect.NONE_WITH_REASON, Effect.NONE_WITH_REASON);
    expect(partition.run("r").effect).toBe(Effect.NONE_WITH_REASON);
  });
  test("is silent where one of its actions was", () => {
    endWith(Effect.NONE_WITH_REASON, Effect.SILENT);
    expect(partition.run("r").effect).toBe(Effect.SILENT);
    expect(partition.run("r").detail?.text).toMatch(/no reason was given/);
  });
  test("is none where any did something", () => {
    endWith(Effect.SILENT, Effect.VALUE);
    expect(partition.run("r").effect).toBe(Effect.VALUE);
  });
  test("is one with a reason where there were no items", () => {
    begin(workflow("w", [action("a", { forEach: overInput() })]));
    partition.load("r", "a", []);
    expect(partition.run("r")).toMatchObject({
      status: RunStatus.COMPLETED,
      effect: Effect.NONE_WITH_REASON,
    });
    expect(partition.run("r").detail?.text).toBe("completed without effect: there were no items");
  });
});

test("an action's failure takes the mode of its items where they agree, else counts each", () => {
  begin(workflow("w", [action("a", { forEach: overInput(), ...one })]));
  partition.load("r", "a", rows(4));
  good("a", 0);
  bad("a", 1, FailureMode.CONFLICT);
  bad("a", 2, FailureMode.CONFLICT);
  bad("a", 3, FailureMode.POLICY_BUDGET);
  const { status, failure } = partition.action("r", "a");
  expect(ActionStatus[status]).toBe("COMPLETED_WITH_FAILURES");
  expect(failure).toMatchObject({
    mode: FailureMode.PARTIAL_STEP_FAILURES,
    message: "3 of 4 items failed (CONFLICT 2, POLICY_BUDGET 1)",
    modes: [
      { mode: FailureMode.CONFLICT, count: 2 },
      { mode: FailureMode.POLICY_BUDGET, count: 1 },
    ],
  });
});
