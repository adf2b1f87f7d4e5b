import { FailureMode, RecoveryStrategy } from "@holdfast/proto";
import { describe, expect, test } from "vitest";
import { completionMilli, type RecoveryQuestion, recommend } from "./recommend.js";

const ask = (fields: Partial<RecoveryQuestion>) =>
  recommend({
    cancelled: false,
    mode: FailureMode.NETWORK,
    modes: [],
    done: 0,
    total: 1,
    subject: "run r1",
    ...fields,
  });

const BAD = [
  { mode: FailureMode.VALIDATION, count: 48 },
  { mode: FailureMode.HANDLER_BUG, count: 10 },
];
const MIXED = [...BAD, { mode: FailureMode.TIMEOUT, count: 3 }];
const PARTIAL = { mode: FailureMode.PARTIAL_STEP_FAILURES };

test("what is to be mended comes first, with what a retry alone would and would not change", () => {
  const all = ask({ ...PARTIAL, modes: BAD, done: 98, total: 100 });
  expect(all.reason).toBe("VALIDATION and HANDLER_BUG do not go away by themselves");
  expect(all.hint).toBe(
    "Mend what caused VALIDATION (48) and HANDLER_BUG (10), then retry the failed parts of run r1: a retry alone would fail in the same way.",
  );
  expect(ask({ ...PARTIAL, modes: MIXED, done: 98, total: 100 }).hint).toBe(
    "Mend first what caused VALIDATION and HANDLER_BUG: a retry alone changes nothing for 48 with VALIDATION and 10 with HANDLER_BUG, and may help 3 with TIMEOUT. Retry only what failed of run r1; the rest is kept.",
  );
});

describe("the first row that holds decides", () => {
  const { ABORT, MANUAL, RETRY_ALL, RETRY_FAILED, RETRY_FROM_CHECKPOINT } = RecoveryStrategy;
  const rows: readonly [string, Partial<RecoveryQuestion>, RecoveryStrategy][] = [
    ["not undone", { notUndone: ["pay"], done: 1 }, MANUAL],
    ["not undone and cancelled", { notUndone: ["pay"], cancelled: true }, MANUAL],
    ["undone", { undone: ["pay"], done: 0, total: 2 }, RETRY_ALL],
    ["undone and cancelled", { undone: ["pay"], cancelled: true }, ABORT],
    ["cancelled", { cancelled: true, mode: FailureMode.POLICY_SECURITY }, ABORT],
    ["nothing failed", { mode: FailureMode.UNSPECIFIED, done: 1 }, ABORT],
    ["a terminal mode", { mode: FailureMode.POLICY_SECURITY, done: 99, total: 100 }, MANUAL],
    ["a crash", { mode: FailureMode.SYSTEM_CRASH }, MANUAL],
    ["a spent budget", { mode: FailureMode.POLICY_BUDGET }, MANUAL],
    ["a mode that is not retryable", { mode: FailureMode.VALIDATION, done: 99, total: 100 }, MANUAL],
    ["modes of which none is retryable", { ...PARTIAL, modes: BAD, done: 98, total: 100 }, MANUAL],
    ["modes of which one is", { ...PARTIAL, modes: MIXED, done: 98, total: 100 }, RETRY_FAILED],
    ["a person's no", { rejected: "ok: rejected by ann", done: 98, total: 100 }, MANUAL],
    ["a person's no beside what may pass", { ...PARTIAL, modes: MIXED, rejected: "ok: no", done: 9 }, MANUAL],
    ["a person's no, and cancelled", { rejected: "ok: no", cancelled: true }, ABORT],
    ["all but nothing", { done: 1, total: 1 }, RETRY_FAILED],
    ["75 %", { done: 750, total: 1000 }, RETRY_FAILED],
    ["3 of 4", { done: 3, total: 4 }, RETRY_FAILED],
    ["74.9 %", { done: 749, total: 1000 }, RETRY_FROM_CHECKPOINT],
    ["74.9999 %", { done: 749_999, total: 1_000_000 }, RETRY_FROM_CHECKPOINT],
    ["25 %", { done: 250, total: 1000 }, RETRY_FROM_CHECKPOINT],
    ["1 of 4", { done: 1, total: 4 }, RETRY_FROM_CHECKPOINT],
    ["24.9 %", { done: 249, total: 1000 }, RETRY_ALL],
    ["nothing of one", { done: 0, total: 1 }, RETRY_ALL],
    ["nothing of nothing", { done: 0, total: 0 }, RETRY_ALL],
  ];
  test.each(rows)("%s", (_, question, strategy) => {
    const said = ask(question);
    expect(RecoveryStrategy[said.strategy]).toBe(RecoveryStrategy[strategy]);
    expect(said.recoverable).toBe(strategy >= RETRY_FAILED);
    expect(said.reason).not.toBe("");
    expect(said.hint).toMatch(/^[A-Z].*\.$/);
  });
});

test("the reason never rounds up to a row that did not hold", () => {
  expect(ask({ done: 749_999, total: 1_000_000 }).reason).toContain("74.9 %");
  expect(ask({ done: 249_999, total: 1_000_000 }).reason).toContain("24.9 %");
  expect(completionMilli(2, 3)).toBe(666);
  expect(completionMilli(0, 0)).toBe(0);
});

test("terminal modes among several are named in the hint, with their number", () => {
  const modes = [
    { mode: FailureMode.NETWORK, count: 5 },
    { mode: FailureMode.POLICY_SECURITY, count: 2 },
  ];
  const said = ask({ mode: FailureMode.PARTIAL_STEP_FAILURES, modes, done: 90, total: 100 });
  expect(said.strategy).toBe(RecoveryStrategy.RETRY_FAILED);
  expect(said.hint).toContain("2 with POLICY_SECURITY");
  expect(ask({ modes: modes.slice(0, 1) }).hint).not.toContain("forced");
});

test("a failure that nobody classified is recommended as what may pass, and named", () => {
  const alone = ask({ mode: FailureMode.UNCLASSIFIED });
  expect(alone.recoverable).toBe(true);
  expect(alone.reason).toContain("UNCLASSIFIED");
  expect(alone.hint).toContain("The failure is UNCLASSIFIED");
  const among = ask({
    mode: FailureMode.PARTIAL_STEP_FAILURES,
    modes: [
      { mode: FailureMode.UNCLASSIFIED, count: 3 },
      { mode: FailureMode.TIMEOUT, count: 1 },
    ],
  });
  expect(among.hint).toContain("3 of the failures are UNCLASSIFIED");
  expect(ask({ mode: FailureMode.TIMEOUT }).hint).not.toContain("UNCLASSIFIED");
});

test("what was undone is said to run again, and what could not be is named", () => {
  expect(ask({ undone: ["pay", "book"] }).hint).toContain("What was undone (pay, book) runs again");
  expect(ask({ undone: ["pay"], cancelled: true }).hint).toMatch(/ Undone: pay\.$/);
  const said = ask({ notUndone: ["pay"], undone: ["book"] });
  expect([said.reason, said.recoverable]).toEqual(["could not be undone: pay", false]);
  expect(said.hint).toMatch(/what pay of run r1 did.*RETRY_ALL does it again\. What was undone \(book\)/);
  expect(ask({ notUndone: ["pay"], cancelled: true }).hint).toContain("nothing is to be retried");
});
