/** Actions that wait, against the real engine in memory. */
import { ActionStatus, FailureMode, RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createWorker, type Holdfast, HoldfastError, typed, type Worker, workflow } from "./index.js";
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

const order = workflow("order", { input: typed<{ id: number }>() })
  .waitForSignal("paid", { payload: typed<{ amount: number }>() })
  .approval("checked", { after: ["paid"], prompt: "ship it?" })
  .sleep("cooling", { after: ["checked"], for: 20 })
  .action("ship", { after: ["paid", "checked", "cooling"] }, ({ input, paid, checked }) => ({
    id: input.id,
    amount: paid.amount,
    by: checked.who,
  }));

async function started(): Promise<string> {
  worker = await createWorker({ connection: holdfast, workflows: [order], stopTimeout: 50 });
  return (await holdfast.start(order, { id: 7 })).runId;
}

const statusOf = async (runId: string, action: string): Promise<ActionStatus | undefined> =>
  (await holdfast.get(runId)).actions.find((each) => each.name === action)?.status;

describe("a run that waits", () => {
  it("goes on with a signal, a decision and the time, and gets what came with them", async () => {
    const runId = await started();
    expect(await statusOf(runId, "paid")).toBe(ActionStatus.WAITING);
    await holdfast.signal(runId, "paid", { amount: 3 });
    await vi.waitFor(async () => expect(await statusOf(runId, "checked")).toBe(ActionStatus.WAITING), {
      timeout: 60_000,
    });
    await cluster.restartNode();
    await holdfast.approve(runId, { comment: "fine" });
    const ended = await holdfast.wait(runId);
    expect(ended.status).toBe(RunStatus.COMPLETED);
    expect(await holdfast.output(ended)).toMatchObject({ id: 7, amount: 3 });
  });

  it("takes a signal that came before it waited", async () => {
    const flow = workflow("late")
      .action("first", () => 1)
      .waitForSignal("go", { after: ["first"] });
    const run = await holdfast.start(flow, null);
    await holdfast.signal(run.runId, "go", "early");
    worker = await createWorker({ connection: holdfast, workflows: [flow], stopTimeout: 50 });
    expect(await run.result()).toBe("early");
  });

  it("fails where it is rejected, and says by whom", async () => {
    const runId = await started();
    await holdfast.signal(runId, "paid", { amount: 3 });
    await vi.waitFor(async () => expect(await statusOf(runId, "checked")).toBe(ActionStatus.WAITING), {
      timeout: 60_000,
    });
    await holdfast.reject(runId, { comment: "not this quarter" });
    const ended = await holdfast.wait(runId);
    expect(ended.status).toBe(RunStatus.FAILED);
    expect(ended.failure).toMatchObject({ mode: FailureMode.PERMISSION });
    expect(ended.failure?.message).toContain("not this quarter");
  });

  it("is found among those that wait, and no other is", async () => {
    const done = workflow("done").action("only", () => 1);
    const other = await createWorker({ connection: holdfast, workflows: [done], stopTimeout: 50 });
    await (await holdfast.start(done, null)).result();
    await other.stop();
    const runId = await started();
    const { runs } = await holdfast.list({ waiting: true });
    expect(runs.map((run) => [run.runId, run.detail])).toEqual([[runId, 'paid waits for signal "paid"']]);
    const { actions } = await holdfast.get(runId);
    expect(actions.find(({ name }) => name === "paid")?.wait).toMatchObject({ kind: "signal", text: "paid" });
  });

  it("refuses a decision that nothing waits for", async () => {
    const runId = await started();
    await expect(holdfast.approve(runId)).rejects.toThrow(/no action of run \S+ waits for an approval/);
  });
});

it.each([
  [() => workflow("w").sleep("s", { for: 0 }), /sleeps for no time/],
  [() => workflow("w").sleep("s", { for: "5000d" }), /up to ten years/],
  [() => workflow("w").waitForSignal("s", { signal: "a.b" }), /signal name/],
  [() => workflow("w").approval("s", { onTimeout: "shrug" as "fail" }), /onTimeout of action s/],
])("a wait that can't be is refused where it is declared or registered", async (declare, message) => {
  await expect((async () => holdfast.register(declare()))()).rejects.toThrow(message);
  await expect((async () => holdfast.register(declare()))()).rejects.toBeInstanceOf(HoldfastError);
});
