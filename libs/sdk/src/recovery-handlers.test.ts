/** Recovery handlers, usage, guardrails and progress as users write them, against the real engine in memory. */
import { microText } from "@holdfast/core";
import { FailureMode, ItemStatus, RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  ActionError,
  createWorker,
  type Holdfast,
  type RecoveredError,
  typed,
  type AnyWorkflow,
  type Worker,
  workflow,
} from "./index.js";
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
  worker = undefined;
  await cluster.close();
});

const work = async (...workflows: AnyWorkflow[]): Promise<void> => {
  worker = await createWorker({ connection: holdfast, workflows, stopTimeout: 50 });
};
const usageOf = async (runId: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    ((await holdfast.get(runId)).usage?.counts ?? []).map(({ name, amountMicro }) => [
      name,
      microText(amountMicro),
    ]),
  );
const ONCE = { retry: { maxAttempts: 1 } } as const;

describe("a recovery handler", () => {
  it("gets what the handler got, the failure, and a key of its own; its value flows on", async () => {
    const seen: unknown[] = [];
    const errors: RecoveredError[] = [];
    const price = workflow("price", { input: typed<{ id: number }>() })
      .action("table", () => "t")
      .action(
        "load",
        { after: ["table"], retry: { maxAttempts: 2, initialBackoff: 1, jitter: 0 } },
        async ({ input }, ctx): Promise<{ price: number }> => {
          await ctx.step("ask", () => input.id);
          ctx.usage({ tokens: 100 });
          throw new ActionError("NETWORK", "shop away", { code: "ECONNRESET" });
        },
        {
          recover: async ({ input, table }, error, ctx) => {
            expectTypeOf(error.mode).toEqualTypeOf<ActionError["holdfastMode"]>();
            errors.push(error);
            // Its steps are its own: one of the same name is not the handler's.
            const asked = await ctx.step("ask", () => "the cache");
            ctx.usage({ tokens: 1, cost_usd: 0.0031 });
            seen.push(input.id, table, asked, ctx.idempotencyKey, ctx.attempt, ctx.attemptsLeft);
            return { price: 9 };
          },
        },
      )
      .action("last", { after: ["load"] }, ({ load }) => load.price + 1);
    await work(price);
    const run = await holdfast.start(price, { id: 7 }, { runId: "p-1" });
    expect(await run.result()).toBe(10);
    expect(seen).toEqual([7, "t", "the cache", "p-1/load/recover", 3, 0]);
    expect(errors[0]).toMatchObject({
      mode: "NETWORK",
      message: "shop away",
      code: "ECONNRESET",
      attempt: 2,
      step: "",
    });
    expect(errors[0]).toBeInstanceOf(ActionError);
    const view = await holdfast.get("p-1");
    const load = view.actions.find(({ name }) => name === "load");
    expect(load).toMatchObject({
      attempt: 3,
      detail: "recovered from NETWORK: shop away",
      failure: undefined,
    });
    expect(load?.recover?.original?.message).toBe("shop away");
    expect(load?.steps.map(({ name }) => name)).toEqual(["ask"]);
    expect(await usageOf("p-1")).toEqual({ tokens: "201", cost_usd: "0.0031" });
    expect((await run.ended()).usage?.counts).toHaveLength(2);
  });

  it("that throws the failure again, or another, leaves both reasons, and the message for people stands for both", async () => {
    const fails = workflow("fails")
      .action(
        "load",
        { ...ONCE, failureMessage: "could not load" },
        (): number => {
          throw new ActionError("VALIDATION", "no such row");
        },
        {
          recover: (_, error) => {
            throw error;
          },
        },
      )
      .action("other", ONCE, (): number => {
        throw new ActionError("CONFLICT", "no");
      });
    await work(fails);
    const run = await holdfast.start(fails, null);
    expect((await holdfast.wait(run.runId)).status).toBe(RunStatus.FAILED);
    const [load] = (await holdfast.get(run.runId)).actions;
    expect(load?.failure).toMatchObject({
      mode: FailureMode.VALIDATION,
      message: "no such row; recovery failed: no such row",
      shown: "could not load; recovery failed: no such row",
    });
  });

  it("of items mends each by itself, and may filter it out", async () => {
    const rows = workflow("rows", { input: typed<number[]>() })
      .forEach(
        "load",
        { items: "", ...ONCE },
        ({ item }): { row: number } => {
          if (item > 0) throw new ActionError("VALIDATION", `odd ${item}`);
          return { row: item };
        },
        {
          recover: ({ item, index }, error, ctx) => {
            if (item === 1) return ctx.skip("not wanted");
            if (item === 2) throw new Error(`nor that: ${error.message}`);
            return { row: index * 100 };
          },
        },
      )
      .action("sum", { after: ["load"] }, ({ load }) => load.map(({ row }) => row));
    await work(rows);
    const run = await holdfast.start(rows, [0, 1, 2, 3]);
    await holdfast.wait(run.runId);
    const { items } = await holdfast.items(run.runId, { action: "load" });
    expect(items.map(({ status, detail }) => [ItemStatus[status], detail])).toEqual([
      ["SUCCEEDED", ""],
      ["SKIPPED", "recovered from VALIDATION: odd 1; not wanted"],
      ["FAILED", "VALIDATION: odd 2; recovery failed: nor that: odd 2"],
      ["SUCCEEDED", "recovered from VALIDATION: odd 3"],
    ]);
    expect(items[2]?.recover?.failed?.mode).toBe(FailureMode.UNCLASSIFIED);
  });

  it("begins at whoever has it when its node goes", async () => {
    let begun = 0;
    let letGo = (): void => undefined;
    const free = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const slow = workflow("slow").action(
      "a",
      ONCE,
      (): number => {
        throw new ActionError("VALIDATION", "no");
      },
      {
        recover: async () => {
          begun += 1;
          await free;
          return 5;
        },
      },
    );
    await work(slow);
    const run = await holdfast.start(slow, null);
    await vi.waitFor(() => expect(begun).toBe(1), { timeout: 60_000 });
    await cluster.restartNode();
    letGo();
    expect(await run.result()).toBe(5);
    expect(begun).toBe(1);
  });
});

describe("guardrails", () => {
  it("stop a run that spends too much: its handlers are told, what succeeded stays, and a forced retry gets on", async () => {
    let aborted = 0;
    const costly = workflow("costly", {
      input: typed<number[]>(),
      guardrails: { budgets: { tokens: 25, cost_usd: 5 } },
    })
      .action("idle", async (_, ctx) => {
        if (ctx.attempt > 1) return 1;
        await new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve()));
        aborted += 1;
        return 0;
      })
      .forEach("spend", { items: "", window: 1 }, ({ item }, ctx) => {
        ctx.usage({ tokens: 5 });
        ctx.usage({ tokens: 5 });
        return item;
      });
    await work(costly);
    const { runId } = await holdfast.start(costly, [1, 2, 3, 4]);
    const ended = await holdfast.wait(runId);
    expect(ended.failure).toMatchObject({
      mode: FailureMode.POLICY_BUDGET,
      message: "guardrail budget tokens exceeded: 30 was used, at most 25 is allowed",
    });
    await vi.waitFor(() => expect(aborted).toBe(1), { timeout: 60_000 });
    const view = await holdfast.get(runId);
    expect(view.summary?.items).toMatchObject({ succeeded: 3, cancelled: 1 });
    expect(view.guardrails).toMatchObject({ exceeded: ended.failure?.message });
    expect(view.partial?.usage?.counts).toHaveLength(1);
    await expect(holdfast.retry(runId)).rejects.toThrow(/retry it with force, which counts anew/);
    await holdfast.retry(runId, { force: true });
    expect((await holdfast.wait(runId)).status).toBe(RunStatus.COMPLETED);
    expect(await usageOf(runId)).toEqual({ tokens: "40" });
  });

  it("stop a handler that takes too many steps, at the next of them", async () => {
    const reached: string[] = [];
    const steps = workflow("steps", { guardrails: { maxSteps: 2 } }).action("a", ONCE, async (_, ctx) => {
      for (const name of ["one", "two", "three", "four", "five"]) {
        await ctx.step(name, () => 1);
        reached.push(name);
      }
    });
    await work(steps);
    const run = await holdfast.start(steps, null);
    expect((await holdfast.wait(run.runId)).failure?.message).toBe(
      "guardrail max_steps exceeded: 3 steps were taken, at most 2 are allowed",
    );
    expect(reached).not.toContain("five");
  });

  it("stop a run that takes too long", async () => {
    const long = workflow("long", { guardrails: { maxDuration: 30 } }).waitForSignal("go");
    const run = await holdfast.start(long, null);
    expect((await holdfast.wait(run.runId)).failure?.message).toMatch(/^guardrail max_duration exceeded/);
  });

  it.each([
    [{ maxDuration: 0 }, /guardrails\.maxDuration is 0: give more than 0/],
    [{ maxDuration: "soon" }, /guardrails\.maxDuration is "soon"/],
    [{ maxSteps: 0 }, /guardrails\.maxSteps is 0/],
    [{ maxSteps: 1.5 }, /guardrails\.maxSteps is 1\.5/],
    [{ stuckRevisitGap: 0 }, /guardrails\.stuckRevisitGap is 0/],
    [{ stuckRevisitGap: 51 }, /stuck_revisit_gap is 51: give a whole number from 1 to 50/],
    [{ budgets: { tokens: 0 } }, /guardrails\.budgets\.tokens is 0/],
    [{ budgets: { tokens: Number.NaN } }, /guardrails\.budgets\.tokens is NaN/],
    [{ budgets: { tokens: 1e13 } }, /guardrails\.budgets\.tokens is 10000000000000/],
    [{ budgets: { tokens: "5" } }, /guardrails\.budgets\.tokens is 5/],
    [{ budgets: { "no way": 1 } }, /budget name "no way" is not valid/],
  ])("that can't be are refused where they are declared: %j", (guardrails, message) => {
    expect(() => workflow("w", { guardrails: guardrails as never }).action("a", () => 1).definition).toThrow(
      message,
    );
  });
});

describe("ctx.usage", () => {
  it("goes with a failure too, to the millionth; what can't be counted is a bug of the handler", async () => {
    const spends = workflow("spends", { input: typed<Record<string, number>>() })
      .action("a", { ...ONCE, optional: true }, ({ input }, ctx) => {
        ctx.usage({ calls: 1 });
        ctx.usage(input);
        throw new ActionError("VALIDATION", "no");
      })
      .action("b", (_, ctx) => {
        ctx.usage({ calls: 0.1 });
        ctx.usage({ calls: 0.2 });
        ctx.usage({ big: 9_000_000_000_000 });
      });
    await work(spends);
    const messageFor = async (input: Record<string, number>): Promise<[string, unknown]> => {
      const run = await holdfast.start(spends, input);
      await holdfast.wait(run.runId);
      const [a] = (await holdfast.get(run.runId)).actions;
      return [a?.failure?.message ?? "", await usageOf(run.runId)];
    };
    expect(await messageFor({ calls: 2 })).toEqual(["no", { calls: "3.3", big: "9000000000000" }]);
    const bad = { calls: "1.3", big: "9000000000000" };
    expect(await messageFor({ tokens: -1 })).toEqual([
      expect.stringMatching(/can't count -1 as tokens: give a number from 0/),
      bad,
    ]);
    expect(await messageFor({ "no way": 1 })).toEqual([
      expect.stringMatching(/can't count under "no way": use names of 1 to 64/),
      bad,
    ]);
    expect((await messageFor({ tokens: 1e13 }))[0]).toMatch(/can't count 10000000000000 as tokens/);
  });

  it("under too many names says so, and breaks nothing", async () => {
    const many = workflow("many").action("a", (_, ctx) => {
      for (let i = 0; i < 40; i++) ctx.usage({ [`n${i}`]: 1 });
      return 1;
    });
    await work(many);
    const run = await holdfast.start(many, null);
    expect(await run.result()).toBe(1);
    const { usage } = await holdfast.get(run.runId);
    expect(usage?.counts).toHaveLength(32);
    expect(usage?.uncounted).toBe(8);
  });
});

describe("ctx.progress", () => {
  const circling = (name: string, gap: number | undefined, size: number, seen: string[]) =>
    workflow(name, gap === undefined ? {} : { guardrails: { stuckRevisitGap: gap } }).action(
      "agent",
      async (_, ctx) => {
        for (let i = 0; i < 30; i++) {
          seen.push(String(i));
          try {
            ctx.progress(`page ${i % size}`);
          } catch (error) {
            // A handler that does not listen.
            expect(ctx.signal.aborted).toBe(true);
            expect((error as Error).message).toContain("is stuck");
            return "all is well";
          }
          await Promise.resolve();
        }
        return "went on";
      },
    );

  it("ends a handler that goes in circles with STUCK, which is not retried, whatever it returns", async () => {
    const seen: string[] = [];
    const stuck = circling("stuck", undefined, 6, seen);
    await work(stuck);
    const run = await holdfast.start(stuck, null);
    const ended = await holdfast.wait(run.runId);
    expect(ended.failure).toMatchObject({
      mode: FailureMode.STUCK,
      message:
        'agent: the handler of action "agent" is stuck: it came back to "page 0", which it had left at least 5 fingerprints ago',
    });
    expect(seen).toHaveLength(7);
    expect((await holdfast.get(run.runId)).actions[0]?.attempt).toBe(1);
  });

  it.each([
    ["narrower", undefined, 5, RunStatus.COMPLETED],
    ["to-and-fro", 2, 2, RunStatus.COMPLETED],
    ["declared", 1, 2, RunStatus.FAILED],
  ])("counts by the gap that is declared (%s)", async (name, gap, size, status) => {
    const definition = circling(name, gap, size, []);
    await work(definition);
    const run = await holdfast.start(definition, null);
    expect((await holdfast.wait(run.runId)).status).toBe(status);
  });

  it("of a handler that hangs then is over at once; its recovery is tried", async () => {
    const hangs = workflow("hangs", { guardrails: { stuckRevisitGap: 1 } }).action(
      "agent",
      {},
      async (_, ctx): Promise<string> => {
        try {
          for (const page of ["a", "b", "a"]) ctx.progress(page);
        } catch {
          await new Promise(() => undefined);
        }
        return "";
      },
      { recover: (_, error) => `gave up: ${error.mode}` },
    );
    await work(hangs);
    expect(await (await holdfast.start(hangs, null)).result()).toBe("gave up: STUCK");
  });

  it.each(["", "x".repeat(257)])("refuses what is no fingerprint", async (fingerprint) => {
    const bad = workflow("bad").action("a", (_, ctx) => ctx.progress(fingerprint));
    await work(bad);
    const run = await holdfast.start(bad, null);
    expect((await holdfast.wait(run.runId)).failure?.message).toMatch(/a fingerprint of 1 to 256 characters/);
  });
});

it.each([
  [
    () => workflow("w").action("a", {}, () => 1, { recover: "later" as never }),
    /recover of action a .* must be a handler function/,
  ],
  [
    () => workflow("w").action("a", { recover: () => 1 } as never, () => 1),
    /recover of action a of workflow w is not one of its options: pass \{ recover \} after the handler/,
  ],
])("a recovery that can't be is refused where it is declared", (declare, message) => {
  expect(declare).toThrow(message);
});
