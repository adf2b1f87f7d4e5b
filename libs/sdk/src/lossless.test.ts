/** What JSON would lose of a value is refused with its place, wherever a value goes in. */
import { FailureMode, ItemStatus } from "@holdfast/proto";
import { JSON_DEPTH_MAX } from "@holdfast/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createWorker, type Holdfast, jsonLines, typed, type Worker, workflow } from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";

let cluster: TestCluster;
let holdfast: Holdfast;
let worker: Worker | undefined;

beforeEach(async () => {
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
});

afterEach(async () => {
  await worker?.stop();
  await cluster.close();
});

const once = { retry: { maxAttempts: 1 } } as const;
const bad = (): unknown => ({ rows: [{ price: 1 }, { price: 2 }, { price: 3 }, { price: Number.NaN }] });

it("where a handler gives it: outputs, steps, items, handles and results of jobs", async () => {
  const flows = [
    workflow("output").action("act", once, () => bad()),
    workflow("step").action("act", once, (_, ctx) => ctx.step("load", bad)),
    workflow("recovered").action(
      "act",
      once,
      (): unknown => {
        throw new Error("no");
      },
      { recover: () => bad() },
    ),
    workflow("handle").batch("act", once, { submit: () => bad(), check: () => ({ done: true }) }),
    workflow("answer").batch("act", once, { submit: () => 1, check: () => ({ done: true, output: bad() }) }),
  ];
  worker = await createWorker({ connection: holdfast, workflows: flows });
  for (const flow of flows) {
    const { view } = await cluster.run(flow as never, null as never);
    const { failure } = view.actions[0] ?? {};
    expect([flow.name, failure?.mode === FailureMode.HANDLER_BUG || flow.name === "recovered"]).toEqual([
      flow.name,
      true,
    ]);
    expect(failure?.message).toMatch(/(output|result|handle)\.rows\[3\]\.price is NaN/);
  }
});

/** A level deeper than JSON may be. */
function deep(): unknown {
  let value: unknown = 1;
  for (let level = 0; level <= JSON_DEPTH_MAX; level++) value = { in: value };
  return value;
}

it("what is nested too deep, too: handlers' outputs, steps, job results and handles, and what clients give", async () => {
  const flows = [
    workflow("output").action("act", once, () => deep()),
    workflow("step").action("act", once, (_, ctx) => ctx.step("load", deep)),
    workflow("handle").batch("act", once, { submit: () => deep(), check: () => ({ done: true }) }),
    workflow("answer").batch("act", once, { submit: () => 1, check: () => ({ done: true, output: deep() }) }),
  ];
  worker = await createWorker({ connection: holdfast, workflows: flows });
  for (const flow of flows) {
    const { view } = await cluster.run(flow as never, null as never);
    const { failure } = view.actions[0] ?? {};
    expect([flow.name, failure?.mode]).toEqual([flow.name, FailureMode.HANDLER_BUG]);
    expect(failure?.message).toMatch(/(output|result|handle)….*\.in is nested more than 200 levels deep/);
    expect(failure?.message).not.toMatch(/call stack|RangeError/);
  }
  const flow = workflow("flow").action("act", () => 1);
  for (const call of [
    holdfast.start(flow, deep()),
    holdfast.signal("r", "paid", deep()),
    holdfast.schedules.create("s", { workflow: flow, cron: "@daily", input: deep() }),
    holdfast.putArtifact(jsonLines([1, deep()])),
  ])
    await expect(call).rejects.toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringMatching(/\.in is nested more than 200 levels deep/),
    });
});

it("a value that a schema can't follow to its end is refused with its place, not with what the stack says", async () => {
  interface Tree {
    readonly in?: Tree;
  }
  const follow = (value: Tree): void => {
    if (value.in !== undefined) follow(value.in);
  };
  const input = {
    "~standard": {
      version: 1 as const,
      vendor: "test",
      validate: (value: unknown) => {
        follow(value as Tree);
        return { value };
      },
    },
  };
  let endless: unknown = {};
  for (let level = 0; level < 100_000; level++) endless = { in: endless };
  const flow = workflow("flow", { input }).action("act", () => 1);
  await expect(holdfast.start(flow, endless)).rejects.toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringMatching(/\.in is nested more than 200 levels deep/),
  });
  const recursive = { jsonSchema: { type: "object", properties: { in: { $ref: "#" } } } };
  const byText = workflow("by-text", { input: recursive }).action("act", () => 1);
  await expect(holdfast.start(byText, endless as never)).rejects.toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringMatching(/\.in is nested more than 200 levels deep/),
  });
});

it("of one item that item fails, and no other", async () => {
  const flow = workflow("items", { input: typed<number[]>() }).forEach(
    "act",
    { items: "", ...once },
    ({ item }) => (item === 2 ? new Map([[1, 2]]) : item),
  );
  worker = await createWorker({ connection: holdfast, workflows: [flow] });
  const run = await cluster.run(flow, [1, 2, 3]);
  const { items } = await holdfast.items(run.runId, { action: "act", statuses: [ItemStatus.FAILED] });
  expect(items.map(({ index, failure }) => [index, failure?.mode, failure?.message])).toEqual([
    [1, FailureMode.HANDLER_BUG, expect.stringContaining("output is a Map")],
  ]);
});

it("where a client gives it: starts, signals, schedules, lines of artifacts", async () => {
  const flow = workflow("flow").action("act", () => 1);
  const given = [
    holdfast.start(flow, bad()),
    holdfast.signal("r", "paid", bad()),
    holdfast.schedules.create("s", { workflow: flow, cron: "@daily", input: bad() }),
    holdfast.putArtifact(jsonLines([1, bad()])),
  ];
  for (const [at, call] of given.entries()) {
    await expect(call).rejects.toMatchObject({
      name: "HoldfastError",
      code: "INVALID_INPUT",
      message: expect.stringMatching(/(input|payload|row)\.rows\[3\]\.price is NaN/),
    });
    expect(at).toBeLessThan(given.length);
  }
});
