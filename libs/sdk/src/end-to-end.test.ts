/** Workflows, client and worker against the real engine in memory. */
import { Effect, ItemStatus, RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ActionError,
  createWorker,
  type Holdfast,
  RunFailedError,
  typed,
  type Worker,
  workflow,
} from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";
import type { AnyWorkflow } from "./workflow/workflow.js";
import type { WorkerOptions } from "./worker/worker.js";

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

async function work(workflows: AnyWorkflow[], options: Partial<WorkerOptions> = {}): Promise<Worker> {
  const worker = await createWorker({ connection: holdfast, workflows, stopTimeout: "1s", ...options });
  workers.push(worker);
  return worker;
}

const fast = { retry: { initialBackoff: 1, maxAttempts: 2, jitter: 0 } } as const;

describe("a run", () => {
  it("passes outputs along and ends with that of its last action", async () => {
    const flow = workflow("sum", { input: typed<{ numbers: number[] }>() })
      .action("add", ({ input }) => input.numbers.reduce((sum, n) => sum + n, 0))
      .action("twice", { after: ["add"] }, async ({ input, add }) => ({
        twice: add * 2,
        of: input.numbers.length,
      }));
    await work([flow]);
    const run = await holdfast.start(flow, { numbers: [1, 2, 3] });
    expect(await run.result()).toEqual({ twice: 12, of: 3 });
    expect((await run.ended()).status).toBe(RunStatus.COMPLETED);
    expect((await run.get()).summary?.runId).toBe(run.runId);
  });

  it("started again under its id is the same run", async () => {
    let calls = 0;
    const flow = workflow("once").action("count", () => ++calls);
    await work([flow]);
    const first = await holdfast.start(flow, null, { runId: "only-1" });
    expect(await first.result()).toBe(1);
    const second = await cluster.client().start("once", null, { runId: "only-1" });
    expect(second.existed).toBe(true);
    expect(await second.result()).toBe(1);
    await expect(holdfast.start(flow, null, { runId: "only-1", onConflict: "reject" })).rejects.toMatchObject(
      { code: "RUN_EXISTS" },
    );
    expect(calls).toBe(1);
    expect((await holdfast.wait("only-1")).status).toBe(RunStatus.COMPLETED);
  });

  it("whose values are large carries them all the same", async () => {
    const flow = workflow("large", { input: typed<{ text: string }>() })
      .action("grow", ({ input }) => ({ text: input.text + input.text }))
      .action("measure", { after: ["grow"] }, ({ grow }) => grow.text.length)
      .action("shrink", { after: ["measure", "grow"] }, ({ grow }) => grow.text.slice(0, 5_000));
    await work([flow]);
    const run = await holdfast.start(flow, { text: "x".repeat(200_000) });
    expect(await run.result()).toBe("x".repeat(5_000));
  });

  it("that did nothing says so, with or without a reason", async () => {
    const flow = workflow("idle")
      .action("quiet", () => undefined)
      .action("reasoned", (_args, ctx) => ctx.noEffect("nothing new"));
    await work([flow]);
    const ended = await (await holdfast.start(flow, null)).ended();
    expect(ended.status).toBe(RunStatus.COMPLETED);
    const view = await holdfast.get(ended.runId);
    expect(view.actions.map((action) => action.effect)).toEqual([Effect.SILENT, Effect.NONE_WITH_REASON]);
  });
});

describe("items", () => {
  const rows = typed<{ rows: { id: number; bad?: boolean; drop?: boolean }[]; factor: number }>();

  it("are worked on one by one, and what succeeds flows on", async () => {
    const flow = workflow("items", { input: rows })
      .action("prepare", () => "ready")
      .forEach(
        "check",
        { items: "rows", after: ["prepare"], ...fast },
        async ({ item, index, prepare }, ctx) => {
          if (item.drop) return ctx.skip("dropped");
          if (item.bad) throw new ActionError("VALIDATION", `row ${item.id} is bad`);
          const { factor } = await ctx.runInput();
          return { id: item.id, index, prepare, scaled: item.id * factor };
        },
      )
      .forEach("ship", { itemsOf: "check" }, ({ item }) => item.scaled)
      .action("report", { after: ["ship"] }, ({ ship }) => ship);
    await work([flow]);
    const run = await holdfast.start(flow, {
      factor: 10,
      rows: [{ id: 1 }, { id: 2, bad: true }, { id: 3, drop: true }, { id: 4 }],
    });
    expect(await run.result()).toEqual([10, 40]);
    expect((await run.ended()).status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    const { items, counts } = await holdfast.items(run.runId, {
      action: "check",
      statuses: [ItemStatus.FAILED],
    });
    expect(counts).toMatchObject({ total: 4, succeeded: 2, failed: 1, skipped: 1 });
    expect(items).toMatchObject([{ index: 1, failure: { message: "row 2 is bad" } }]);
  });

  it("that failed are healed by a retry alone", async () => {
    let broken = true;
    const done: number[] = [];
    const flow = workflow("heal", { input: rows }).forEach(
      "check",
      { items: "rows", ...fast },
      ({ item }) => {
        if (item.bad && broken) throw new ActionError("VALIDATION", "bad");
        done.push(item.id);
        return item.id;
      },
    );
    await work([flow]);
    const run = await holdfast.start(flow, { factor: 1, rows: [{ id: 1 }, { id: 2, bad: true }] });
    expect((await run.ended()).status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    broken = false;
    expect(await holdfast.retry(run.runId, { reason: "mended" })).toMatchObject({ items: 1 });
    expect((await holdfast.wait(run.runId)).status).toBe(RunStatus.COMPLETED);
    expect(done).toEqual([1, 2]);
  });
});

describe("a handler", () => {
  it("is tried again as its policy says, under one idempotency key", async () => {
    const seen: string[] = [];
    const flow = workflow("again").action(
      "flaky",
      { retry: { maxAttempts: 3, initialBackoff: 1 } },
      (_args, ctx) => {
        seen.push(`${ctx.attempt}:${ctx.idempotencyKey}`);
        if (ctx.attempt < 3) throw new ActionError("NETWORK", "no route");
        return ctx.attempt;
      },
    );
    await work([flow]);
    const run = await holdfast.start(flow, null, { runId: "r1" });
    expect(await run.result()).toBe(3);
    expect(seen).toEqual(["1:r1/flaky", "2:r1/flaky", "3:r1/flaky"]);
  });

  it.each([
    ["throws no error", () => throws("just text"), "HANDLER_BUG", "just text"],
    ["throws nothing at all", () => throws(undefined), "HANDLER_BUG", "undefined"],
    ["returns a bigint", () => ({ rows: [{ total: 1n }] }), "HANDLER_BUG", "output.rows[0].total"],
    ["returns a function", () => () => 1, "HANDLER_BUG", "a function"],
    ["returns too much", () => "x".repeat(65 * 1024 * 1024), "HANDLER_BUG", "at most"],
    ["takes too long", () => new Promise(() => undefined), "TIMEOUT", "startToClose"],
    ["throws a hostile thing", () => throws(hostile), "HANDLER_BUG", ""],
  ])("that %s fails with a clear reason, and disturbs nothing else", async (_what, handler, mode, text) => {
    const flow = workflow("bad").action(
      "bad",
      { startToClose: 60, retry: { maxAttempts: 1 } },
      handler as () => unknown,
    );
    const good = workflow("good").action("ok", () => "fine");
    await work([flow, good], { concurrency: 1 });
    const run = await holdfast.start(flow, null);
    const error = await run.result().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RunFailedError);
    expect(error).toMatchObject({ status: "FAILED", mode, runId: run.runId });
    expect((error as RunFailedError).message).toContain(text);
    // Told of its end, and asked for later, it says the same.
    const { summary } = await holdfast.get(run.runId);
    const { seconds = 0n, nanos = 0 } = summary?.retryableUntil ?? {};
    const until = new Date(Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000)).toISOString();
    expect((error as RunFailedError).retryableUntil?.toISOString()).toBe(until);
    expect((error as RunFailedError).message).toContain(`retry it, until ${until}`);
    const asked = await (await holdfast.start(flow, null, { runId: run.runId }))
      .result()
      .catch((thrown: unknown) => thrown);
    expect((asked as RunFailedError).message).toBe((error as RunFailedError).message);
    expect(await (await holdfast.start(good, null)).result()).toBe("fine");
  });

  it("that skips where there is no item is told so", async () => {
    const flow = workflow("skips").action("once", { retry: { maxAttempts: 1 } }, (_args, ctx) =>
      (ctx as unknown as { skip(reason: string): string }).skip("no"),
    );
    await work([flow]);
    await expect((await holdfast.start(flow, null)).result()).rejects.toThrow("only an item can be skipped");
  });

  it("names the step that failed", async () => {
    const flow = workflow("steps").action("work", { retry: { maxAttempts: 1 } }, async (_args, ctx) => {
      const two = await ctx.step("add", () => 1 + 1);
      return ctx.step("outer", () =>
        ctx.step("divide", () => Promise.reject(new ActionError("CONFLICT", `no ${two}`))),
      );
    });
    await work([flow]);
    await expect((await holdfast.start(flow, null)).result()).rejects.toThrow('in step "divide": no 2');
  });

  it("hears that its run was cancelled", async () => {
    let heard: unknown;
    const begun = gateOf<void>();
    const over = gateOf<void>();
    const flow = workflow("long").action("wait", (_args, ctx) => {
      begun.resolve();
      return new Promise((_resolve, reject) => {
        ctx.signal.addEventListener("abort", () => {
          heard = ctx.signal.reason;
          reject(ctx.signal.reason as Error);
          over.resolve();
        });
      });
    });
    const worker = await work([flow]);
    const run = await holdfast.start(flow, null);
    await begun.promise;
    await holdfast.cancel(run.runId, { reason: "not wanted" });
    await expect(run.result()).rejects.toMatchObject({ status: "CANCELLED", mode: "CANCELLED" });
    await over.promise;
    expect(String(heard)).toContain("not wanted");
    await expect.poll(() => worker.stats.held).toBe(0);
  });
});

async function throws(thing: unknown): Promise<never> {
  throw thing;
}

/** A promise that the test settles. */
function gateOf<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let open: ((value: T) => void) | undefined;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, resolve: (value) => open?.(value) };
}

const hostile = {
  get message(): string {
    throw new Error("no message");
  },
  toString() {
    throw new Error("no text");
  },
};

describe("a worker", () => {
  it("finishes what it has when it stops, and takes no more", async () => {
    const begun = gateOf<void>();
    const gate = gateOf<string>();
    const flow = workflow("slow").action("wait", () => {
      begun.resolve();
      return gate.promise;
    });
    const worker = await work([flow]);
    const run = await holdfast.start(flow, null);
    await begun.promise;
    const stopping = worker.stop();
    const late = await holdfast.start(flow, null);
    gate.resolve("done");
    expect(await stopping).toEqual({ unreported: 0, problems: [] });
    expect(await run.result()).toBe("done");
    await work([flow]);
    expect(await late.result()).toBe("done");
  });

  it("tells handlers that don't end to stop, and lets another worker run them", async () => {
    let stubborn = true;
    const begun = gateOf<void>();
    const flow = workflow("stubborn").action("wait", { retry: { initialBackoff: 1 } }, () => {
      begun.resolve();
      return stubborn ? new Promise<string>(() => undefined) : "done";
    });
    const worker = await work([flow], { stopTimeout: 20 });
    const run = await holdfast.start(flow, null);
    await begun.promise;
    expect((await worker.stop()).unreported).toBe(0);
    stubborn = false;
    await work([flow]);
    expect(await run.result()).toBe("done");
  });

  it("never runs more handlers at once than it may", async () => {
    let now = 0;
    let most = 0;
    const flow = workflow("many").action("one", async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 2));
      now--;
      return now >= 0;
    });
    await work([flow], { concurrency: 3, capacity: 20 });
    const runs = await Promise.all(Array.from({ length: 30 }, () => holdfast.start(flow, null)));
    await Promise.all(runs.map((run) => run.result()));
    expect(most).toBe(3);
  });

  it("goes on when the node is replaced", async () => {
    const flow = workflow("through").action("one", async ({ input }) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return input;
    });
    await work([flow]);
    const runs = await Promise.all(Array.from({ length: 50 }, (_, i) => holdfast.start(flow, i)));
    await cluster.restartNode();
    expect(await Promise.all(runs.map((run) => run.result()))).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
  });

  it("is refused with what is wrong", async () => {
    const flow = workflow("w").action("a", () => 1);
    await expect(work([])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(work([flow], { queues: ["other"] })).rejects.toThrow(
      "no action of its workflows is on queue other",
    );
    await expect(work([flow], { concurrency: 0 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(work([workflow("bad name").action("a", () => 1)])).rejects.toMatchObject({
      code: "INVALID_DEFINITION",
    });
  });
});
