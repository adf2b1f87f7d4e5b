/** Compensation as users write it, against the real engine in memory. */
import { ActionStatus, RecoveryStrategy, RunStatus, UndoStatus } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  ActionError,
  createWorker,
  type Holdfast,
  typed,
  type UndoCause,
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

const FAST = { maxAttempts: 3, initialBackoff: 1, jitter: 0 } as const;
const undoOf = async (runId: string, action: string) =>
  (await holdfast.get(runId)).actions.find((each) => each.name === action)?.undo;

describe("an undo", () => {
  it("gets what the handler got and returned, why, and a key of its own; it is retried and keeps its steps", async () => {
    const seen: string[] = [];
    const causes: UndoCause[] = [];
    let refunds = 0;
    const order = workflow("order", { input: typed<{ id: number }>() })
      .action("reserve", ({ input }) => ({ place: input.id + 1 }))
      .action(
        "pay",
        { after: ["reserve"], retry: FAST },
        ({ reserve }, ctx) => {
          seen.push(`pay ${ctx.idempotencyKey} ${ctx.attempt}`);
          return { receipt: `for ${reserve.place}`, at: new Date(0) };
        },
        {
          undo: async ({ input, reserve, output }, ctx) => {
            expectTypeOf(output).toEqualTypeOf<{ receipt: string; at: string }>();
            causes.push(ctx.cause);
            await ctx.step("refund", () => {
              refunds += 1;
            });
            seen.push(
              `undo ${ctx.idempotencyKey} ${ctx.attempt} of ${input.id} ${reserve.place} ${output.receipt}`,
            );
            if (ctx.attempt === 2) throw new ActionError("NETWORK", "bank away");
          },
        },
      )
      .action("ship", { after: ["pay"] }, () => {
        throw new ActionError("VALIDATION", "no such street");
      });
    worker = await createWorker({ connection: holdfast, workflows: [order], stopTimeout: 50 });
    const { runId } = await holdfast.start(order, { id: 6 });
    const ended = await holdfast.wait(runId);
    expect(ended.status).toBe(RunStatus.FAILED);
    expect(ended.detail).toBe("ship: no such street; undone: pay");
    expect(seen).toEqual([
      `pay ${runId}/pay 1`,
      `undo ${runId}/pay/undo 2 of 6 7 for 7`,
      `undo ${runId}/pay/undo 3 of 6 7 for 7`,
    ]);
    expect(refunds).toBe(1);
    expect(causes[0]).toEqual({ mode: "VALIDATION", message: "ship: no such street" });
    expect(await undoOf(runId, "pay")).toMatchObject({ status: UndoStatus.DONE, attempts: 2 });
    expect(await undoOf(runId, "reserve")).toBeUndefined();

    await holdfast.retry(runId);
    await holdfast.wait(runId);
    expect(seen.slice(3)).toEqual([
      `pay ${runId}/pay/again-1 4`,
      `undo ${runId}/pay/again-1/undo 5 of 6 7 for 7`,
    ]);
  });

  it("of an action over items is one call with the outputs of its successes", async () => {
    const undone: unknown[] = [];
    const rows = workflow("rows", { input: typed<{ rows: number[] }>() })
      .action("table", () => "t")
      .forEach(
        "load",
        { items: "rows", after: ["table"], retry: { maxAttempts: 1 } },
        ({ item }) => {
          if (item === 2) throw new ActionError("VALIDATION", "odd one out");
          return { row: item * 10 };
        },
        {
          undo: ({ input, outputs, table }, ctx) => {
            expectTypeOf(outputs[0]?.output).toEqualTypeOf<{ row: number } | undefined>();
            undone.push({ rows: input.rows.length, outputs, table, why: ctx.cause.mode });
          },
        },
      )
      .action("last", { after: ["load"] }, () => {
        throw new ActionError("CONFLICT", "no");
      });
    worker = await createWorker({ connection: holdfast, workflows: [rows], stopTimeout: 50 });
    const run = await holdfast.start(rows, { rows: [1, 2, 3] });
    expect((await holdfast.wait(run.runId)).status).toBe(RunStatus.FAILED);
    expect(undone).toEqual([
      {
        rows: 3,
        outputs: [
          { index: 0, output: { row: 10 } },
          { index: 2, output: { row: 30 } },
        ],
        table: "t",
        why: "PARTIAL_STEP_FAILURES",
      },
    ]);
  });

  it("of large outputs gets them whole, and what it returns is not kept", async () => {
    const text = "x".repeat(300_000);
    const lengths: number[] = [];
    const large = workflow("large", { input: typed<number[]>() })
      .forEach("each", { items: "" }, () => text, {
        undo: ({ outputs }) => {
          lengths.push(...outputs.map(({ output }) => output.length));
          return text;
        },
      })
      .action("one", { after: ["each"] }, () => text, {
        undo: ({ output }) => {
          lengths.push(output.length);
        },
      })
      .action("last", { after: ["one"] }, () => {
        throw new ActionError("CONFLICT", "no");
      });
    worker = await createWorker({ connection: holdfast, workflows: [large], stopTimeout: 50 });
    const run = await holdfast.start(large, [1, 2]);
    await holdfast.wait(run.runId);
    expect(lengths).toEqual([300_000, 300_000, 300_000]);
  });

  it("begins again at whoever owns the run next, and can't be cancelled", async () => {
    let begun = 0;
    let letGo = (): void => undefined;
    const free = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const slow = workflow("slow")
      .action("first", {}, () => 1, {
        undo: async () => {
          begun += 1;
          await free;
        },
      })
      .waitForSignal("go", { after: ["first"] });
    worker = await createWorker({ connection: holdfast, workflows: [slow], stopTimeout: 50 });
    const { runId } = await holdfast.start(slow, null);
    await vi.waitFor(
      async () => expect((await holdfast.get(runId)).actions[0]?.status).toBe(ActionStatus.COMPLETED),
      { timeout: 60_000 },
    );
    await holdfast.cancel(runId, { reason: "not wanted" });
    await vi.waitFor(() => expect(begun).toBe(1), { timeout: 60_000 });
    expect((await holdfast.get(runId)).summary).toMatchObject({
      status: RunStatus.RUNNING,
      detail: "undoing: 0 of 1; cancelled: not wanted",
    });
    await expect(holdfast.cancel(runId)).rejects.toThrow(
      /compensation, which a cancel does not stop: 0 of 1/,
    );
    await expect(holdfast.retry(runId)).rejects.toThrow(/being undone \(0 of 1\)/);
    await cluster.restartNode();
    letGo();
    const ended = await holdfast.wait(runId);
    expect(ended.status).toBe(RunStatus.CANCELLED);
    expect(ended.detail).toBe("cancelled: not wanted; undone: first");
    expect(begun).toBe(1);
  });

  it("that fails for good is told, with what to do", async () => {
    const stuck = workflow("stuck")
      .action("first", { failureMessage: "first is not to be done" }, () => 1, {
        undo: () => {
          throw new ActionError("CONFLICT", "too late");
        },
      })
      .action("last", { after: ["first"] }, () => {
        throw new ActionError("VALIDATION", "no");
      });
    worker = await createWorker({ connection: holdfast, workflows: [stuck], stopTimeout: 50 });
    const run = await holdfast.start(stuck, null);
    await expect(run.result()).rejects.toThrow(/last: no; could not be undone: first \(CONFLICT: too late\)/);
    const { recommendation } = await holdfast.get(run.runId);
    expect(recommendation?.strategy).toBe(RecoveryStrategy.MANUAL);
    expect(recommendation?.hint).toContain(`what first of run ${run.runId} did: it still stands`);
  });
});

it.each([
  [
    () => workflow("w").action("a", {}, () => 1, { undo: "later" as never }),
    /undo of action a .* must be a handler function/,
  ],
  [
    () => workflow("w").action("a", { undo: () => 1 } as never, () => 1),
    /undo of action a of workflow w is not one of its options: pass \{ undo \} after the handler/,
  ],
  [
    () =>
      workflow("w")
        .action("output", () => 1)
        .action("a", { after: ["output"] }, () => 1, { undo: () => undefined }).definition,
    /"a" can't be undone after an action "output"/,
  ],
  [
    () =>
      workflow("w", { input: typed<number[]>() })
        .action("outputs", () => 1)
        .forEach("a", { items: "", after: ["outputs"] }, () => 1, { undo: () => undefined }).definition,
    /"a" can't be undone after an action "outputs"/,
  ],
])("an undo that can't be is refused where it is declared", (declare, message) => {
  expect(declare).toThrow(message);
});
