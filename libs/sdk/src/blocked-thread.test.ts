/** A handler that blocks the thread of its process: its neighbours are not judged by it, and what it did is told. */
import { FailureMode, RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createWorker, type Holdfast, type Worker, workflow } from "./index.js";
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

const block = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const once = { maxAttempts: 1 } as const;
const BLOCK_MS = 4_000;

it("a neighbour that says that it lives is not silent while another handler blocks the thread", async () => {
  const seen = { blocked: false };
  const beating = workflow("beating").action("beat", { heartbeat: "2s", retry: once }, async (_, ctx) => {
    while (!seen.blocked) {
      ctx.heartbeat();
      await pause(20);
    }
    return "alive";
  });
  const blocking = workflow("blocking").action("block", { retry: once }, async () => {
    await pause(200);
    block(BLOCK_MS);
    seen.blocked = true;
    await pause(100);
  });
  worker = await createWorker({ connection: holdfast, workflows: [beating, blocking], stopTimeout: 50 });
  const first = await holdfast.start(beating, null);
  const second = await holdfast.start(blocking, null);
  expect(await first.result()).toBe("alive");
  await second.result();
});

it("a handler that is alone and blocks the thread for longer than it may be silent is told so", async () => {
  const flow = workflow("blocking").action("block", { heartbeat: "2s", retry: once }, async () => {
    block(BLOCK_MS);
    await new Promise(() => undefined);
  });
  worker = await createWorker({ connection: holdfast, workflows: [flow], stopTimeout: 50 });
  const run = await holdfast.start(flow, null, { runId: "run-1" });
  expect((await run.ended()).status).toBe(RunStatus.FAILED);
  const { actions } = await holdfast.get("run-1");
  expect(actions[0]?.failure?.mode).toBe(FailureMode.TIMEOUT);
  expect(actions[0]?.failure?.message).toMatch(
    /the worker's thread was blocked for \d+\.\d s, by the handler block of run run-1/,
  );
});
