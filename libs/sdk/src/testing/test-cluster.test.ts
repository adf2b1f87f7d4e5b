/** The testing kit: weeks pass in a moment, at the right times, with the same results as in real time. */
import { afterEach, describe, expect, expectTypeOf, it } from "vitest";
import { ActionError, createWorker, typed, type Worker, workflow } from "../index.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import { replaceHandlers, startTestCluster, type TestCluster, type TestClusterOptions } from "./index.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let cluster: TestCluster | undefined;
let worker: Worker | undefined;
async function begin(workflows: AnyWorkflow[], options: TestClusterOptions = {}): Promise<TestCluster> {
  cluster = await startTestCluster(options);
  worker = await createWorker({ connection: cluster.holdfast, workflows });
  return cluster;
}
afterEach(async () => {
  await worker?.stop();
  await cluster?.close();
  worker = undefined;
  cluster = undefined;
});

describe("time that skips", () => {
  it("tests a week of retries in a moment: each attempt at its time", async () => {
    const at: number[] = [];
    const retry = { maxAttempts: 8, initialBackoff: "1d", factor: 1, maxBackoff: "1d", jitter: 0 } as const;
    const weekly = workflow("weekly").action("call", { retry }, (_args, ctx) => {
      at.push(test.now().getTime());
      if (ctx.attempt < 8) throw new ActionError("UNAVAILABLE", "still away");
      return "back";
    });
    const test = await begin([weekly]);
    const run = await test.run(weekly, {});
    expect(run).toMatchObject({ status: "COMPLETED", output: "back" });
    const days = at.map((ms) => Math.round((ms - (at[0] ?? 0)) / DAY_MS));
    expect(days).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect((at.at(-1) ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(7 * DAY_MS);
  });

  it("passes sleeps and time-outs, and leaves signals that come in time alone", async () => {
    const order = workflow("order")
      .sleep("cool-off", { for: "30d" })
      .approval("release", { after: ["cool-off"], timeout: "7d", onTimeout: "reject", optional: true })
      .action("close", { after: ["release"], trigger: "all_done" }, () => "closed");
    const test = await begin([order]);
    const beganMs = test.now().getTime();
    const run = await test.run(order, {}, { runId: "o-1" });
    expect(run).toMatchObject({ status: "COMPLETED_WITH_FAILURES", output: "closed" });
    expect(run.view.actions.find(({ name }) => name === "release")?.detail).toContain(
      "nobody decided within 7 d",
    );
    expect(Math.round((test.now().getTime() - beganMs) / DAY_MS)).toBe(37);
  });

  it("does not skip while nobody waits, nor while a handler is at work", async () => {
    const seen: number[] = [];
    const slow = workflow("slow")
      .action("work", async () => {
        const before = test.now().getTime();
        await new Promise((resolve) => setTimeout(resolve, 30));
        seen.push(test.now().getTime() - before);
      })
      .sleep("rest", { for: "1d", after: ["work"] });
    const test = await begin([slow]);
    const beganMs = test.now().getTime();
    const handle = await test.holdfast.start(slow, {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(test.now().getTime() - beganMs).toBeLessThan(HOUR_MS);
    await handle.ended();
    expect(seen[0]).toBeLessThan(HOUR_MS);
    expect(test.now().getTime() - beganMs).toBeGreaterThanOrEqual(DAY_MS);
  });

  it("does not leap for what has ended, though nobody told of it", async () => {
    const plain = workflow("plain").action("a", { retry: { maxAttempts: 1 } }, () => {
      throw new ActionError("NETWORK", "away");
    });
    const test = await begin([plain]);
    const runId = "p-1";
    await test.run(plain, {}, { runId });
    // Its answer is kept for a while, which is a timer.
    await test.holdfast.retry(runId);
    await (await test.holdfast.start(plain, {}, { runId })).ended();
    const beganMs = test.now().getTime();
    for (let i = 0; i < 20; i++) await test.client().wait(runId);
    expect(test.now().getTime() - beganMs).toBeLessThan(HOUR_MS);
  });

  it("goes as far as it is told to, stopping at each timer", async () => {
    const at: number[] = [];
    const waits = workflow("waits")
      .sleep("a", { for: "1h" })
      .action("one", { after: ["a"] }, () => void at.push(test.now().getTime()))
      .sleep("b", { for: "1h", after: ["one"] })
      .action("two", { after: ["b"] }, () => void at.push(test.now().getTime()));
    const test = await begin([waits]);
    const beganMs = test.now().getTime();
    const handle = await test.holdfast.start(waits, {});
    await test.advance("90m");
    expect(at.map((ms) => Math.round((ms - beganMs) / HOUR_MS))).toEqual([1]);
    await test.advance("1h");
    expect(at.map((ms) => Math.round((ms - beganMs) / HOUR_MS))).toEqual([1, 2]);
    await handle.ended();
  });

  it("goes on where the node and all its state are lost in the middle", async () => {
    const long = workflow("long")
      .action("first", () => 1)
      .sleep("rest", { for: "5d", after: ["first"] })
      .action("last", { after: ["rest", "first"] }, ({ first }) => first + 1);
    const test = await begin([long]);
    const handle = await test.holdfast.start(long, {});
    await test.advance("2d");
    await test.restartNode({ loseState: true });
    expect(await handle.result()).toBe(2);
  });

  it("says what a run waits for that can't end by itself", async () => {
    const stuck = workflow("stuck").waitForSignal("paid");
    const test = await begin([stuck]);
    await expect(test.run(stuck, {}, { runId: "s-1" })).rejects.toThrow(
      'run s-1 can\'t end by itself: nothing is under way and no timer is set. It is RUNNING; open are:\n  paid: WAITING, waits for signal "paid"',
    );
  });

  it("says which handlers hold it up that never end, whoever lets time pass", async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const hangs = workflow("hangs").forEach("hang", { items: "", window: 2 }, async ({ item }) => {
      if (item !== 2) await released;
    });
    const test = await begin([hangs], { handlerLimit: 300 });
    await test.holdfast.start(
      workflow("hangs").action("renamed", () => 1),
      undefined,
      { runId: "n-0" },
    );
    const run = test.run(hangs, [1, 2, 3], { runId: "n-1" });
    await expect(run).rejects.toThrow(
      /nothing has happened for 300 ms.*At work are:\n {2}run n-1, action hang, 2 of its 3 items$/s,
    );
    await expect(test.advance("1h")).rejects.toThrow("run n-1, action hang");
    release();
  });

  it("waits for a handler that is slow as long as something happens", async () => {
    const steps = workflow("steps").action("slow", async (_args, ctx) => {
      for (let i = 0; i < 8; i++) {
        await ctx.step(`part-${i}`, () => i);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    });
    const test = await begin([steps], { handlerLimit: 600 });
    expect(await test.run(steps, {})).toMatchObject({ status: "COMPLETED" });
  });

  it("says so where no worker has what a run needs", async () => {
    const lonely = workflow("lonely").action("work", () => 1);
    const other = workflow("other").action("work", () => 1);
    const test = await begin([other]);
    await expect(test.run(lonely, {})).rejects.toThrow(
      /work: RUNNING, no worker serves queue "default" for this workflow: start one/,
    );
  });
});

const films = workflow("films", { input: typed<{ rows: number[] }>() })
  .forEach(
    "check",
    { items: "rows", retry: { maxAttempts: 2, initialBackoff: 5, jitter: 0 } },
    ({ item }, ctx) => {
      if (item === 3) throw new ActionError("VALIDATION", "no such film");
      if (item === 2 && ctx.attempt === 1) throw new ActionError("NETWORK", "line cut");
      return item * 10;
    },
  )
  .action("report", { after: ["check"] }, ({ check }) => check.length);

describe("what comes of a run", () => {
  it("is the same with time that skips and with real time", async () => {
    const results: unknown[] = [];
    for (const time of ["skip", "real"] as const) {
      const test = await begin([films], { time });
      const { status, output, detail, view } = await test.run(
        films,
        { rows: [1, 2, 3, 4] },
        { runId: "f-1" },
      );
      const events = view.events.map(({ type, action, attempt, status: at }) => [type, action, attempt, at]);
      results.push({
        status,
        output,
        detail,
        items: view.summary?.items,
        events: events.length,
        tally: view.summary?.tally,
      });
      await worker?.stop();
      await cluster?.close();
    }
    expect(results[0]).toEqual(results[1]);
    expect(results[0]).toMatchObject({ status: "COMPLETED_WITH_FAILURES", output: 3 });
  });
});

describe("replaced handlers", () => {
  it("make any part fail as a test likes, and leave the workflow as it is", async () => {
    let calls = 0;
    const failing = replaceHandlers(films, {
      report: () => {
        calls += 1;
        throw new ActionError("PERMISSION", "not today");
      },
    });
    const test = await begin([failing]);
    expect(await test.run(failing, { rows: [1] })).toMatchObject({ status: "FAILED", output: undefined });
    expect(calls).toBe(1);
    expect(failing.hash).toBe(films.hash);
    expect(films.handlers.get("report")).not.toBe(failing.handlers.get("report"));
  });

  it("are refused where there is no such action", () => {
    // @ts-expect-error There is no such action.
    expect(() => replaceHandlers(films, { nothing: () => 1 })).toThrow(
      'workflow "films" has no handler of action "nothing" to replace; it has: check, report',
    );
    const sleeps = workflow("sleeps").sleep("rest", { for: "1d" });
    expect(() => replaceHandlers(sleeps, { rest: () => 1 })).toThrow('has no handler of action "rest"');
    // @ts-expect-error It is no external batch.
    expect(() => replaceHandlers(films, { report: { check: () => 1 } })).toThrow("is no external batch");
  });

  it("are typed as those that they stand for", () => {
    replaceHandlers(films, {
      check: ({ item, index }, ctx) => {
        expectTypeOf(item).toEqualTypeOf<number>();
        return index % 2 === 0 ? item : ctx.skip("odd");
      },
      report: ({ check }, ctx) => {
        expectTypeOf(check).toEqualTypeOf<number[]>();
        return ctx.noEffect("nothing to report");
      },
    });
    // @ts-expect-error What depends on it gets a number.
    replaceHandlers(films, { report: () => "text" });
    // @ts-expect-error Its items are numbers.
    replaceHandlers(films, { check: ({ item }) => item.length });
  });

  it("of an external batch may be some of them", async () => {
    const scored = workflow("scored").batch(
      "score",
      { pollInterval: "1h" },
      { submit: () => ({ job: 1 }), check: () => ({ done: true, output: "real" }) },
    );
    const checked: unknown[] = [];
    const faked = replaceHandlers(scored, {
      score: {
        check: (handle: unknown) => {
          checked.push(handle);
          return { done: true, output: "fake" };
        },
      },
    });
    const test = await begin([faked]);
    expect(await test.run(faked, {})).toMatchObject({ status: "COMPLETED", output: "fake" });
    expect(checked).toEqual([{ job: 1 }]);
  });
});
