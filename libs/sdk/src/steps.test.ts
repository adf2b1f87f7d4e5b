/** Steps against the real engine in memory: what is done is done once, whoever goes on. */
import { FailureMode, ItemStatus, RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ActionError, createWorker, type Holdfast, typed, type Worker, workflow } from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";
import type { AnyWorkflow } from "./workflow/workflow.js";

let cluster: TestCluster;
let holdfast: Holdfast;
let workers: Worker[] = [];

beforeEach(async () => {
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  workers = [];
  await cluster.close();
});

async function work(workflows: AnyWorkflow[]): Promise<Worker> {
  const worker = await createWorker({ connection: holdfast, workflows, stopTimeout: 50 });
  workers.push(worker);
  return worker;
}

const fast = { initialBackoff: 1, maxAttempts: 3, jitter: 0 } as const;

describe("a handler of steps", () => {
  it("goes on after the last step that is done, and gets its results", async () => {
    const ran: string[] = [];
    const flow = workflow("order").action("ship", { retry: fast }, async (_, ctx) => {
      const a = await ctx.step("reserve", () => {
        ran.push("reserve");
        return { place: 7 };
      });
      const b = await ctx.step("pay", () => {
        ran.push("pay");
        return a.place * 2;
      });
      return await ctx.step("send", () => {
        ran.push("send");
        if (ctx.attempt === 1) throw new ActionError("NETWORK", "the carrier did not answer");
        return `${a.place}/${b}`;
      });
    });
    await work([flow]);
    const run = await holdfast.start(flow, null);
    expect(await run.result()).toBe("7/14");
    expect(ran).toEqual(["reserve", "pay", "send", "send"]);
  });

  it("is gone on with by another worker when its own is cut off", async () => {
    const ran: string[] = [];
    let stuck: () => void = () => undefined;
    const isStuck = new Promise<void>((resolve) => {
      stuck = resolve;
    });
    const flow = workflow("order").action("ship", { retry: fast }, async (_, ctx) => {
      await ctx.step("first", () => void ran.push("first"));
      await ctx.step("second", () => void ran.push("second"));
      if (ctx.attempt === 1) {
        stuck();
        await new Promise((_resolve, reject) => {
          ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
        });
      }
      return await ctx.step("third", () => ran.push("third"));
    });
    const first = await work([flow]);
    const run = await holdfast.start(flow, null);
    await isStuck;
    await first.stop();
    await work([flow]);
    expect(await run.result()).toBe(3);
    expect(ran).toEqual(["first", "second", "third"]);
  });

  it("says which step failed, what is done and what remains", async () => {
    const flow = workflow("order").action(
      "ship",
      { retry: { maxAttempts: 1 }, steps: ["reserve", "pay", "send", "tell"] },
      async (_, ctx) => {
        await ctx.step("reserve", () => "r");
        await ctx.step("pay", () => "p");
        await ctx.step("send", () => {
          throw new ActionError("NETWORK", "no line");
        });
      },
    );
    await work([flow]);
    const run = await holdfast.start(flow, null);
    await run.ended();
    const { partial, failure } = (await run.get()).actions[0] ?? {};
    expect(failure?.step).toBe("send");
    expect(partial).toMatchObject({
      completedSteps: ["reserve", "pay"],
      failedSteps: ["send"],
      remainingSteps: ["tell"],
      totalSteps: 4,
      completionMilli: 500,
      failureMode: FailureMode.NETWORK,
    });
  });

  it("may run steps side by side, and use a name again", async () => {
    const ran: string[] = [];
    const flow = workflow("order").action("all", { retry: fast }, async (_, ctx) => {
      const once = (tag: string) => ctx.step("part", () => (ran.push(tag), tag));
      const parts = await Promise.all([once("a"), once("b"), once("c")]);
      if (ctx.attempt === 1) throw new ActionError("NETWORK", "again");
      return parts;
    });
    await work([flow]);
    expect(await (await holdfast.start(flow, null)).result()).toEqual(["a", "b", "c"]);
    expect(ran).toEqual(["a", "b", "c"]);
  });

  it("gets results as JSON leaves them, large ones and none included, the first time as later", async () => {
    const seen: unknown[] = [];
    const large = "x".repeat(300_000);
    const flow = workflow("order").action("ship", { retry: fast }, async (_, ctx) => {
      seen.push([
        await ctx.step("date", () => ({ at: new Date(0), gone: undefined })),
        await ctx.step("none", () => undefined),
        (await ctx.step("large", () => large)).length,
      ]);
      if (ctx.attempt === 1) throw new ActionError("NETWORK", "again");
      return "done";
    });
    await work([flow]);
    await (await holdfast.start(flow, null)).result();
    expect(seen[0]).toEqual([{ at: "1970-01-01T00:00:00.000Z" }, undefined, 300_000]);
    expect(seen[1]).toEqual(seen[0]);
  });

  it.each([
    ["a result that can't be JSON", () => 1n, /result of step "bad"/],
    ["a name that is none", () => 1, /a step needs a name/],
  ])("with %s fails as the handler's bug", async (what, result, message) => {
    const flow = workflow("order").action("ship", { retry: { maxAttempts: 1 } }, (_, ctx) =>
      ctx.step(what.startsWith("a name") ? "" : "bad", result as () => number),
    );
    await work([flow]);
    const run = await holdfast.start(flow, null);
    const ended = await run.ended();
    expect(ended.failure?.mode).toBe(FailureMode.HANDLER_BUG);
    expect(ended.failure?.message).toMatch(message);
  });

  it("over items keeps the steps of each item apart", async () => {
    const ran: string[] = [];
    const flow = workflow("rows", { input: typed<number[]>() }).forEach(
      "load",
      { items: "", retry: { maxAttempts: 1 }, failureMessage: "row {item} could not be loaded" },
      async ({ item }, ctx) => {
        await ctx.step("fetch", () => void ran.push(`fetch ${item}`));
        if (item === 2 && ctx.attempt === 1) throw new ActionError("NETWORK", "no line");
        return item;
      },
    );
    await work([flow]);
    const run = await holdfast.start(flow, [1, 2, 3]);
    expect((await run.ended()).status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    const failed = (await holdfast.items(run.runId, { action: "load", statuses: [ItemStatus.FAILED] }))
      .items[0];
    expect(failed?.partial).toMatchObject({ completedSteps: ["fetch"], failureMode: FailureMode.NETWORK });
    expect(failed?.failure).toMatchObject({ shown: "row 2 could not be loaded", message: "no line" });
    await holdfast.retry(run.runId);
    expect((await holdfast.wait(run.runId)).status).toBe(RunStatus.COMPLETED);
    expect(ran.toSorted()).toEqual(["fetch 1", "fetch 2", "fetch 3"]);
  });
});

describe("a workflow with a recovery policy", () => {
  it("heals by itself, and tells the end to whoever waits only then", async () => {
    let calls = 0;
    const flow = workflow("auto", {
      recovery: { auto: true, maxAttempts: 3, backoff: { initialBackoff: 5 } },
    }).action("call", { retry: { maxAttempts: 1 } }, () => {
      calls += 1;
      if (calls < 3) throw new ActionError("UNAVAILABLE", "not yet");
      return calls;
    });
    await work([flow]);
    const run = await holdfast.start(flow, null);
    expect(await run.result()).toBe(3);
    expect((await run.get()).recoveries).toBe(2);
  });

  it("has not ended for those who ask meanwhile", async () => {
    let calls = 0;
    const flow = workflow("slowly", { recovery: { auto: true, backoff: { initialBackoff: 3_000 } } }).action(
      "call",
      { retry: { maxAttempts: 1 } },
      () => {
        calls += 1;
        if (calls < 2) throw new ActionError("UNAVAILABLE", "not yet");
        return calls;
      },
    );
    await work([flow]);
    const run = await holdfast.start(flow, null);
    await vi.waitFor(async () => expect((await run.get()).summary?.recoverAt).toBeDefined(), {
      timeout: 10_000,
    });
    expect((await run.get()).summary).toMatchObject({
      status: RunStatus.FAILED,
      detail: expect.stringContaining("recovery 1 of 3"),
    });
    // Another client knows of the run by asking alone.
    const elsewhere = cluster.client();
    const ended = elsewhere.wait(run.runId);
    expect((await ended).status).toBe(RunStatus.COMPLETED);
    expect(await run.result()).toBe(2);
  });
});
