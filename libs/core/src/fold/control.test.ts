/** Pause, resume and cancel with grace: what goes on, what does not begin, and how it all ends. */
import { FailureMode, ItemStatus, RejectCode, RunStatus, Source } from "@holdfast/proto";
import { PauseRunSchema, PauseWorkflowSchema, ResumeRunSchema, ResumeWorkflowSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import {
  action,
  batch,
  cancel,
  define,
  failed,
  inline,
  json,
  ONE_ATTEMPT,
  overInput,
  retry,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";
import { appliedKey } from "../state/tables.js";

const CHAIN = workflow("chain", [
  action("first", { retry: ONE_ATTEMPT }),
  action("second", { after: ["first"], retry: ONE_ATTEMPT }),
]);
const LIST = workflow("list", [
  action("rows", { forEach: { ...overInput(""), window: 2 }, retry: ONE_ATTEMPT }),
  action("report", { after: ["rows"], retry: ONE_ATTEMPT }),
]);

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  partition.append(batch([define(CHAIN), define(LIST)]));
});

const runStatus = (): string => RunStatus[partition.run("r").status];
const detail = (): string => partition.run("r").detail?.text ?? "";
const pause = (runId = "r"): ReturnType<TestPartition["control"]> =>
  partition.control({
    case: "pauseRun",
    value: init(PauseRunSchema, { runId, who: "ann", reason: "look first" }),
  });
const resume = (runId = "r"): ReturnType<TestPartition["control"]> =>
  partition.control({ case: "resumeRun", value: init(ResumeRunSchema, { runId, who: "ann" }) });
const refusal = (result: ReturnType<TestPartition["control"]>): readonly [RejectCode, string] => {
  expect(result.case).toBe("rejected");
  return result.case === "rejected" ? [result.value.code, result.value.message] : [0, ""];
};
const dueAgain = (): unknown[] => partition.effects.filter((effect) => effect.kind === "due-again");

function startList(items: number): void {
  partition.send(start("r", "list", { input: inline([]) }));
  partition.load(
    "r",
    "rows",
    Array.from({ length: items }, (_, i) => json(i)),
  );
}

describe("a paused run", () => {
  test("counts what is under way, begins nothing, and goes on where it was", () => {
    partition.send(start("r", "chain"));
    expect(pause()).toMatchObject({ case: "accepted", value: { status: RunStatus.PAUSED } });
    expect(detail()).toBe("paused by ann: look first");
    partition.finish("r", "first", succeeded());
    expect(partition.status("r", "first")).toBe("COMPLETED");
    expect(partition.status("r", "second")).toBe("PENDING");
    resume();
    expect(runStatus()).toBe("RUNNING");
    expect(dueAgain()).toEqual([{ kind: "due-again", runId: "r" }]);
    partition.finish("r", "second", succeeded());
    expect(runStatus()).toBe("COMPLETED");
  });

  test("lets no further item out; resumed, it does", () => {
    startList(4);
    pause();
    partition.finish("r", "rows", succeeded(), 0);
    expect(partition.inFlight("r")).toEqual(["rows#1"]);
    resume();
    expect(partition.inFlight("r")).toEqual(["rows#1", "rows#2"]);
  });

  test("ends where its last attempt ends it", () => {
    partition.send(start("r", "chain"));
    partition.finish("r", "first", succeeded());
    pause();
    partition.finish("r", "second", failed());
    expect(runStatus()).toBe("FAILED");
    expect(refusal(resume())[0]).toBe(RejectCode.NOT_PAUSED);
  });

  test("that was to begin later begins when it is resumed, not before its time", () => {
    const hour = 3_600_000_000_000n;
    partition.send(start("r", "chain", { startAtNs: partition.nowNs + hour }));
    pause();
    resume();
    expect(runStatus()).toBe("PENDING");
    pause();
    partition.pass(2 * 3_600_000);
    expect(runStatus()).toBe("PAUSED");
    resume();
    expect(partition.inFlight("r")).toEqual(["first"]);
    checkPartition(partition);
  });

  test("can be cancelled", () => {
    partition.send(start("r", "chain"));
    pause();
    partition.control(cancel("r"));
    expect(runStatus()).toBe("CANCELLED");
  });

  test.each([
    ["there is no such run", RejectCode.RUN_NOT_FOUND, () => pause("nobody")],
    ["it is paused already", RejectCode.PAUSED, () => (pause(), pause())],
    ["it is not paused", RejectCode.NOT_PAUSED, () => resume()],
    ["it has ended", RejectCode.ALREADY_ENDED, () => (partition.control(cancel("r")), pause())],
    [
      "it is being cancelled",
      RejectCode.ALREADY_ENDED,
      () => (partition.control(cancel("r", "", 500)), pause()),
    ],
  ])("a pause or resume is refused where %s", (_, code, attempt) => {
    partition.send(start("r", "chain"));
    expect(refusal(attempt())[0]).toBe(code);
  });
});

describe("a paused workflow", () => {
  const pauseAll = (name = "chain"): ReturnType<TestPartition["control"]> =>
    partition.control({
      case: "pauseWorkflow",
      value: init(PauseWorkflowSchema, { workflow: name, who: "ann" }),
    });
  const resumeAll = (name = "chain"): ReturnType<TestPartition["control"]> =>
    partition.control({ case: "resumeWorkflow", value: init(ResumeWorkflowSchema, { workflow: name }) });

  test("is kept with the partition until it is resumed, which sets off what is due", () => {
    pauseAll();
    expect(partition.view.get(appliedKey)?.paused).toMatchObject([
      { workflow: "chain", pause: { who: "ann" } },
    ]);
    resumeAll();
    expect(partition.view.get(appliedKey)?.paused).toEqual([]);
    expect(dueAgain()).toEqual([{ kind: "due-again", runId: "" }]);
  });

  test.each([
    ["is not registered", RejectCode.UNKNOWN_WORKFLOW, () => pauseAll("other")],
    ["has no name that any can have", RejectCode.INVALID_NAME, () => pauseAll("no/way")],
    ["is paused already", RejectCode.PAUSED, () => (pauseAll(), pauseAll())],
    ["is not paused", RejectCode.NOT_PAUSED, () => resumeAll()],
    ["to resume has no such name", RejectCode.INVALID_NAME, () => resumeAll("no/way")],
  ])("one that %s is refused", (_, code, attempt) => {
    expect(refusal(attempt())[0]).toBe(code);
  });
});

describe("a cancel with grace", () => {
  const told = (): unknown => partition.effects.find((effect) => effect.kind === "cancel-tasks");

  test("tells workers, begins nothing more, and lets what is under way end well", () => {
    startList(4);
    expect(partition.control(cancel("r", "not wanted", 5_000))).toMatchObject({
      case: "accepted",
      value: { status: RunStatus.RUNNING },
    });
    expect(told()).toMatchObject({ graceMs: 5_000, tasks: [{ item: 0 }, { item: 1 }] });
    expect(detail()).toMatch(/^cancelling by tester: not wanted; what still runs has until .+ UTC$/);
    expect(partition.counts("r", "rows")).toMatchObject({ running: 2, cancelled: 2, pending: 0 });
    partition.finish("r", "rows", succeeded(), 0);
    partition.finish("r", "rows", failed(FailureMode.NETWORK, "line cut"), 1);
    expect(runStatus()).toBe("CANCELLED");
    expect(partition.counts("r", "rows")).toMatchObject({ succeeded: 1, cancelled: 3 });
    expect(partition.itemStatus("r", "rows", 1)).toBe(ItemStatus.CANCELLED);
    expect(partition.itemRecord("r", "rows", 1)?.detail).toMatchObject({
      text: "cancelled: not wanted; its last attempt failed: NETWORK: line cut",
      source: Source.OPERATOR,
    });
    expect(partition.status("r", "report")).toBe("CANCELLED");
    checkPartition(partition);
  });

  test("is forced when the grace is over; a late report is stale", () => {
    partition.send(start("r", "chain"));
    partition.control(cancel("r", "not wanted", 5_000));
    partition.pass(4_000);
    expect(runStatus()).toBe("RUNNING");
    const [task] = [...partition.open.values()];
    partition.pass(1_000);
    expect(runStatus()).toBe("CANCELLED");
    expect(partition.open.size).toBe(0);
    expect(task?.runId).toBe("r");
    checkPartition(partition);
  });

  test("where all that is under way ends well and nothing was left, the run has completed", () => {
    partition.send(start("r", "chain"));
    partition.finish("r", "first", succeeded());
    partition.control(cancel("r", "too late", 5_000));
    partition.finish("r", "second", succeeded());
    expect(runStatus()).toBe("COMPLETED");
  });

  test("can be shortened by another, not lengthened", () => {
    partition.send(start("r", "chain"));
    partition.control(cancel("r", "not wanted", 5_000));
    partition.control(cancel("r", "not wanted", 3_600_000));
    partition.control(cancel("r", "now", 1_000));
    partition.pass(1_100);
    expect(runStatus()).toBe("CANCELLED");
    checkPartition(partition);
  });

  test("needs no grace where nothing is under way", () => {
    partition.send(start("r", "chain", { startAtNs: partition.nowNs + 3_600_000_000_000n }));
    partition.control(cancel("r", "not wanted", 5_000));
    expect(runStatus()).toBe("CANCELLED");
  });

  test("does not outlast a retry: what was asked of one generation is not asked of the next", () => {
    partition.send(start("r", "list", { input: inline([]) }));
    partition.load("r", "rows", [json(1), json(2)]);
    partition.finish("r", "rows", failed(FailureMode.NETWORK), 0);
    partition.finish("r", "rows", succeeded(), 1);
    partition.control(cancel("r", "not wanted", 5_000));
    partition.finish("r", "report", succeeded());
    expect(runStatus()).toBe("COMPLETED_WITH_FAILURES");
    partition.control(retry("r"));
    partition.pass(6_000);
    expect(runStatus()).toBe("RUNNING");
    partition.finish("r", "rows", succeeded(), 0);
    partition.finish("r", "report", succeeded());
    expect(runStatus()).toBe("COMPLETED");
  });

  test("of more than an hour is refused", () => {
    partition.send(start("r", "chain"));
    expect(refusal(partition.control(cancel("r", "not wanted", 3_600_001)))).toEqual([
      RejectCode.MALFORMED,
      "run r can't be cancelled with a grace of 3600001 ms: at most 3600000 are allowed",
    ]);
  });
});

test("a delayed run that was paused and resumed in between begins when it was to, by the one timer that it has", () => {
  partition.send(start("r", "chain", { startAtNs: partition.nowNs + 60_000_000_000n }));
  pause();
  resume();
  checkPartition(partition);
  expect(runStatus()).toBe("PENDING");
  partition.pass(61_000);
  expect([runStatus(), partition.inFlight("r")]).toEqual(["RUNNING", ["first"]]);
});
