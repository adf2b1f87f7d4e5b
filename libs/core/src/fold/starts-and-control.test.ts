/** Starts and control commands: what they do, what they are refused for, and that each counts once. */
import {
  type Outcome,
  OnConflict,
  PayloadRefSchema,
  PayloadSchema,
  RecoveryStrategy,
  RejectCode,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import {
  CLOCK_SKEW_NS,
  DEDUPE_WINDOW_NS,
  DETAIL_CHARS_MAX,
  INLINE_PAYLOAD_BYTES_MAX,
  PRIORITY_MAX,
  WAITERS_MAX,
} from "../limits.js";
import { appliedKey, latestKey } from "../state/tables.js";
import {
  action,
  batch,
  cancel,
  command,
  define,
  failed,
  ONE_ATTEMPT,
  overInput,
  retry,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { differences } from "../testing/memory-view.js";
import { MS, TestPartition } from "../testing/partition.js";
import { timeText, utf8 } from "../text.js";

const ONE = workflow("one", [action("a", { retry: ONE_ATTEMPT })]);
const ITEMS = workflow("items", [action("a", { forEach: overInput("", 2), retry: ONE_ATTEMPT })]);

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  partition.append(batch([define(ONE), define(ITEMS)]));
});

const begin = (runId = "r", name = "one"): void => {
  expect(partition.send(start(runId, name)).case).toBe("accepted");
};

function expectRejected(result: Outcome["result"], code: RejectCode): string {
  expect(result.case).toBe("rejected");
  if (result.case !== "rejected") return "";
  expect(RejectCode[result.value.code]).toBe(RejectCode[code]);
  expect(result.value.message.length).toBeLessThanOrEqual(DETAIL_CHARS_MAX);
  expect(result.value.message).toMatch(/^[\x20-\x7e…“”]*$/);
  return result.value.message;
}

/** Sends it and sees that nothing but the place in the log has changed. */
function expectNoTrace(send: () => Outcome["result"]): Outcome["result"] {
  const before = partition.view.dump();
  const result = send();
  expect(differences(before, partition.view.dump())).toEqual([appliedKey]);
  return result;
}

describe("a start is rejected", () => {
  test("of an unknown workflow, or an unknown version of it", () => {
    expect(expectRejected(partition.send(start("r", "nothing")), RejectCode.UNKNOWN_WORKFLOW)).toMatch(
      /"nothing" is not registered: start a worker/,
    );
    expectRejected(
      partition.send(start("r", "one", { definitionHash: "0".repeat(32) })),
      RejectCode.UNKNOWN_WORKFLOW,
    );
    expectRejected(partition.send(start("r", "one", { definitionHash: "Ł" })), RejectCode.UNKNOWN_WORKFLOW);
  });
  test("under another workflow's definition", () => {
    const hash = partition.view.get(latestKey("items"))?.hash ?? "";
    expectRejected(partition.send(start("r", "one", { definitionHash: hash })), RejectCode.UNKNOWN_WORKFLOW);
  });
  test("with an input that can't be kept", () => {
    const size = (bytes: number) =>
      init(PayloadSchema, { body: { case: "inline", value: new Uint8Array(bytes).fill(0x31) } });
    expect(
      expectRejected(
        partition.send(start("r", "one", { input: size(INLINE_PAYLOAD_BYTES_MAX + 1) })),
        RejectCode.TOO_LARGE,
      ),
    ).toContain("by reference");
    const stored = init(PayloadSchema, { body: { case: "stored", value: 9 } });
    expectRejected(partition.send(start("r", "one", { input: stored })), RejectCode.MALFORMED);
    const twice = init(PayloadSchema, { body: { case: "inline", value: utf8('{"a":1,"a":2}') } });
    expect(
      expectRejected(partition.send(start("r", "one", { input: twice })), RejectCode.MALFORMED),
    ).toContain('the name "a" stands twice');
    const ref = init(PayloadSchema, {
      body: { case: "ref", value: init(PayloadRefSchema, { name: "x".repeat(257) }) },
    });
    expectRejected(partition.send(start("r", "one", { input: ref })), RejectCode.MALFORMED);
    expect(partition.send(start("r", "one", { input: size(INLINE_PAYLOAD_BYTES_MAX) })).case).toBe(
      "accepted",
    );
  });
  test("of an id that another workflow's run has", () => {
    begin("r", "items");
    expectRejected(partition.send(start("r", "one")), RejectCode.RUN_EXISTS);
  });
  test("of an id that is taken, where the sender wants that", () => {
    begin();
    expectRejected(
      partition.send(start("r", "one", { onConflict: OnConflict.REJECT })),
      RejectCode.RUN_EXISTS,
    );
  });
});

describe("a start", () => {
  test("sent again gets the answer that it got, whatever it wants of conflicts", () => {
    const sent = start("r", "one", { onConflict: OnConflict.REJECT });
    for (let i = 0; i < 2; i++)
      expect(partition.send(sent, { id: "start-1" })).toMatchObject({
        case: "accepted",
        value: { existed: false },
      });
    expect(partition.inFlight("r")).toEqual(["a"]);
  });
  test("of a failed run says so, or retries it where asked", () => {
    begin();
    partition.finish("r", "a", failed());
    expect(partition.send(start("r", "one"))).toMatchObject({
      value: { existed: true, status: RunStatus.FAILED },
    });
    expect(partition.send(start("r", "one", { onConflict: OnConflict.RETRY_IF_FAILED }))).toMatchObject({
      value: { status: RunStatus.RUNNING },
    });
    expect(partition.run("r").generation).toBe(2);
  });
  test("has its priority brought within bounds, and its texts cut", () => {
    partition.send(
      start("r", "one", {
        priority: 2 ** 31 - 1,
        origin: "x".repeat(10_000),
        traceparent: "y".repeat(10_000),
      }),
    );
    expect(partition.run("r").priority).toBe(PRIORITY_MAX);
    expect(partition.run("r").origin.length + partition.run("r").traceparent.length).toBeLessThan(400);
  });
  test("that is delayed begins at its time and not before; it can be cancelled meanwhile", () => {
    for (const id of ["r", "s"])
      partition.send(start(id, "one", { startAtNs: partition.nowNs + 1000n * MS }));
    partition.pass(500);
    expect(RunStatus[partition.run("r").status]).toBe("PENDING");
    partition.control(cancel("s"));
    partition.pass(600);
    expect(RunStatus[partition.run("r").status]).toBe("RUNNING");
    expect(RunStatus[partition.run("s").status]).toBe("CANCELLED");
    expect(partition.inFlight("s")).toEqual([]);
    checkPartition(partition);
  });
  test("that wants to be told of the end is told, once, also where the run has ended already", () => {
    const ended = (): number =>
      partition.effects.filter((e) => e.kind === "reply" && e.outcome.result.case === "ended").length;
    for (let i = 0; i < WAITERS_MAX + 3; i++) partition.send(start("r", "one", { notifyEnd: true }));
    partition.finish("r", "a", succeeded());
    expect(ended()).toBe(WAITERS_MAX);
    partition.send(start("r", "one", { notifyEnd: true }));
    expect(ended()).toBe(1);
  });
});

describe("a control command", () => {
  test("needs an id of visible ASCII", () => {
    for (const id of ["", " ", "Ł", "a b", "x".repeat(129)])
      expectRejected(
        expectNoTrace(() => partition.send(command(retry("r")), { id })),
        RejectCode.MALFORMED,
      );
  });
  test("is refused when it is older than the window, or from the future", () => {
    const send = (issuedAtNs: bigint) => partition.send(command(cancel("r")), { id: "late", issuedAtNs });
    const now = partition.nowNs + MS;
    expectRejected(
      expectNoTrace(() => send(0n)),
      RejectCode.EXPIRED_COMMAND,
    );
    expectRejected(
      expectNoTrace(() => send(now + MS - DEDUPE_WINDOW_NS)),
      RejectCode.EXPIRED_COMMAND,
    );
    expectRejected(
      expectNoTrace(() => send(now + 10n * MS + CLOCK_SKEW_NS)),
      RejectCode.EXPIRED_COMMAND,
    );
    expectRejected(
      expectNoTrace(() => send(2n ** 64n - 1n)),
      RejectCode.EXPIRED_COMMAND,
    );
    expectRejected(send(partition.nowNs + MS - DEDUPE_WINDOW_NS + 2n * MS), RejectCode.RUN_NOT_FOUND);
  });
  test("that is refused for its time is told both clocks, by how much they differ, and what to do", () => {
    partition.pass(3 * 24 * 3_600_000);
    const send = (ns: bigint): string => {
      const result = partition.send(command(cancel("r")), { id: "c-1", issuedAtNs: ns });
      return result?.case === "rejected" ? result.value.message : "";
    };
    const hour = CLOCK_SKEW_NS;
    const time = (ns: bigint): string => timeText(ns).slice(0, 16);
    const early = send(partition.nowNs + MS + 2n * hour + 5n * 1_000n * MS);
    expect(early).toContain("command c-1 was issued at ");
    expect(early).toContain(time(partition.nowNs + 2n * hour));
    expect(early).toContain(`the log had it at ${time(partition.nowNs)}`);
    expect(early).toMatch(/: 720[45] s ahead, and at most 1 h is taken. Set the sender's clock/);
    const late = send(partition.nowNs + MS - DEDUPE_WINDOW_NS - 2n * hour);
    expect(late).toMatch(/: 26 h behind, and after 1 d it can't be told from a repetition/);
    expect(send(0n)).toContain("does not say when it was issued");
  });
  test("happens once: sent again it gets the same answer, also a rejection", () => {
    begin();
    partition.finish("r", "a", failed());
    const first = partition.control(retry("r"), "retry-1");
    partition.finish("r", "a", failed());
    expect(partition.control(retry("r"), "retry-1")).toEqual(first);
    expect(partition.run("r")).toMatchObject({ generation: 2, status: RunStatus.FAILED });
    expectRejected(partition.control(cancel("nobody"), "cancel-1"), RejectCode.RUN_NOT_FOUND);
    begin("nobody");
    expectRejected(partition.control(cancel("nobody"), "cancel-1"), RejectCode.RUN_NOT_FOUND);
  });
  test("is forgotten after the window, when it would be refused for its age", () => {
    const issuedAtNs = partition.nowNs + CLOCK_SKEW_NS;
    expectRejected(
      partition.send(command(cancel("nobody")), { id: "c", issuedAtNs }),
      RejectCode.RUN_NOT_FOUND,
    );
    partition.pass(Number((DEDUPE_WINDOW_NS + CLOCK_SKEW_NS) / MS) + 5);
    expect([...partition.view.dump().keys()].filter((key) => /^[kt]/.test(key))).toEqual([]);
    expectRejected(
      partition.send(command(cancel("nobody")), { id: "c", issuedAtNs }),
      RejectCode.EXPIRED_COMMAND,
    );
  });
  test("to cancel refuses what has ended, and what was cancelled is not retried", () => {
    begin();
    expect(partition.control(cancel("r", "x".repeat(5000)))).toMatchObject({
      value: { status: RunStatus.CANCELLED },
    });
    expectRejected(partition.control(cancel("r")), RejectCode.ALREADY_ENDED);
    expectRejected(partition.control(retry("r", { force: true })), RejectCode.NOT_RECOVERABLE);
    expect(partition.run("r").detail?.text.length).toBeLessThanOrEqual(DETAIL_CHARS_MAX);
  });
  test("to retry refuses what runs, and strategies that do nothing", () => {
    begin();
    expectRejected(partition.control(retry("r")), RejectCode.NOT_FAILED);
    partition.finish("r", "a", failed());
    expect(partition.control(retry("r", { strategy: 99 as RecoveryStrategy })).case).toBe("rejected");
  });
});
