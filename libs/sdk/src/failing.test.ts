/** What handlers throw, and what the log says of it. */
import { FailureMode, ItemStatus } from "@holdfast/proto";
import type { LogFields, Logger } from "@holdfast/telemetry";
import { modeName } from "@holdfast/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ActionError,
  createWorker,
  type Holdfast,
  typed,
  type Worker,
  type WorkerOptions,
  workflow,
} from "./index.js";
import { replaceHandlers, startTestCluster, type TestCluster } from "./testing/index.js";
import type { AnyWorkflow } from "./workflow/workflow.js";

let cluster: TestCluster;
let holdfast: Holdfast;
let workers: Worker[] = [];
const lines: string[] = [];
const logger: Logger = {
  isEnabled: () => true,
  child: () => logger,
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: (message: string, _fields?: LogFields) => void lines.push(message),
  error: (message: string, _fields?: LogFields) => void lines.push(message),
  fatal: () => undefined,
};

beforeEach(async () => {
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
  lines.length = 0;
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  workers = [];
  await cluster.close();
});

async function work(workflows: AnyWorkflow[], options: Partial<WorkerOptions> = {}): Promise<void> {
  workers.push(await createWorker({ connection: holdfast, workflows, stopTimeout: 50, logger, ...options }));
}

const once = { retry: { maxAttempts: 1 } } as const;
const untyped = (value: unknown): never => value as never;

async function failureOf(
  handler: (args: unknown, ctx: { readonly signal: AbortSignal }) => unknown,
  options = {},
) {
  const flow = workflow(`failing-${Math.floor(performance.now() * 1000)}`, options).action(
    "act",
    once,
    handler,
  );
  await work([flow]);
  const run = await cluster.run(flow, null);
  const { failure } = run.view.actions[0] ?? {};
  if (failure === undefined) throw new Error(`it did not fail: ${run.status}`);
  return failure;
}

describe("telling a failure", () => {
  it.each([
    ["a pause that is no number", Number.NaN],
    ["a pause without an end", Number.POSITIVE_INFINITY],
    ["a pause that is over", new Date(0)],
    ["a pause of nothing", null],
    ["a number without a unit", "120"],
    ["a pause below nothing", -5],
    [
      "a thing",
      {
        toString: () => {
          throw new Error("no");
        },
      },
    ],
  ])("with %s for its retryAfter keeps its mode, and is not retried", async (_, retryAfter) => {
    let calls = 0;
    const flow = workflow("guarded").action("pay", { retry: { maxAttempts: 5, initialBackoff: 1 } }, () => {
      calls++;
      throw new ActionError("POLICY_SECURITY", "the card is stolen", { retryAfter: untyped(retryAfter) });
    });
    await work([flow]);
    const { view } = await cluster.run(flow, null);
    const { failure } = view.actions[0] ?? {};
    expect(failure).toMatchObject({ mode: FailureMode.POLICY_SECURITY, message: "the card is stolen" });
    expect(failure?.retryAfterMs).toBe(0);
    expect(calls).toBe(1);
  });

  it("throws for nothing that it is given", () => {
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error("no");
        },
      },
    );
    for (const options of [null, 7, "x", hostile, { cause: hostile, code: Symbol("c"), retryAfter: hostile }])
      expect(new ActionError("VALIDATION", "bad", untyped(options))).toMatchObject({
        holdfastMode: "VALIDATION",
        message: "bad",
      });
    expect(new ActionError(untyped(Symbol("m")), untyped(hostile))).toBeInstanceOf(ActionError);
    expect(new ActionError("VALIDATION", "bad", { cause: null }).cause).toBeNull();
    expect("cause" in new ActionError("VALIDATION", "bad")).toBe(false);
    expect(Object.keys(new ActionError("VALIDATION", "bad", { cause: 1 }))).not.toContain("cause");
  });

  it("with a mode that does not exist keeps the words, and says so", async () => {
    const failure = await failureOf(() => {
      throw new ActionError(untyped("DECLINED"), "the card is declined");
    });
    expect(failure).toMatchObject({
      mode: FailureMode.HANDLER_BUG,
      message: 'the card is declined; its mode is given as "DECLINED", which does not exist',
    });
  });

  it("honours a pause of two days", async () => {
    let at = 0;
    const flow = workflow("patient").action("ask", { retry: { maxAttempts: 2 } }, (_, ctx) => {
      if (ctx.attempt === 1) {
        at = cluster.now().getTime();
        throw new ActionError("RATE_LIMITED", "come again", { retryAfter: "2d" });
      }
      return cluster.now().getTime() - at;
    });
    await work([flow]);
    expect((await cluster.run(flow, null)).output).toBeGreaterThanOrEqual(2 * 24 * 3600 * 1000);
  });
});

describe("a failure of which nothing is said", () => {
  it("is UNCLASSIFIED, is retried, and is recommended so by name", async () => {
    let calls = 0;
    const flow = workflow("plain").action("act", { retry: { maxAttempts: 3, initialBackoff: 1 } }, () => {
      calls++;
      throw new Error("it broke");
    });
    await work([flow]);
    const { view } = await cluster.run(flow, null);
    expect(calls).toBe(3);
    expect(view.failure?.mode).toBe(FailureMode.UNCLASSIFIED);
    expect(view.recommendation?.recoverable).toBe(true);
    expect(view.recommendation?.hint).toContain("UNCLASSIFIED");
  });

  it("says nothing against a dependency, unless its mode is named", async () => {
    const breaker = { minSamples: 1, failureRate: 0.5 };
    const once5 = { retry: { maxAttempts: 4, initialBackoff: 1 } } as const;
    const act = () => {
      throw new Error("it broke");
    };
    const plain = workflow("plain").action("act", { ...once5, breaker: { ...breaker, onOpen: "fail" } }, act);
    const named = workflow("named").action(
      "act",
      { ...once5, breaker: { ...breaker, onOpen: "fail", modes: ["UNCLASSIFIED"] } },
      act,
    );
    await work([plain, named]);
    expect((await cluster.run(plain, null)).view.failure?.mode).toBe(FailureMode.UNCLASSIFIED);
    expect((await cluster.run(named, null)).view.actions[0]?.failure?.rawClass).toBe("Breaker");
  });

  it("has the mode that its words say, marked so", async () => {
    const failure = await failureOf(() => {
      throw new Error("no such customer");
    });
    expect(failure).toMatchObject({ mode: FailureMode.NOT_FOUND, classifiedBy: "message" });
  });
});

describe("classify", () => {
  class Declined extends Error {}
  const cases = (classify: (error: unknown) => unknown) => ({ classify: classify as never });

  it("of the workflow overrides whatever else is said, that of the worker where it says nothing", async () => {
    const throws = (error: unknown) => () => {
      throw error;
    };
    const flow = (name: string, error: unknown) =>
      workflow(
        name,
        cases((thrown) => (thrown instanceof Declined ? "CONFLICT" : undefined)),
      ).action("act", once, throws(error));
    const flows = [
      flow("one", new Declined("no")),
      flow("two", new ActionError("TIMEOUT", "late")),
      flow("three", 7),
    ];
    await work(flows, {
      classify: (thrown) =>
        thrown instanceof Declined ? "TIMEOUT" : typeof thrown === "number" ? undefined : "PERMISSION",
    });
    const told = [];
    for (const each of flows) {
      const { failure } = (await cluster.run(each, null)).view.actions[0] ?? {};
      told.push(`${modeName(failure?.mode ?? 0)} by ${failure?.classifiedBy}`);
    }
    expect(told).toEqual(["CONFLICT by classify", "PERMISSION by classify", "HANDLER_BUG by type"]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("no");
      },
      "classify threw",
    ],
    ["answers with no mode", () => "DECLINED", "no failure mode"],
    ["answers with a promise", async () => "TIMEOUT", "no failure mode"],
  ])("that %s is passed over, and told of", async (_, classify, told) => {
    const failure = await failureOf(() => {
      throw new ActionError("NETWORK", "no line");
    }, cases(classify));
    expect(failure.mode).toBe(FailureMode.NETWORK);
    expect(lines.join("\n")).toContain(told);
  });

  it("has the word on what jobs answer, too, and goes with replaced handlers", async () => {
    const flow = workflow("jobs", { input: typed<number[]>(), ...cases(() => "CONFLICT") }).batch(
      "load",
      { items: "", ...once },
      {
        submit: () => "job",
        check: (): never => {
          throw new Error("no");
        },
      },
    );
    const replaced = replaceHandlers(flow, {
      load: {
        check: () => ({
          done: true,
          results: [
            { index: 0, error: new Error("no") },
            { index: 1, output: 1 },
          ],
        }),
      },
    });
    await work([replaced]);
    const run = await cluster.run(replaced, [1, 2]);
    const { items } = await holdfast.items(run.runId, { action: "load", statuses: [ItemStatus.FAILED] });
    expect(items.map(({ failure }) => failure?.mode)).toEqual([FailureMode.CONFLICT]);
  });
});

describe("CANCELLED", () => {
  it("is no failure of a call that the handler itself gave up, or that others cancelled", async () => {
    const own = await failureOf(async () => {
      const controller = new AbortController();
      controller.abort();
      controller.signal.throwIfAborted();
    });
    expect(own.mode).toBe(FailureMode.TIMEOUT);
    const grpc = await failureOf(() => {
      throw Object.assign(new Error("1 CANCELLED: call was cancelled"), {
        code: 1,
        details: "",
        metadata: {},
      });
    });
    expect(grpc.mode).toBe(FailureMode.UNAVAILABLE);
  });

  it("is what a run ends with that was cancelled, whatever its handler threw for it", async () => {
    let begin = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const flow = workflow("cancelled").action("act", once, async (_, ctx) => {
      begin();
      await new Promise((_resolve, reject) => {
        ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
      });
    });
    await work([flow]);
    const run = await holdfast.start(flow, null);
    await begun;
    await holdfast.cancel(run.runId);
    await expect(run.result()).rejects.toMatchObject({ status: "CANCELLED", mode: "CANCELLED" });
  });
});

it("a job's result that says nothing fails that item, and no other", async () => {
  const flow = workflow("jobs", { input: typed<number[]>() }).batch(
    "load",
    { items: "", ...once },
    {
      submit: () => "job",
      check: () => ({
        done: true,
        results: [
          { index: 0 },
          { index: 1, output: "one" },
          { index: 2, output: undefined, error: null },
          { index: 3, error: null },
        ] as never,
      }),
    },
  );
  await work([flow]);
  const run = await cluster.run(flow, [0, 1, 2, 3]);
  const { items } = await holdfast.items(run.runId, { action: "load" });
  const { FAILED, SUCCEEDED } = ItemStatus;
  expect(items.map(({ status }) => status)).toEqual([FAILED, SUCCEEDED, SUCCEEDED, FAILED]);
  expect(items[0]?.failure).toMatchObject({ mode: FailureMode.HANDLER_BUG });
  expect(items[0]?.failure?.message).toContain("nothing for item 0 that could be its result");
});

it("the error of a run that failed holds how far it came", async () => {
  const flow = workflow("half")
    .action("one", () => 1)
    .action("two", { after: ["one"], ...once }, () => {
      throw new ActionError("VALIDATION", "no");
    });
  await work([flow]);
  const run = await holdfast.start(flow, null);
  await expect(run.result()).rejects.toMatchObject({
    code: "RUN_FAILED",
    partial: { completedSteps: ["one"], failedSteps: ["two"] },
    details: { partial: { completedSteps: ["one"] } },
  });
});
