/** Actions that are runs of other workflows, against the real engine in memory. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FailureMode, RunStatus, type Usage } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  ActionError,
  type AnyWorkflow,
  createWorker,
  type Holdfast,
  typed,
  type Worker,
  workflow,
} from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";
import type { WorkflowOutput } from "./workflow/workflow.js";

let cluster: TestCluster;
let holdfast: Holdfast;
let worker: Worker | undefined;

beforeEach(async () => {
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
});

afterEach(async () => {
  await worker?.stop();
  worker = undefined;
  await cluster.close();
});

const lineOf = typed<{ id: string; n: number }>();
const ship = workflow("ship", { input: lineOf }).action("pack", ({ input }) => ({
  parcel: `${input.id}/${input.n}`,
}));
const rows = workflow("rows", { input: typed<number[]>() }).forEach("load", { items: "" }, ({ item }) => {
  if (item === 2) throw new ActionError("NOT_FOUND", "no such row");
  return item;
});

const order = workflow("order", { input: typed<{ line: { id: string; n: number }; rows: number[] }>() })
  .child("shipped", { workflow: ship, input: "line" })
  .child("loaded", { workflow: rows, input: "/rows" })
  .action("done", { after: ["shipped", "loaded"] }, ({ shipped }) => shipped.parcel);

describe("a child run", () => {
  it("gives what comes after it its output, of the type that it has", async () => {
    expectTypeOf<WorkflowOutput<typeof order>>().toEqualTypeOf<string>();
    worker = await createWorker({ connection: holdfast, workflows: [ship, rows, order], stopTimeout: 50 });
    const run = await holdfast.start(order, { line: { id: "o-1", n: 3 }, rows: [1, 3] });
    expect(await run.result()).toBe("o-1/3");
    const view = await holdfast.get(run.runId);
    const child = view.actions[0]?.child;
    expect(child).toMatchObject({ workflow: "ship", status: RunStatus.COMPLETED });
    expect((await holdfast.get(child?.runId ?? "")).parent).toMatchObject({
      runId: run.runId,
      action: "shipped",
    });
  });

  it("that failed in part leaves its parent completed with failures, and shows what it has", async () => {
    worker = await createWorker({ connection: holdfast, workflows: [ship, rows, order], stopTimeout: 50 });
    const run = await holdfast.start(order, { line: { id: "o-1", n: 3 }, rows: [1, 2, 3] });
    const ended = await holdfast.wait(run.runId);
    expect(ended.status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    const loaded = (await holdfast.get(run.runId)).actions[1];
    expect(loaded?.child).toMatchObject({ items: { succeeded: 2, failed: 1 }, tally: { partial: 1 } });
    expect(loaded?.failure?.mode).toBe(FailureMode.NOT_FOUND);
  });

  it("gets an action's output, or a part of it", async () => {
    const flow = workflow("flow", { input: typed<string>() })
      .action("plan", ({ input }) => ({ lines: [{ id: input, n: 1 }] }))
      .child("shipped", { workflow: ship, outputOf: { action: "plan", path: "lines.0" } })
      .action("done", { after: ["shipped"] }, ({ shipped }) => shipped.parcel);
    worker = await createWorker({ connection: holdfast, workflows: [ship, flow], stopTimeout: 50 });
    expect(await (await holdfast.start(flow, "x")).result()).toBe("x/1");
  });

  it("of a workflow that is known by name alone is typed as unknown, and fails where nobody has it", async () => {
    const flow = workflow("flow").child("sub", { workflow: "elsewhere" });
    expectTypeOf<WorkflowOutput<typeof flow>>().toBeUnknown();
    const ended = await holdfast.wait((await holdfast.start(flow, null)).runId);
    expect(ended.status).toBe(RunStatus.FAILED);
    expect(ended.failure).toMatchObject({ mode: FailureMode.NOT_FOUND });
    expect(ended.failure?.message).toContain('workflow "elsewhere" is not registered');
  });

  it("is cancelled with its parent", async () => {
    const sleeper = workflow("sleeper").sleep("long", { for: "1h" });
    const flow = workflow("flow").child("sub", { workflow: sleeper });
    worker = await createWorker({ connection: holdfast, workflows: [sleeper, flow], stopTimeout: 50 });
    const run = await holdfast.start(flow, null);
    await vi.waitFor(
      async () => {
        const child = (await holdfast.get(run.runId)).actions[0]?.child?.runId ?? "";
        expect((await holdfast.get(child)).summary?.status).toBe(RunStatus.RUNNING);
      },
      { timeout: 60_000 },
    );
    await holdfast.cancel(run.runId, { reason: "enough" });
    const child = (await holdfast.get(run.runId)).actions[0]?.child?.runId ?? "";
    await vi.waitFor(
      async () => expect((await holdfast.get(child)).summary).toMatchObject({ status: RunStatus.CANCELLED }),
      { timeout: 60_000 },
    );
  });
});

describe("what a child takes, spends and is given", () => {
  it("is limited by startToClose: its action has failed with TIMEOUT, and the child is cancelled", async () => {
    const sleeper = workflow("sleeper").sleep("long", { for: "1d" });
    const flow = workflow("flow").child("sub", { workflow: sleeper, startToClose: "2h" });
    worker = await createWorker({ connection: holdfast, workflows: [sleeper, flow], stopTimeout: 50 });
    const began = cluster.now().getTime();
    const { status, view } = await cluster.run(flow, null);
    expect(status).toBe("FAILED");
    const hours = (cluster.now().getTime() - began) / 3_600_000;
    expect(Math.floor(hours)).toBe(2);
    expect(view.actions[0]?.failure).toMatchObject({ mode: FailureMode.TIMEOUT });
    const child = view.actions[0]?.child?.runId ?? "";
    expect(view.actions[0]?.detail).toContain(
      `run ${child} of sleeper did not end within 2 h, and is cancelled`,
    );
    await vi.waitFor(
      async () => expect((await holdfast.get(child)).summary).toMatchObject({ status: RunStatus.CANCELLED }),
      { timeout: 60_000 },
    );
  });

  it("is summed on its parent, and said apart", async () => {
    const asks = workflow("asks").action("ask", (_args, ctx) => {
      ctx.usage({ tokens: 7 });
      return "asked";
    });
    const flow = workflow("flow")
      .child("sub", { workflow: asks })
      .action("own", { after: ["sub"] }, (_args, ctx) => {
        ctx.usage({ tokens: 2 });
        return "told";
      });
    worker = await createWorker({ connection: holdfast, workflows: [asks, flow], stopTimeout: 50 });
    const { view } = await cluster.run(flow, null);
    const tokens = (usage: Usage | undefined): bigint | undefined => usage?.counts[0]?.amountMicro;
    const { usage, actions } = view;
    const all = [usage, actions[0]?.usage, actions[0]?.child?.usage, actions[1]?.usage].map(tokens);
    expect(all).toEqual([9_000_000n, 7_000_000n, 7_000_000n, 2_000_000n]);
  });

  it.each<[string, { input?: string; outputOf?: { action: "plan" } }, unknown]>([
    ["the whole input", {}, { id: "x", n: "three" }],
    ["a part of it", { input: "line" }, { line: { id: "x", n: "three" } }],
    ["an output", { outputOf: { action: "plan" } }, { id: "x", n: "three" }],
  ])("must fit its workflow's schema, else it is not begun: %s", async (_what, options, input) => {
    const n = { type: "number" };
    const strict = workflow("strict", {
      input: {
        jsonSchema: { type: "object", properties: { id: { type: "string" }, n }, required: ["id", "n"] },
      },
    }).action("pack", () => "packed");
    const flow = workflow("flow", { input: typed<unknown>() })
      .action("plan", ({ input: given }) => given)
      .child("sub", { workflow: strict, after: ["plan"], ...options });
    worker = await createWorker({ connection: holdfast, workflows: [strict, flow], stopTimeout: 50 });
    const wrong = await cluster.run(flow, input);
    expect(wrong.status).toBe("FAILED");
    expect(wrong.view.actions[1]?.failure).toMatchObject({ mode: FailureMode.VALIDATION });
    expect(wrong.detail).toMatch(
      /the input that action sub gives does not match the schema of workflow "strict": .*n.* must be number/,
    );
    expect((await holdfast.list({ workflow: "strict" })).runs).toEqual([]);
    const right = JSON.parse(JSON.stringify(input).replace('"three"', "3")) as unknown;
    expect((await cluster.run(flow, right)).status).toBe("COMPLETED");
  });
});

describe("a child run is refused where it is declared", () => {
  it.each([
    ["without a workflow", {}, /give the workflow/],
    ["with a bad name", { workflow: "a*" }, /workflow name "a\*" is not valid/],
    ["pinned by name", { workflow: "a", pinned: true }, /only a workflow can be pinned/],
    ["with two inputs", { workflow: "a", input: "", outputOf: { action: "b" } }, /not both/],
    ["with the output of nobody", { workflow: "a", outputOf: { action: "b" } }, /does not have/],
  ])("%s", (_what, options, why) => {
    expect(() => workflow("flow").child("sub", options as never).definition).toThrow(why);
  });

  it("with the output of an action over items", () => {
    const flow = workflow("flow", { input: typed<number[]>() }).forEach(
      "each",
      { items: "" },
      ({ item }) => item,
    );
    const options = { workflow: "a", outputOf: { action: "each" } };
    expect(() => flow.child("sub", options as never).definition).toThrow(/which is over items/);
  });
});

it("is declared as the documentation says, and does what that says", async () => {
  const page = await readFile(new URL("../../../docs/children.md", import.meta.url), "utf8");
  const sample = /```ts\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
  const folder = await mkdtemp(join(import.meta.dirname, ".children-"));
  try {
    const file = join(folder, "sample.ts");
    await writeFile(
      file,
      `import { typed, workflow } from "../index.js";\n${sample}\nexport const all = [load, nightly];\n`,
    );
    const { all } = (await import(file)) as { all: AnyWorkflow[] };
    worker = await createWorker({ connection: holdfast, workflows: all, stopTimeout: 50 });
    const run = await holdfast.start("nightly", { rows: [1, 2] });
    expect(await run.result()).toBe("told");
    expect((await holdfast.get(run.runId)).actions[0]?.child?.items).toMatchObject({
      total: 2,
      succeeded: 2,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("is pinned to the workflow that was given", () => {
  const flow = workflow("flow").child("sub", { workflow: ship, pinned: true });
  expect(flow.definition.actions[0]?.child?.definitionHash).toBe(ship.hash);
  expect(workflow("flow").child("sub", { workflow: ship }).definition.actions[0]?.child?.definitionHash).toBe(
    "",
  );
});
