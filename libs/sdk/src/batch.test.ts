/** External batch actions as users write them, against the real engine in memory and an outside system made up here. */
import { ActionStatus, BatchPhase, FailureMode, ItemStatus, RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  ActionError,
  createWorker,
  type Holdfast,
  type JobResult,
  typed,
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

const FAST = {
  pollInterval: { initial: 5, factor: 1, jitter: 0 },
  retry: { maxAttempts: 2, initialBackoff: 1 },
} as const;
const work = async (made: Parameters<typeof createWorker>[0]["workflows"]): Promise<void> => {
  worker = await createWorker({ connection: holdfast, workflows: made, stopTimeout: 50 });
};
const actionOf = async (runId: string, name: string) =>
  (await holdfast.get(runId)).actions.find((each) => each.name === name);

describe("a batch over items", () => {
  it("hands over the items, takes results as they come, and goes on with the good ones", async () => {
    const submits: { items: readonly { index: number; item: { id: number } }[]; key: string; job: number }[] =
      [];
    let checks = 0;
    const made = workflow("score", { input: typed<{ rows: { id: number }[]; model: string }>() })
      .action("prompt", ({ input }) => `for ${input.model}`)
      .batch(
        "score",
        { items: "rows", after: ["prompt"], ...FAST },
        {
          submit({ input, items, prompt }, ctx) {
            expectTypeOf(prompt).toEqualTypeOf<string>();
            submits.push({ items, key: ctx.idempotencyKey, job: ctx.job });
            return { name: `${prompt} ${input.model}`, at: new Date(0) };
          },
          async check(handle, ctx) {
            expectTypeOf(handle).toEqualTypeOf<{ name: string; at: string }>();
            expect(handle).toEqual({ name: "for m m", at: "1970-01-01T00:00:00.000Z" });
            checks += 1;
            expect(await ctx.runInput()).toMatchObject({ model: "m" });
            if (ctx.job === 2) return { done: true, results: [{ index: 2, output: { score: 30 } }] };
            if (checks === 1) return { done: false, results: [{ index: 0, output: { score: 10 } }] };
            return {
              done: true,
              progress: "all",
              results: [
                { index: 0, error: "comes too late to count" },
                { index: 1, error: new ActionError("VALIDATION", "no text") },
                { index: 2, error: new ActionError("RATE_LIMITED", "slow down") },
                { index: 3, skip: "a duplicate" },
              ],
            };
          },
        },
      )
      .forEach("save", { itemsOf: "score" }, ({ item, index }) => {
        expectTypeOf(item).toEqualTypeOf<{ score: number }>();
        return `${index}: ${item.score}`;
      });
    await work([made]);
    const rows = [1, 2, 3, 4].map((id) => ({ id }));
    const { runId } = await holdfast.start(made, { rows, model: "m" });
    expect((await holdfast.wait(runId)).status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    expect(submits).toEqual([
      { items: rows.map((item, index) => ({ index, item })), key: `${runId}/score/job-1`, job: 1 },
      { items: [{ index: 2, item: { id: 3 } }], key: `${runId}/score/job-2`, job: 2 },
    ]);
    const score = await actionOf(runId, "score");
    expect(score?.items).toMatchObject({ succeeded: 2, failed: 1, skipped: 1 });
    expect(score?.batch).toMatchObject({ phase: BatchPhase.UNSPECIFIED, job: 2 });
    const [failed] = (await holdfast.items(runId, { action: "score", statuses: [ItemStatus.FAILED] })).items;
    expect(failed?.failure).toMatchObject({ mode: FailureMode.VALIDATION, message: "no text" });
    expect(failed?.attempts).toBe(1);
    expect((await actionOf(runId, "save"))?.items).toMatchObject({ succeeded: 2 });
  });

  it("takes the good results of an answer, names the entries that are none, and fails what got none alone", async () => {
    let submits = 0;
    const made = workflow("mixed", { input: typed<{ rows: number[] }>() }).batch(
      "job",
      { items: "rows", ...FAST, retry: { maxAttempts: 1 } },
      {
        submit: () => ++submits,
        check: () => ({
          done: true,
          results: [
            { index: -1, output: 1 },
            { index: 0, output: "good" },
            { index: 1.5, output: 1 },
            { index: "1", output: 1 },
            { index: Number.NaN, output: 1 },
            { index: 2 ** 32, output: 1 },
            null,
            7,
            { index: 2, output: 2n },
            { index: 0, error: "a second one" },
            { index: 3, skip: "no need" },
          ] as never,
        }),
      },
    );
    await work([made]);
    const { runId } = await holdfast.start(made, { rows: [10, 11, 12, 13] });
    expect((await holdfast.wait(runId)).status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    const { items } = await holdfast.items(runId, { action: "job" });
    expect(items.map(({ status }) => ItemStatus[status])).toEqual([
      "SUCCEEDED",
      "FAILED",
      "FAILED",
      "SKIPPED",
    ]);
    expect(items[1]?.failure?.message).toContain(
      "ended without a result for this item (8 of 11 results that check returned can't be used: entry 0 has the index -1, " +
        "entry 2 has the index 1.5, entry 3 has a string as its index and 5 more)",
    );
    expect(items[2]?.failure?.message).toMatch(/bigint/);
    expect(submits).toBe(1);
  });

  it("brings thousands of results in several commands, large ones and large items by reference", async () => {
    const count = 2_600;
    let got = 0;
    const made = workflow("many", { input: typed<{ rows: string[] }>() }).batch(
      "all",
      { items: "rows", ...FAST },
      {
        submit({ items }) {
          got = items.length;
          return "j";
        },
        check: () => ({
          done: true,
          results: Array.from(
            { length: count },
            (_, index): JobResult<string> => ({ index, output: "y".repeat(index === 7 ? 300_000 : 100) }),
          ),
        }),
      },
    );
    await work([made]);
    const rows = Array.from({ length: count }, (_, i) => `${i}`.padEnd(200, "x"));
    const { runId } = await holdfast.start(made, { rows });
    expect((await holdfast.wait(runId)).status).toBe(RunStatus.COMPLETED);
    expect(got).toBe(count);
    expect((await actionOf(runId, "all"))?.items).toMatchObject({ succeeded: count });
  });

  it("submits the failed items alone when the run is retried", async () => {
    const submitted: number[][] = [];
    const made = workflow("again", { input: typed<number[]>() }).batch(
      "all",
      { items: "", ...FAST, retry: { maxAttempts: 1 } },
      {
        submit({ items }) {
          submitted.push(items.map(({ index }) => index));
          return items.map(({ index }) => index);
        },
        check: (indices, { job }) => ({
          done: true,
          results: indices
            .filter((index) => job > 1 || index !== 1)
            .map((index) => ({ index, output: index })),
        }),
      },
    );
    await work([made]);
    const { runId } = await holdfast.start(made, [5, 6, 7]);
    const first = await holdfast.wait(runId);
    expect([first.status, first.detail]).toEqual([
      RunStatus.COMPLETED_WITH_FAILURES,
      "all: 1 of 3 items failed (PARTIAL_TOOL_FAILURES 1)",
    ]);
    await holdfast.retry(runId);
    expect((await holdfast.wait(runId)).status).toBe(RunStatus.COMPLETED);
    expect(submitted).toEqual([[0, 1, 2], [1]]);
  });

  it("is waited for by nobody between two checks, and told when it is not wanted", async () => {
    const cancelled: string[] = [];
    const made = workflow("stopped", { input: typed<number[]>() }).batch(
      "all",
      { items: "", ...FAST },
      {
        submit: (_, ctx) => ctx.idempotencyKey,
        check: () => ({ done: false, results: [{ index: 1, output: "kept" }], progress: "half" }),
        cancel: (handle) => {
          cancelled.push(handle);
        },
      },
    );
    await work([made]);
    const { runId } = await holdfast.start(made, [1, 2]);
    await vi.waitFor(
      async () => {
        const all = await actionOf(runId, "all");
        expect([all?.status, all?.batch?.done, all?.batch?.progress]).toEqual([
          ActionStatus.WAITING,
          1,
          "half",
        ]);
        expect(all?.detail).toBe(`batch job ${runId}/all/job-1: 1 of 2 done; half`);
      },
      { timeout: 60_000 },
    );
    await holdfast.cancel(runId);
    await vi.waitFor(() => expect(cancelled).toEqual([`${runId}/all/job-1`]), { timeout: 60_000 });
    expect((await actionOf(runId, "all"))?.items).toMatchObject({ succeeded: 1, cancelled: 1 });
    await vi.waitFor(async () => expect((await actionOf(runId, "all"))?.batch?.cancels).toBe(0), {
      timeout: 60_000,
    });
  });
});

describe("a batch that is one job", () => {
  it("ends with its output, submits again with the same key what was cut off, and keeps the submit's steps", async () => {
    const keys: string[] = [];
    let uploads = 0;
    let checks = 0;
    const made = workflow("report", { input: typed<{ month: string }>() })
      .batch(
        "render",
        { ...FAST },
        {
          async submit({ input }, ctx) {
            await ctx.step("upload", () => {
              uploads += 1;
            });
            keys.push(ctx.idempotencyKey);
            if (keys.length === 1) throw new ActionError("NETWORK", "cut off");
            return input.month;
          },
          check(handle) {
            checks += 1;
            if (checks === 1) throw new ActionError("UNAVAILABLE", "try later");
            return checks < 3 ? { done: false } : { done: true, output: { url: `/${handle}.pdf` } };
          },
        },
      )
      .action("send", { after: ["render"] }, ({ render }) => {
        expectTypeOf(render).toEqualTypeOf<{ url: string }>();
        return render.url;
      });
    await work([made]);
    const run = await holdfast.start(made, { month: "may" });
    expect(await run.result()).toBe("/may.pdf");
    expect(keys).toEqual([`${run.runId}/render/job-1`, `${run.runId}/render/job-1`]);
    expect(uploads).toBe(1);
  });

  it.each([
    [{ submit: () => undefined, check: () => ({ done: true }) }, /submit returned nothing/],
    [{ submit: () => "x".repeat(5_000), check: () => ({ done: true }) }, /more than 4096 bytes/],
    [{ submit: () => 1, check: () => "soon" as never }, /check returned no \{ done: true \| false \}/],
    [
      { submit: () => 1, check: () => ({ done: true, results: [{}] }) },
      /^1 of 1 results that check returned can't be used: entry 0 has undefined as its index/,
    ],
    [
      { submit: () => 1, check: () => ({ done: true, error: new ActionError("CONFLICT", "twice") }) },
      /^twice$/,
    ],
  ])("says what is wrong with what its handlers return: %#", async (handlers, message) => {
    const made = workflow("wrong").batch("job", { ...FAST, retry: { maxAttempts: 1 } }, handlers as never);
    await work([made]);
    const { runId } = await holdfast.start(made, null);
    expect((await holdfast.wait(runId)).status).toBe(RunStatus.FAILED);
    expect((await actionOf(runId, "job"))?.failure?.message).toMatch(message);
  });
});

it("is refused without the handlers that it needs", () => {
  const declare = (handlers: object) => () => workflow("w").batch("job", {}, handlers as never);
  expect(declare({ submit: () => 1 })).toThrow(/its check must be a handler function/);
  expect(declare({ check: () => 1 })).toThrow(/its submit must be a handler function/);
  expect(declare({ submit: () => 1, check: () => 1, cancel: 7 })).toThrow(/its cancel must be/);
  const made = workflow("w").batch("job", { itemsAJob: 3 } as never, {
    submit: () => 1,
    check: () => ({ done: true }),
  });
  expect(() => made.hash).toThrow(/says how many items a job has, but is not over items/);
});
