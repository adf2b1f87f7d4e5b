/** Recovery handlers, told as stories of one run. */
import {
  type ActionDefinition,
  FailureMode,
  ItemStatus,
  RecoveryStrategy,
  RunStatus,
  type TaskReport,
} from "@holdfast/proto";
import type { Init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { checkRun } from "../check/check-run.js";
import { MESSAGE_LIMIT_CHARS } from "../failure/classify.js";
import {
  action,
  cancel,
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
  tolerateCount,
  UNDO,
  workflow,
} from "../testing/build.js";
import { usage } from "../testing/guardrail-moves.js";
import { TestPartition } from "../testing/partition.js";
import { usedOf } from "../policy/usage.js";
import { runKey } from "../state/tables.js";

const TWICE = retryPolicy({ maxAttempts: 2, initialBackoffMs: 100, jitterMilli: 0 });

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

function begin(fields: Init<ActionDefinition> = {}): void {
  const load = action("load", { retry: TWICE, recover: true, ...fields });
  partition.send(define(workflow("w", [load, action("next", { after: ["load"] })])));
  partition.send(start("r", "w"));
}

function beginItems(count: number, fields: Init<ActionDefinition> = {}): void {
  const rows = action("rows", { forEach: overInput("", 10), retry: ONE_ATTEMPT, recover: true, ...fields });
  const mail = action("mail", { forEach: overItemsOf("rows", 10), retry: ONE_ATTEMPT });
  partition.send(define(workflow("w", [rows, mail])));
  partition.send(start("r", "w"));
  partition.load(
    "r",
    "rows",
    Array.from({ length: count }, (_, i) => json({ i })),
  );
}

const finish = (name: string, outcome: TaskReport["outcome"], item?: number) =>
  partition.finish("r", name, outcome, item);
const open = (): (readonly [number, number])[] =>
  [...partition.open.values()].map(({ item, attempt }) => [item, attempt] as const);
const sound = (): void => {
  const run = partition.view.get(runKey("r"));
  if (run === undefined) throw new Error("there is no run");
  expect(checkRun(partition.view, "r", run, partition.planOf("r")).breaches).toEqual([]);
};

describe("a recovery of an action", () => {
  test("is one attempt more once the policy allows none, and its value is the action's", () => {
    begin();
    finish("load", failed(FailureMode.NETWORK, "bank away"));
    partition.pass(200);
    finish("load", failed(FailureMode.NETWORK, "bank still away"));
    expect(partition.inFlight("r")).toEqual(["load"]);
    expect(partition.action("r", "load")).toMatchObject({
      attempt: 3,
      failure: undefined,
      detail: { text: "recovering from NETWORK: bank still away" },
      recover: { original: { message: "bank still away", attempt: 2 } },
    });
    finish("load", succeeded("from the cache"));
    expect(partition.status("r", "load")).toBe("COMPLETED");
    expect(partition.action("r", "load").detail?.text).toBe("recovered from NETWORK: bank still away");
    finish("next", succeeded());
    expect(partition.run("r").status).toBe(RunStatus.COMPLETED);
    sound();
  });

  test("that fails, too, leaves both reasons in the mode of the first, and is not tried again", () => {
    begin({ failureMessage: "could not load" });
    finish("load", failed(FailureMode.VALIDATION, "no such row"));
    finish("load", failed(FailureMode.NETWORK, "cache away"));
    expect(partition.open.size).toBe(0);
    const { failure, recover, detail } = partition.action("r", "load");
    expect(failure).toMatchObject({
      mode: FailureMode.VALIDATION,
      message: "no such row; recovery failed: cache away",
    });
    // The worker bound no message: the fold does.
    expect(detail?.text).toBe("VALIDATION: could not load; recovery failed: cache away");
    expect(recover).toMatchObject({
      original: { mode: FailureMode.VALIDATION, message: "no such row" },
      failed: { mode: FailureMode.NETWORK, message: "cache away" },
    });
    expect(partition.run("r").failure?.message).toContain("recovery failed");
    expect(partition.status("r", "next")).toBe("SKIPPED");
    sound();
  });

  test("keeps both texts within the limit, however long they are", () => {
    begin();
    finish("load", failed(FailureMode.VALIDATION, "a".repeat(5_000)));
    finish("load", failed(FailureMode.VALIDATION, "b".repeat(5_000)));
    const { failure, recover } = partition.action("r", "load");
    expect(failure?.message).toMatch(/^a{2000,}…; recovery failed: b{2000,}…$/);
    expect(failure?.message.length).toBeLessThanOrEqual(MESSAGE_LIMIT_CHARS);
    expect(recover?.original?.message).toHaveLength(MESSAGE_LIMIT_CHARS);
    expect(recover?.failed?.message).toHaveLength(MESSAGE_LIMIT_CHARS);
  });

  test("is not tried where the attempt obeyed a cancel", () => {
    begin();
    finish("load", failed(FailureMode.CANCELLED, "stopped"));
    expect(partition.status("r", "load")).toBe("FAILED");
    expect(partition.action("r", "load").recover).toBeUndefined();
  });

  test("ends with a cancel, and what it was for is not lost", () => {
    begin();
    finish("load", failed(FailureMode.VALIDATION, "no such row"));
    partition.control(cancel("r", "not wanted"));
    expect(partition.run("r").status).toBe(RunStatus.CANCELLED);
    expect(partition.action("r", "load").detail?.text).toBe(
      "cancelled: not wanted; it was recovering from VALIDATION: no such row",
    );
    expect(partition.open.size).toBe(0);
    sound();
  });

  test.each([
    ["well", succeeded("saved"), "COMPLETED", "recovered from VALIDATION: no such row"],
    [
      "badly",
      failed(FailureMode.NETWORK, "away"),
      "CANCELLED",
      "cancelled: no longer wanted; it was recovering from VALIDATION: no such row; its last attempt failed: NETWORK: away",
    ],
  ])("within the grace of a cancel may end %s", (_, outcome, status, detail) => {
    begin();
    finish("load", failed(FailureMode.VALIDATION, "no such row"));
    partition.control(cancel("r", "no longer wanted", 5_000));
    finish("load", outcome);
    expect(partition.status("r", "load")).toBe(status);
    expect(partition.action("r", "load").detail?.text).toBe(detail);
    sound();
  });

  test.each([RecoveryStrategy.RETRY_FAILED, RecoveryStrategy.RETRY_ALL])(
    "is forgotten by a fresh generation (%s), and may be tried again in it",
    (strategy) => {
      begin({ retry: ONE_ATTEMPT });
      finish("load", failed(FailureMode.VALIDATION, "no such row"));
      finish("load", failed(FailureMode.NETWORK, "cache away"));
      partition.control(retry("r", { strategy }));
      expect(partition.action("r", "load")).toMatchObject({ attempt: 3, attemptBase: 2, recover: undefined });
      finish("load", failed(FailureMode.NETWORK, "bank away"));
      expect(partition.action("r", "load").recover?.original?.message).toBe("bank away");
      finish("load", succeeded());
      finish("next", succeeded());
      expect(partition.run("r").status).toBe(RunStatus.COMPLETED);
      sound();
    },
  );

  test("can be undone as what it did in place of the handler", () => {
    const load = action("load", { retry: ONE_ATTEMPT, recover: true, undo: UNDO });
    partition.send(define(workflow("w", [load, action("next", { after: ["load"], retry: ONE_ATTEMPT })])));
    partition.send(start("r", "w"));
    finish("load", failed(FailureMode.VALIDATION, "no such row"));
    finish("load", succeeded("saved"));
    finish("next", failed(FailureMode.VALIDATION, "no"));
    expect(partition.inFlight("r")).toEqual(["load"]);
    finish("load", succeeded());
    expect(partition.run("r").detail?.text).toBe("next: no; undone: load");
    expect(partition.action("r", "load").detail?.text).toBe("recovered from VALIDATION: no such row");
  });
});

describe("a recovery of an item", () => {
  test("is its next attempt in the same place, and its success flows on", () => {
    beginItems(3);
    finish("rows", succeeded("a"), 0);
    finish("rows", failed(FailureMode.VALIDATION, "odd"), 1);
    expect(partition.itemStatus("r", "rows", 1)).toBe(ItemStatus.RUNNING);
    expect(open()).toEqual([
      [2, 1],
      [1, 2],
    ]);
    finish("rows", succeeded("mended"), 1);
    expect(partition.itemRecord("r", "rows", 1)).toMatchObject({
      failure: undefined,
      detail: { text: "recovered from VALIDATION: odd" },
    });
    finish("rows", failed(FailureMode.NETWORK, "away"), 2);
    finish("rows", skipped("not needed"), 2);
    expect(partition.itemStatus("r", "rows", 2)).toBe(ItemStatus.SKIPPED);
    expect(partition.itemRecord("r", "rows", 2)?.detail?.text).toBe(
      "recovered from NETWORK: away; not needed",
    );
    expect(partition.status("r", "rows")).toBe("COMPLETED");
    expect(partition.inFlight("r")).toEqual(["mail#0", "mail#1"]);
    sound();
  });

  test("that fails leaves both reasons; the retried item may be recovered again, and heals its dependants", () => {
    beginItems(2);
    finish("rows", succeeded("a"), 0);
    finish("rows", failed(FailureMode.VALIDATION, "odd"), 1);
    finish("rows", failed(FailureMode.NETWORK, "away"), 1);
    expect(partition.itemRecord("r", "rows", 1)?.failure).toMatchObject({
      mode: FailureMode.VALIDATION,
      message: "odd; recovery failed: away",
    });
    expect(partition.action("r", "rows").items?.modes).toMatchObject([
      { mode: FailureMode.VALIDATION, count: 1 },
    ]);
    finish("mail", succeeded(), 0);
    expect(partition.run("r").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    partition.control(retry("r"));
    expect(partition.itemRecord("r", "rows", 1)?.recover).toBeUndefined();
    finish("rows", failed(FailureMode.VALIDATION, "still odd"), 1);
    finish("rows", succeeded("mended"), 1);
    expect(partition.inFlight("r")).toEqual(["mail#1"]);
    finish("mail", succeeded(), 1);
    expect(partition.run("r").status).toBe(RunStatus.COMPLETED);
    sound();
  });

  test("ends with its action where that bears no more failures", () => {
    beginItems(2, { tolerate: tolerateCount(0) });
    finish("rows", failed(FailureMode.VALIDATION, "odd"), 0);
    finish("rows", failed(FailureMode.VALIDATION, "odd"), 1);
    finish("rows", failed(FailureMode.NETWORK, "away"), 0);
    expect(partition.status("r", "rows")).toBe("FAILED");
    expect(partition.itemStatus("r", "rows", 1)).toBe(ItemStatus.CANCELLED);
    expect(partition.itemRecord("r", "rows", 1)?.detail?.text).toMatch(
      /; it was recovering from VALIDATION: odd$/,
    );
    expect(partition.open.size).toBe(0);
    sound();
  });
});

test("what attempts and their recoveries spent is summed, over generations, on action and run", () => {
  begin({ retry: ONE_ATTEMPT });
  const spend = (outcome: TaskReport["outcome"], tokens: bigint): void => {
    partition.finish("r", "load", outcome, undefined, { usage: usage({ tokens }) });
  };
  spend(failed(FailureMode.VALIDATION, "no"), 100n);
  spend(failed(FailureMode.NETWORK, "away"), 20n);
  partition.control(retry("r", { strategy: RecoveryStrategy.RETRY_ALL }));
  spend(succeeded(), 3n);
  expect(usedOf(partition.action("r", "load").usage?.counts ?? [], "tokens")).toBe(123n);
  expect(usedOf(partition.run("r").usage?.counts ?? [], "tokens")).toBe(123n);
});
