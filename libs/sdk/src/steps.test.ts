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

/** A value that holds itself, at `rows`. */
function cyclic(): unknown {
  const value: { rows: unknown[] } = { rows: [] };
  value.rows.push(value);
  return value;
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

  it("tries a step again that failed, under its own name: a later attempt does not do it once more", async () => {
    const ran: string[] = [];
    const flow = workflow("order").action("ship", { retry: fast }, async (_, ctx) => {
      const charge = () =>
        ctx.step("charge", () => {
          ran.push("charge");
          if (ran.length === 1) throw new ActionError("NETWORK", "no line");
          return "charged";
        });
      const got = await charge().catch(charge);
      // What was done is another step when its name comes again, as ever.
      const other = await ctx.step("charge", () => (ran.push("other"), "other"));
      if (ctx.attempt === 1) throw new ActionError("NETWORK", "again");
      return [got, other];
    });
    await work([flow]);
    const run = await holdfast.start(flow, null);
    expect(await run.result()).toEqual(["charged", "other"]);
    expect(ran).toEqual(["charge", "charge", "other"]);
  });

  it("tries side by side the one of a name that failed again, and no other", async () => {
    const ran: string[] = [];
    const flow = workflow("order").action("all", { retry: fast }, async (_, ctx) => {
      const part = (tag: string, fails = false) =>
        ctx.step("part", () => {
          ran.push(tag);
          if (fails) throw new ActionError("NETWORK", tag);
          return tag;
        });
      const settled = await Promise.allSettled([part("a"), part("b", true), part("c"), part("d", true)]);
      const again = [];
      for (const [at, { status }] of settled.entries())
        if (status === "rejected") again.push(await part(`again ${"abcd"[at]}`));
      if (ctx.attempt === 1) throw new ActionError("NETWORK", "again");
      return [await part("e")];
    });
    await work([flow]);
    const run = await holdfast.start(flow, null);
    // The second attempt finds four steps of that name done; the fifth is new.
    expect(await run.result()).toEqual(["e"]);
    expect(ran).toEqual(["a", "b", "c", "d", "again b", "again d", "e"]);
  });

  it("whose checkpoint could not be stored keeps the work that is done when it calls the step again", async () => {
    const ran: string[] = [];
    const flow = workflow("order").action("ship", { retry: { maxAttempts: 1 } }, async (_, ctx) => {
      const charge = () => ctx.step("charge", () => (ran.push("charge"), "x".repeat(1_000_000)));
      const { payloads } = cluster.holdfast.ports;
      const put = vi.spyOn(payloads, "put").mockRejectedValueOnce(new Error("the store is away"));
      const got = await charge().catch(charge);
      put.mockRestore();
      return got.length;
    });
    await work([flow]);
    expect(await (await holdfast.start(flow, null)).result()).toBe(1_000_000);
    expect(ran).toEqual(["charge"]);
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

  it.each([
    ["nested", { rows: [{ price: 1n }] }],
    ["cyclic", cyclic()],
    ["endless", { rows: [Number.NaN] }],
  ])("whose result can't be JSON (%s) stands among the failed steps, with the place", async (_, result) => {
    const flow = workflow("order").action("ship", { retry: { maxAttempts: 1 } }, async (_input, ctx) => {
      await ctx.step("first", () => 1);
      await ctx.step("bad", { failureMessage: "the goods could not be sent" }, () => result as never);
    });
    await work([flow]);
    const run = await holdfast.start(flow, null);
    await run.ended();
    const failure = (await run.get()).actions[0]?.failure;
    expect(failure).toMatchObject({ mode: FailureMode.HANDLER_BUG, shown: "the goods could not be sent" });
    expect(failure?.message).toMatch(/result of step "bad" of action "ship".*rows/);
    expect((await run.get()).actions[0]?.partial).toMatchObject({
      completedSteps: ["first"],
      failedSteps: ["bad"],
    });
  });

  it("says what a step's own failure message says, of the innermost step, and the action's where it has none", async () => {
    const flow = workflow("order", { input: typed<{ id: number; deep: boolean; own: boolean }>() }).action(
      "ship",
      { retry: { maxAttempts: 1 }, failureMessage: "order {id} was not shipped" },
      async ({ input }, ctx) => {
        const fails = (): never => {
          throw new ActionError("VALIDATION", "raw");
        };
        await ctx.step("outer", { failureMessage: "outer {id}" }, async () => {
          if (!input.deep) fails();
          if (input.own) await ctx.step("inner", { failureMessage: "inner {id}" }, fails);
          await ctx.step("inner", fails);
        });
      },
    );
    await work([flow]);
    const shownOf = async (input: { id: number; deep: boolean; own: boolean }) => {
      const run = await holdfast.start(flow, input);
      await run.ended();
      return (await run.get()).actions[0]?.failure?.shown;
    };
    expect(await shownOf({ id: 1, deep: false, own: true })).toBe("outer 1");
    expect(await shownOf({ id: 2, deep: true, own: true })).toBe("inner 2");
    expect(await shownOf({ id: 3, deep: true, own: false })).toBe("order 3 was not shipped");
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
      timeout: 60_000,
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
