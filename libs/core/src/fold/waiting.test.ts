/** Actions that wait: for time, for a signal, for somebody's decision. */
import {
  ApprovalTimeout,
  ApprovalWaitSchema,
  DecideApprovalSchema,
  type DecideApproval,
  FailureMode,
  RejectCode,
  RunEventType,
  RunStatus,
  SignalRunSchema,
  SignalWaitSchema,
  type Wait,
  WaitSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { definitionProblems } from "../definition/validate.js";
import {
  action,
  cancel,
  define,
  inline,
  json,
  overInput,
  retry,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { TestPartition } from "../testing/partition.js";

const HOUR_MS = 3_600_000n;
const waitFor = (value: Wait["for"]): Wait => init(WaitSchema, { for: value });
const sleep = (ms: bigint): Wait => waitFor({ case: "sleepMs", value: ms });
const forSignal = (name: string, timeoutMs = 0n): Wait =>
  waitFor({ case: "signal", value: init(SignalWaitSchema, { name, timeoutMs }) });
const forApproval = (timeoutMs = 0n, onTimeout = ApprovalTimeout.UNSPECIFIED): Wait =>
  waitFor({
    case: "approval",
    value: init(ApprovalWaitSchema, { prompt: "ship it?", timeoutMs, onTimeout }),
  });

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

function startWith(wait: Wait): void {
  partition.send(define(workflow("w", [action("wait", { wait }), action("after", { after: ["wait"] })])));
  partition.send(start("r1", "w"));
}

const signal = (name: string, value: Parameters<typeof inline>[0] = null, id?: string) =>
  partition.control(
    {
      case: "signalRun",
      value: init(SignalRunSchema, { runId: "r1", name, payload: inline(value), who: "ann" }),
    },
    id,
  );
const decide = (fields: Init<DecideApproval>) =>
  partition.control({
    case: "decideApproval",
    value: init(DecideApprovalSchema, { runId: "r1", who: "ann", ...fields }),
  });
const codeOf = (answer: ReturnType<typeof signal>) =>
  answer.case === "rejected" ? answer.value.code : answer.case;
const detail = () => partition.action("r1", "wait").detail?.text;

test("a sleep ends after its time, not before, and needs no worker", () => {
  startWith(sleep(HOUR_MS));
  expect([partition.status("r1", "wait"), detail(), partition.inFlight("r1")]).toEqual([
    "WAITING",
    "sleeps for 1 h",
    [],
  ]);
  partition.pass(3_599_000);
  expect(partition.status("r1", "wait")).toBe("WAITING");
  partition.pass(2_000);
  expect([partition.status("r1", "wait"), detail()]).toEqual(["COMPLETED", "slept for 1 h"]);
  expect(partition.inFlight("r1")).toEqual(["after"]);
});

describe("a signal", () => {
  test("ends the wait with its payload", () => {
    startWith(forSignal("paid"));
    expect(codeOf(signal("paid", { amount: 3 }))).toBe("accepted");
    expect(partition.status("r1", "wait")).toBe("COMPLETED");
    expect(partition.action("r1", "wait").output?.body.value).toEqual(json({ amount: 3 }));
    expect(detail()).toBe("the signal came from ann");
  });

  test("that comes early is kept, and taken once", () => {
    const actions = [
      action("first"),
      action("wait", { after: ["first"], wait: forSignal("go") }),
      action("more", { after: ["wait"], wait: forSignal("go") }),
    ];
    partition.send(define(workflow("w", actions)));
    partition.send(start("r1", "w"));
    signal("go", 1);
    expect(partition.run("r1").signals).toHaveLength(1);
    partition.finish("r1", "first", succeeded());
    expect(partition.status("r1", "wait")).toBe("COMPLETED");
    expect(partition.status("r1", "more")).toBe("WAITING");
    expect(partition.run("r1").signals).toHaveLength(0);
    const types = partition
      .run("r1")
      .events.filter((event) => event.action === 1)
      .map((event) => RunEventType[event.type]);
    expect(types).toEqual(["ACTION_STARTED", "ACTION_ENDED"]);
    signal("go", 2);
    expect(partition.run("r1").status).toBe(RunStatus.COMPLETED);
  });

  test("sent again under its id counts once", () => {
    startWith(forSignal("go"));
    expect(codeOf(signal("other", 1, "s-1"))).toBe("accepted");
    expect(codeOf(signal("other", 1, "s-1"))).toBe("accepted");
    expect(partition.run("r1").signals).toHaveLength(1);
  });

  test("is refused with its reason: bad name, ended run, too many kept, too large to be kept", () => {
    startWith(forSignal("go"));
    expect(codeOf(signal("no way"))).toBe(RejectCode.INVALID_NAME);
    expect(codeOf(signal("other", "x".repeat(20_000)))).toBe(RejectCode.TOO_LARGE);
    for (let n = 0; n < 100; n++) expect(codeOf(signal("other", n))).toBe("accepted");
    expect(codeOf(signal("other"))).toBe(RejectCode.TOO_LARGE);
    partition.control(cancel("r1"));
    expect(codeOf(signal("go"))).toBe(RejectCode.ALREADY_ENDED);
  });

  test("that does not come in time fails the action with TIMEOUT, and a retry waits anew", () => {
    startWith(forSignal("go", HOUR_MS));
    partition.pass(3_601_000);
    expect(partition.action("r1", "wait").failure?.mode).toBe(FailureMode.TIMEOUT);
    expect(detail()).toBe('signal "go" did not come within 1 h');
    expect(partition.status("r1", "after")).toBe("SKIPPED");
    partition.control(retry("r1"));
    expect(partition.status("r1", "wait")).toBe("WAITING");
    signal("go");
    expect(partition.inFlight("r1")).toEqual(["after"]);
    partition.pass(3_601_000);
    expect(partition.status("r1", "wait")).toBe("COMPLETED");
  });
});

describe("an approval", () => {
  test("given completes the action, and says who and why", () => {
    startWith(forApproval());
    expect(detail()).toBe("waits for an approval: ship it?");
    expect(decide({ approved: true, comment: "looks right" }).case).toBe("accepted");
    expect([partition.status("r1", "wait"), detail()]).toEqual(["COMPLETED", "approved by ann: looks right"]);
    expect(partition.action("r1", "wait").output?.body.value).toEqual(
      json({ approved: true, comment: "looks right", who: "ann" }),
    );
  });

  test("refused fails the action and skips what comes after", () => {
    startWith(forApproval());
    decide({ approved: false, action: "wait", comment: "not yet" });
    expect([partition.status("r1", "wait"), detail()]).toEqual(["FAILED", "rejected by ann: not yet"]);
    expect(partition.status("r1", "after")).toBe("SKIPPED");
    expect(partition.run("r1").status).toBe(RunStatus.FAILED);
  });

  test.each([
    [ApprovalTimeout.UNSPECIFIED, "FAILED", "nobody decided within 1 h"],
    [ApprovalTimeout.APPROVE, "COMPLETED", "approved: nobody decided within 1 h"],
    [ApprovalTimeout.REJECT, "FAILED", "rejected: nobody decided within 1 h"],
  ])("that nobody gives in time ends by policy %i", (policy, status, text) => {
    startWith(forApproval(HOUR_MS, policy));
    partition.pass(3_601_000);
    expect([partition.status("r1", "wait"), detail()]).toEqual([status, text]);
  });

  test("where nothing, or another action, waits for one is refused, and says what does", () => {
    startWith(forApproval());
    const answer = decide({ approved: true, action: "after" });
    expect(answer.case === "rejected" ? [answer.value.code, answer.value.message] : []).toEqual([
      RejectCode.NOT_WAITING,
      'action "after" of run r1 does not wait for an approval; waiting: wait',
    ]);
    decide({ approved: true });
    expect(codeOf(decide({ approved: true }))).toBe(RejectCode.NOT_WAITING);
  });
});

test("a cancelled run waits for nothing any more", () => {
  startWith(sleep(HOUR_MS));
  partition.control(cancel("r1", "changed our mind"));
  expect([partition.status("r1", "wait"), partition.run("r1").status]).toEqual([
    "CANCELLED",
    RunStatus.CANCELLED,
  ]);
  partition.pass(4_000_000);
  expect(partition.status("r1", "wait")).toBe("CANCELLED");
});

test.each([
  ["no time", sleep(0n), /sleeps for no time/],
  ["too long", sleep(10n ** 15n), /at most/],
  ["no signal name", forSignal(""), /signal name/],
  ["nothing at all", init(WaitSchema), /does not say for what/],
])("a definition that waits for %s is refused", (_what, wait, problem) => {
  expect(definitionProblems(workflow("w", [action("wait", { wait })])).join()).toMatch(problem);
});

test("a definition whose action waits and is over items is refused", () => {
  const both = action("wait", { wait: sleep(5n), forEach: overInput() });
  expect(definitionProblems(workflow("w", [both])).join()).toMatch(/one of them only/);
});
