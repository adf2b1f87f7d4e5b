/** Heartbeats as handlers send them, against the real engine in memory. */
import { FailureMode, RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createWorker, type Holdfast, typed, type Worker, workflow } from "./index.js";
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

/** Long enough for a busy machine to keep to a sixth of it. */
const HEARTBEAT_MS = 1_500;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

it("a handler that goes on saying so may take longer than the heartbeat; one that falls silent is given up, with its last progress", async () => {
  const aborted: string[] = [];
  const beating = workflow("beating", { input: typed<{ beats: number }>() }).action(
    "work",
    { heartbeat: HEARTBEAT_MS, startToClose: "1m", retry: { maxAttempts: 1 } },
    async ({ input }, ctx) => {
      for (let beat = 1; beat <= input.beats; beat++) {
        ctx.heartbeat({ rows: beat });
        await pause(HEARTBEAT_MS / 6);
      }
      if (input.beats > 5) return "done";
      ctx.signal.addEventListener("abort", () => aborted.push(String(ctx.signal.reason)));
      return await new Promise<never>(() => undefined);
    },
  );
  worker = await createWorker({ connection: holdfast, workflows: [beating], stopTimeout: 10 });
  const lively = await holdfast.start(beating, { beats: 8 }, { runId: "lively" });
  expect(await lively.result()).toBe("done");
  const silent = await holdfast.start(beating, { beats: 2 }, { runId: "silent" });
  const { status, failure } = await silent.ended();
  expect(status).toBe(RunStatus.FAILED);
  expect(failure?.mode).toBe(FailureMode.TIMEOUT);
  expect(failure?.message).toBe(
    'work: the handler of action "work" said nothing for 1500 ms (heartbeat); its last progress: {"rows":2}',
  );
  expect(aborted).toHaveLength(1);
});

it("a progress that is no JSON fails nothing", async () => {
  const odd = workflow("odd").action("work", (_args, ctx) => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    ctx.heartbeat(cycle);
    ctx.heartbeat(12n);
    ctx.heartbeat();
    return 1;
  });
  worker = await createWorker({ connection: holdfast, workflows: [odd] });
  expect(await (await holdfast.start(odd, {})).result()).toBe(1);
});
