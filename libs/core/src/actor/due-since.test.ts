/** Since when work is due: from state, by the log's time, and later only where something of the action moved. */
import {
  type Command,
  FailureMode,
  PauseRunSchema,
  PauseWorkflowSchema,
  ResumeRunSchema,
  ResumeWorkflowSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import {
  action,
  batch,
  define,
  failed,
  json,
  ONE_ATTEMPT,
  overInput,
  retryPolicy,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { TestPartition } from "../testing/partition.js";
import { dueSinceNs } from "./due-since.js";

const SECOND = 1_000_000_000n;
const MINUTE = 60n * SECOND;

let at: TestPartition;
/** A minute of the log; what it is then. */
const pass = (): bigint => (at.nowNs += MINUTE);
const since = (index = 0): bigint => dueSinceNs(at.view, at.run("r"), index);
const ago = (index = 0): bigint => (at.nowNs - since(index)) / SECOND;
const control = (kind: Command["kind"]) => at.control(kind);

beforeEach(() => {
  at = new TestPartition();
  at.announce();
  const retry = retryPolicy({ maxAttempts: 3, initialBackoffMs: 1_000, maxBackoffMs: 1_000, jitterMilli: 0 });
  const two = [
    action("first", { retry }),
    action("items", { after: ["first"], forEach: overInput("", 2), retry: ONE_ATTEMPT }),
  ];
  at.append(batch([define(workflow("w", two))]));
  at.send(start("r", "w"));
});

test("it is when its action started, and nothing is kept for that", () => {
  const begun = since();
  expect([begun > 0n, at.run("r").actions[0]?.movedAtNs]).toEqual([true, 0n]);
  expect(since(1)).toBe(0n);
  pass();
  expect(since()).toBe(begun);
});

test("another attempt, from when it is let out", () => {
  pass();
  at.finish("r", "first", failed(FailureMode.NETWORK));
  at.pass(1_000);
  expect(ago()).toBe(0n);
  pass();
  expect(ago()).toBe(60n);
});

test("items: as long as any of them ends, the action moves", () => {
  at.finish("r", "first", succeeded());
  at.load("r", "items", [json(1), json(2), json(3)]);
  pass();
  expect(ago(1) >= 60n).toBe(true);
  at.finish("r", "items", succeeded(), 0);
  expect(ago(1) < 5n).toBe(true);
  pass();
  // None is left to be let out for this one.
  at.finish("r", "items", succeeded(), 1);
  expect(ago(1) < 5n).toBe(true);
});

test("a run, and a workflow, that was resumed: from then on", () => {
  pass();
  control({ case: "pauseRun", value: init(PauseRunSchema, { runId: "r" }) });
  pass();
  expect(ago() >= 120n).toBe(true);
  control({ case: "resumeRun", value: init(ResumeRunSchema, { runId: "r" }) });
  expect(ago() < 5n).toBe(true);
  pass();
  control({ case: "pauseWorkflow", value: init(PauseWorkflowSchema, { workflow: "w" }) });
  pass();
  expect(ago() >= 120n).toBe(true);
  control({ case: "resumeWorkflow", value: init(ResumeWorkflowSchema, { workflow: "w" }) });
  expect(ago() < 5n).toBe(true);
});

test("what an owner is told as it happens is never later than what state says", () => {
  at.finish("r", "first", succeeded());
  at.load("r", "items", [json(1), json(2), json(3)]);
  pass();
  at.finish("r", "items", succeeded(), 0);
  const told = at.effects.flatMap((effect) => (effect.kind === "dispatch" ? [effect.task] : []));
  expect(told.length).toBeGreaterThan(0);
  for (const task of told) expect(task.sinceNs <= since(task.action) && task.sinceNs > 0n).toBe(true);
});
