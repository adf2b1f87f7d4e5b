/** Whatever a handler does, its run shows it, and nothing else is disturbed. On a real server, node and worker. */
import {
  ActionStatus,
  Effect,
  FailureMode,
  ItemStatus,
  RunStatus,
  type RunView,
  Source,
} from "@holdfast/proto";
import { ActionError, createWorker, type Holdfast, typed, workflow } from "@holdfast/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allItems, ledgerProblems, viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { pause, until, within } from "../support/wait.js";

const once = { retry: { maxAttempts: 1 } } as const;
const never = (): Promise<never> => new Promise<never>(() => undefined);

const attempts: { readonly run: string; readonly atMs: number }[] = [];
const aborted: string[] = [];

const retrying = workflow("retrying", { input: typed<{ failures: number }>() }).action(
  "try",
  { retry: { maxAttempts: 4, initialBackoff: "100ms", factor: 2, jitter: 0 } },
  ({ input }, ctx) => {
    attempts.push({ run: ctx.runId, atMs: performance.now() });
    if (ctx.attempt <= input.failures) throw new ActionError("NETWORK", `try ${ctx.attempt} failed`);
    return ctx.attempt;
  },
);

const cycle: Record<string, unknown> = {};
cycle["self"] = cycle;

/** What handlers do that they should not, by name. */
const misdeeds: Readonly<Record<string, () => unknown>> = {
  string: () => {
    throw "just a string";
  },
  null: () => {
    throw null;
  },
  object: () => {
    throw { reason: "no Error" };
  },
  bug: () => (undefined as unknown as { x: { y: number } }).x.y,
  rejects: () => Promise.reject(new Error("")),
  bigint: () => ({ amount: 12n }),
  cycle: () => cycle,
  toJson: () => ({
    toJSON: () => {
      throw new Error("will not be JSON");
    },
  }),
  function: () => () => 1,
  large: () => "x".repeat(65 * 1024 * 1024),
  hugeError: () => {
    throw new Error("e".repeat(3_000_000));
  },
};
const misbehaving = workflow("misbehaving", { input: typed<string>() }).action("do", once, ({ input }) =>
  misdeeds[input]?.(),
);

const hanging = workflow("hanging").action("hang", { ...once, startToClose: "300ms" }, async (_args, ctx) => {
  ctx.signal.addEventListener("abort", () => aborted.push(ctx.runId));
  return never();
});

const slow = workflow("slow", { input: typed<{ rows: number[] }>() }).forEach(
  "row",
  { items: "rows", ...once },
  async ({ item }, ctx) => {
    if (item < 17) return item;
    ctx.signal.addEventListener("abort", () => aborted.push(`${ctx.runId}/${item}`));
    await new Promise((_, reject) => {
      ctx.signal.addEventListener("abort", () => reject(new Error("stopped")));
    });
    return item;
  },
);

const strict = workflow("strict", { input: typed<{ rows: number[] }>() })
  .forEach("row", { items: "rows", window: 5, tolerate: { count: 2 }, ...once }, async ({ item }) => {
    await pause(5);
    if (item % 2 === 1) throw new ActionError("VALIDATION", `row ${item} is odd`);
    return item;
  })
  .action("after", { after: ["row"] }, () => "never");

const quiet = workflow("quiet", { input: typed<{ how: "silent" | "reason" }>() }).action(
  "nothing",
  ({ input }, ctx) => (input.how === "reason" ? ctx.noEffect("all is as it should be") : undefined),
);

const sieve = workflow("sieve", { input: typed<{ rows: number[] }>() })
  .forEach("keep", { items: "rows" }, ({ item }, ctx) =>
    item % 2 === 0 ? item : ctx.skip("odd ones are left out"),
  )
  .forEach("use", { itemsOf: "keep" }, ({ item }) => item)
  .action("sum", { after: ["use"] }, ({ use }) => use.reduce((sum, each) => sum + each, 0));

const large = workflow("large", { input: typed<{ bytes: number }>() })
  .action("make", ({ input }) => "y".repeat(input.bytes))
  .action("measure", { after: ["make"] }, ({ make }) => make.length);

let system: System;
let client: Holdfast;

beforeAll(async () => {
  system = await System.start();
  client = await system.connect();
  const connection = await system.connect("worker");
  const worker = await createWorker({
    connection,
    workflows: [retrying, misbehaving, hanging, slow, strict, quiet, sieve, large],
    stopTimeout: "100ms",
  });
  system.onStop(async () => {
    await worker.stop();
  });
});
afterAll(() => system.stop());

async function viewAfter(runId: string): Promise<RunView> {
  await within(`run ${runId} to end`, client.wait(runId));
  const view = await client.get(runId);
  expect(viewProblems(view)).toEqual([]);
  return view;
}

describe("retries", () => {
  test("come with growing pauses, and the run completes", async () => {
    const run = await client.start(retrying, { failures: 3 }, { runId: "retried" });
    expect(await within("its end", run.result())).toBe(4);
    const times = attempts.filter(({ run: of }) => of === "retried").map(({ atMs }) => atMs);
    const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    for (const [index, least] of [100, 200, 400].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(least - 2);
      expect(pauses[index]).toBeLessThan(least + 500);
    }
    const { events } = await viewAfter("retried");
    const failed = events.filter(({ type }) => type === "attempt_failed");
    expect(failed.map(({ detail }) => detail)).toEqual(
      [1, 2, 3].map((n) => expect.stringContaining(`try ${n} failed`)),
    );
  });

  test("are given up when they are spent", async () => {
    await client.start(retrying, { failures: 9 }, { runId: "spent" });
    const view = await viewAfter("spent");
    expect(view.summary?.status).toBe(RunStatus.FAILED);
    expect(view.actions[0]).toMatchObject({ attempt: 4, status: ActionStatus.FAILED });
    expect(view.summary?.detail).toContain("try 4 failed");
  });
});

describe("a handler that", () => {
  test("never returns is timed out, says so, and hears of it", async () => {
    await client.start(hanging, null, { runId: "hung" });
    const view = await viewAfter("hung");
    expect(view.summary?.status).toBe(RunStatus.FAILED);
    expect(view.actions[0]?.failure).toMatchObject({ mode: FailureMode.TIMEOUT });
    expect(view.actions[0]?.detail).toContain("300 ms");
    expect(aborted).toContain("hung");
  });

  test.each([
    ["string", FailureMode.HANDLER_BUG, /just a string/],
    ["null", FailureMode.HANDLER_BUG, /threw a null/],
    ["object", FailureMode.HANDLER_BUG, /no Error/],
    ["bug", FailureMode.HANDLER_BUG, /undefined/],
    ["rejects", FailureMode.UNCLASSIFIED, /Error without a message/],
    ["bigint", FailureMode.HANDLER_BUG, /amount/],
    ["cycle", FailureMode.HANDLER_BUG, /self/],
    ["toJson", FailureMode.HANDLER_BUG, /will not be JSON/],
    ["function", FailureMode.HANDLER_BUG, /function/],
    ["large", FailureMode.HANDLER_BUG, /67,?108,?864|64 MiB/],
    ["hugeError", FailureMode.UNCLASSIFIED, /^eeee/],
  ])("misbehaves (%s) fails its run with a clear reason, and nothing else", async (how, mode, message) => {
    const runId = `misdeed-${how}`;
    await client.start(misbehaving, how, { runId });
    const beside = await client.start(sieve, { rows: [1, 2, 3, 4] }, { runId: `beside-${how}` });
    const view = await viewAfter(runId);
    expect(view.summary?.status).toBe(RunStatus.FAILED);
    expect(view.actions[0]?.failure?.message).toMatch(message);
    expect(view.actions[0]?.failure).toMatchObject({ mode, source: Source.WORKER });
    expect(view.actions[0]?.failure?.message.length).toBeLessThan(5_000);
    expect(view.summary?.detail).not.toBe("");
    expect(await within("the run beside it", beside.result())).toBe(6);
  });

  test("gives much gives it by reference, and its dependant gets it whole", async () => {
    const run = await client.start(large, { bytes: 3_000_000 });
    expect(await within("its end", run.result())).toBe(3_000_000);
  });
});

test("cancelling aborts what runs, keeps what succeeded, and is final", async () => {
  const rows = Array.from({ length: 20 }, (_, row) => row);
  await client.start(slow, { rows }, { runId: "cancelled" });
  await until("17 to be done and 3 under way", async () => {
    const items = (await client.get("cancelled")).actions[0]?.items;
    return items?.succeeded === 17 && items.running === 3;
  });
  await client.cancel("cancelled", { reason: "changed our mind" });
  const view = await viewAfter("cancelled");
  expect(view.summary?.status).toBe(RunStatus.CANCELLED);
  expect(view.cancelReason).toContain("changed our mind");
  expect(view.actions[0]?.items).toMatchObject({ total: 20, succeeded: 17, cancelled: 3, failed: 0 });
  await until(
    "the handlers to hear of it",
    () => aborted.filter((of) => of.startsWith("cancelled/")).length === 3,
  );
  const items = await allItems(client, "cancelled", "row");
  expect(items.filter(({ status }) => status === ItemStatus.SUCCEEDED)).toHaveLength(17);
  await expect(client.cancel("cancelled")).rejects.toMatchObject({ code: "ALREADY_ENDED" });
  await expect(client.retry("cancelled")).rejects.toMatchObject({ code: "NOT_RECOVERABLE" });
});

test("beyond its tolerance an action fails fast: the rest is never begun", async () => {
  const rows = Array.from({ length: 400 }, (_, row) => row);
  await client.start(strict, { rows }, { runId: "strict" });
  const view = await viewAfter("strict");
  expect(view.summary?.status).toBe(RunStatus.FAILED);
  const [row, after] = view.actions;
  expect(row?.status).toBe(ActionStatus.FAILED);
  expect(after?.status).toBe(ActionStatus.SKIPPED);
  expect(after?.detail).toContain("upstream row failed");
  const counts = row?.items;
  expect(counts?.failed).toBe(3);
  expect(counts?.cancelled).toBeGreaterThan(350);
  if (counts !== undefined)
    expect(ledgerProblems("strict", await allItems(client, "strict", "row"), counts)).toEqual([]);
});

test("a run that did nothing says so: with its reason, or as a silent no-op", async () => {
  await client.start(quiet, { how: "reason" }, { runId: "quiet-reason" });
  await client.start(quiet, { how: "silent" }, { runId: "quiet-silent" });
  const reason = await viewAfter("quiet-reason");
  expect(reason.summary).toMatchObject({ status: RunStatus.COMPLETED, effect: Effect.NONE_WITH_REASON });
  expect(reason.summary?.detail).toContain("all is as it should be");
  const silent = await viewAfter("quiet-silent");
  expect(silent.summary).toMatchObject({ status: RunStatus.COMPLETED, effect: Effect.SILENT });
  const page = await client.list({ workflow: "quiet", effects: [Effect.SILENT] });
  expect(page.runs.map(({ runId }) => runId)).toEqual(["quiet-silent"]);
  expect((await client.counts("quiet")).total).toMatchObject({ noEffect: 1n, silentNoOp: 1n });
});

test("items that are skipped flow no further and are no failures", async () => {
  const run = await client.start(sieve, { rows: [1, 2, 3, 4, 5, 6] }, { runId: "sieved" });
  expect(await within("its end", run.result())).toBe(12);
  const view = await viewAfter("sieved");
  expect(view.summary?.status).toBe(RunStatus.COMPLETED);
  expect(view.actions[0]?.items).toMatchObject({ total: 6, succeeded: 3, skipped: 3 });
  const items = await allItems(client, "sieved", "keep");
  expect(items[0]).toMatchObject({ status: ItemStatus.SKIPPED, detail: "odd ones are left out" });
});

test("an action over no items at all completes", async () => {
  const run = await client.start(sieve, { rows: [] });
  expect(await within("its end", run.result())).toBe(0);
});

test("an input without the items fails the run and says where they should be", async () => {
  await client.start("sieve", { lines: [1] }, { runId: "no-rows" });
  const view = await viewAfter("no-rows");
  expect(view.summary?.status).toBe(RunStatus.FAILED);
  expect(view.summary?.detail).toContain("rows");
});
