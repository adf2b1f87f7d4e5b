/** Guardrails, recoveries, usage and children's time-outs as users write them. On a real server, node, worker and admin service. */
import { ActionStatus, FailureMode, RunStatus, type RunView, type Usage } from "@holdfast/proto";
import { ActionError, createWorker, type Holdfast, typed, type Worker, workflow } from "@holdfast/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { viewProblems } from "../support/run-rules.js";
import { type Admin, System } from "../support/system.js";
import { pause, until, within } from "../support/wait.js";

const ONCE = { retry: { maxAttempts: 1 } } as const;

const stopped: string[] = [];
const brief = workflow("brief", { guardrails: { maxDuration: "600ms" } })
  .action("long", { ...ONCE, startToClose: "1m" }, async (_args, ctx) => {
    await new Promise((resolve) => {
      ctx.signal.addEventListener("abort", resolve);
    });
    stopped.push(ctx.runId);
  })
  .action("after", { after: ["long"] }, () => "never");

const steppy = workflow("steppy", { input: typed<number>(), guardrails: { maxSteps: 3 } }).action(
  "walk",
  ONCE,
  async ({ input }, ctx) => {
    for (let i = 0; i < input; i++) await ctx.step(`step-${i}`, () => i);
    return input;
  },
);

const frugal = workflow("frugal", {
  input: typed<number[]>(),
  guardrails: { budgets: { tokens: 10 } },
}).forEach("ask", { items: "", window: 1, ...ONCE }, ({ item }, ctx) => {
  ctx.usage({ tokens: item });
  return item;
});

const circling = workflow("circling", {
  input: typed<string[]>(),
  guardrails: { stuckRevisitGap: 3 },
}).action("roam", { retry: { maxAttempts: 5, initialBackoff: 10 } }, async ({ input }, ctx) => {
  for (const place of input) {
    await pause(1);
    ctx.progress(place);
  }
  return "home";
});

const mended = workflow("mended", { input: typed<{ recovers: boolean }>() }).action(
  "load",
  { retry: { maxAttempts: 2, initialBackoff: 10, jitter: 0 } },
  (_args, ctx): string => {
    ctx.usage({ tokens: 5, cost_usd: 0.25 });
    throw new ActionError("NETWORK", "line cut");
  },
  {
    recover: ({ input }, error, ctx) => {
      ctx.usage({ tokens: 100 });
      if (input.recovers) return `mended ${error.mode}`;
      throw new ActionError("NOT_FOUND", "no copy either");
    },
  },
);

const lasting = workflow("lasting").action("wait", { ...ONCE, startToClose: "1m" }, async (_args, ctx) => {
  ctx.usage({ tokens: 3 });
  await new Promise((_, reject) => {
    ctx.signal.addEventListener("abort", () => reject(new Error("told to stop")));
  });
});
const quick = workflow("quick", { input: typed<number>() }).action("count", ({ input }, ctx) => {
  ctx.usage({ tokens: input });
  return input;
});
const parent = workflow("parent", { input: typed<number>() })
  .child("counted", { workflow: quick })
  .child("hurried", { workflow: lasting, startToClose: "800ms", optional: true });

let system: System;
let client: Holdfast;
let admin: Admin;
let worker: Worker;

beforeAll(async () => {
  system = await System.start();
  client = await system.connect();
  admin = await system.startAdmin();
  const workflows = [brief, steppy, frugal, circling, mended, lasting, quick, parent];
  worker = await createWorker({
    connection: await system.connect("worker"),
    workflows,
    stopTimeout: "100ms",
  });
  system.onStop(() => worker.stop().then(() => undefined));
});
afterAll(() => system.stop());

async function viewAfter(runId: string): Promise<RunView> {
  await within(`run ${runId} to end`, client.wait(runId));
  const { run } = await admin.call.getRun({ runId });
  if (run === undefined) throw new Error(`run ${runId} is not shown`);
  expect(viewProblems(run)).toEqual([]);
  return run;
}

const spent = (usage: Usage | undefined): Record<string, number> =>
  Object.fromEntries(
    (usage?.counts ?? []).map(({ name, amountMicro }) => [name, Number(amountMicro) / 1_000_000]),
  );

describe("a guardrail that is exceeded stops the run with POLICY_BUDGET and says which it was:", () => {
  test("max duration; the handler hears of it, and what comes after is skipped", async () => {
    await client.start(brief, null, { runId: "brief-1" });
    const view = await viewAfter("brief-1");
    expect(view.failure?.mode).toBe(FailureMode.POLICY_BUDGET);
    expect(view.summary?.detail).toMatch(
      /guardrail max_duration exceeded: it has run for .*, at most 600 ms/,
    );
    expect(view.actions.map(({ status }) => ActionStatus[status])).toEqual(["FAILED", "SKIPPED"]);
    expect(view.guardrails?.exceeded).toContain("max_duration");
    await until("the handler to be told", () => stopped.includes("brief-1"));
  });

  test("max steps; within them nothing happens", async () => {
    expect(await (await client.start(steppy, 3)).result()).toBe(3);
    await client.start(steppy, 4, { runId: "steps-4" });
    const view = await viewAfter("steps-4");
    expect(view.failure).toMatchObject({ mode: FailureMode.POLICY_BUDGET });
    expect(view.summary?.detail).toContain("guardrail max_steps exceeded: 4 steps were taken, at most 3");
  });

  test("a budget; what had succeeded stays, the rest is not begun, and only force goes on", async () => {
    await client.start(frugal, [4, 6, 1, 1], { runId: "frugal-1" });
    const view = await viewAfter("frugal-1");
    expect(view.summary?.status).toBe(RunStatus.FAILED);
    expect(view.failure).toMatchObject({ mode: FailureMode.POLICY_BUDGET });
    expect(view.summary?.items).toMatchObject({ total: 4, succeeded: 3, cancelled: 1 });
    expect(spent(view.usage)).toEqual({ tokens: 11 });
    await expect(admin.call.retryRun({ runId: "frugal-1" })).rejects.toThrow(/budget tokens exceeded/);
    await admin.call.retryRun({ runId: "frugal-1", force: true });
    expect((await viewAfter("frugal-1")).summary).toMatchObject({ status: RunStatus.COMPLETED });
  });
});

describe("a handler that goes in circles", () => {
  test("is STUCK once it is back where it was so many places ago, and is not tried again", async () => {
    await client.start(circling, ["a", "b", "c", "d", "a", "e"], { runId: "circle-1" });
    const view = await viewAfter("circle-1");
    expect(view.failure).toMatchObject({ mode: FailureMode.STUCK });
    expect(view.actions[0]?.attempt).toBe(1);
  });

  test("is not where it comes back sooner, or never", async () => {
    expect(await (await client.start(circling, ["a", "b", "a", "b", "a", "c"])).result()).toBe("home");
  });
});

describe("a recovery handler", () => {
  test("mends what the attempts could not; what all of them spent is summed on the run", async () => {
    const run = await client.start(mended, { recovers: true }, { runId: "mended-1" });
    expect(await within("the result", run.result())).toBe("mended NETWORK");
    const view = await viewAfter("mended-1");
    expect(spent(view.usage)).toEqual({ tokens: 110, cost_usd: 0.5 });
    expect(view.actions[0]?.detail).toContain("recovered from NETWORK: line cut");
  });

  test("that fails, too, leaves both errors, and the usage of both", async () => {
    await client.start(mended, { recovers: false }, { runId: "mended-2" });
    const view = await viewAfter("mended-2");
    expect(view.actions[0]?.failure).toMatchObject({
      mode: FailureMode.NETWORK,
      message: "line cut; recovery failed: no copy either",
    });
    expect(view.actions[0]?.recover).toMatchObject({
      original: { message: "line cut" },
      failed: { mode: FailureMode.NOT_FOUND, message: "no copy either" },
    });
    expect(spent(view.usage)).toEqual({ tokens: 110, cost_usd: 0.5 });
  });
});

test("a child that takes too long fails its action with TIMEOUT and is cancelled; what children spend counts for their parent", async () => {
  await client.start(parent, 7, { runId: "parent-1" });
  const view = await viewAfter("parent-1");
  expect(view.summary?.status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
  const [counted, hurried] = view.actions;
  expect(counted).toMatchObject({ status: ActionStatus.COMPLETED });
  expect(spent(counted?.child?.usage)).toEqual({ tokens: 7 });
  expect(hurried?.failure).toMatchObject({ mode: FailureMode.TIMEOUT });
  const child = await viewAfter(hurried?.child?.runId ?? "");
  expect(child.summary?.status).toBe(RunStatus.CANCELLED);
  // Its handler had a grace, in which it said what it had spent.
  await until("that to be counted", async () => spent((await viewAfter("parent-1")).usage)["tokens"] === 10);
});
