/** Heartbeats as handlers send them, against the real engine in memory. */
import { Node, soleOwner } from "@holdfast/engine";
import {
  ManualClock,
  MemoryCommandLog,
  MemoryDefinitions,
  MemoryNetwork,
  MemoryPayloads,
  MemoryStateStore,
} from "@holdfast/engine/memory";
import { FailureMode, RunStatus } from "@holdfast/proto";
import { createRegistry, silentLogger } from "@holdfast/telemetry";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createWorker, Holdfast, typed, type Worker, workflow } from "./index.js";

const HEARTBEAT_MS = 1_500;
const STEP_MS = 50;
const STEPS_MAX = 2_000;

let clock: ManualClock;
let node: Node;
let holdfast: Holdfast;
let worker: Worker | undefined;
beforeEach(async () => {
  clock = new ManualClock();
  const log = new MemoryCommandLog({ partitions: 2, nowNs: () => BigInt(clock.nowMs()) * 1_000_000n });
  const network = new MemoryNetwork({ clock });
  const payloads = new MemoryPayloads(undefined, undefined, clock);
  node = new Node({
    ...{ node: "node-1", log, payloads, clock, bus: network.bus(), store: new MemoryStateStore() },
    ...{ ownership: soleOwner, logger: silentLogger, registry: createRegistry() },
  });
  await until(node.start());
  const ports = { log, payloads, bus: network.bus(), definitions: new MemoryDefinitions() };
  holdfast = Holdfast.over({ ...ports, close: () => Promise.resolve() }, { logger: silentLogger, clock });
});
afterEach(async () => {
  if (worker !== undefined) await until(worker.stop());
  worker = undefined;
  await until(holdfast.close());
  await until(node.stop());
});

/** Lets time pass, which stands still otherwise, until a promise is settled. */
async function until<T>(promise: Promise<T>): Promise<T> {
  const state = { settled: false };
  const done = promise.finally(() => {
    state.settled = true;
  });
  done.catch(() => undefined);
  for (let step = 0; step < STEPS_MAX && !state.settled; step++) await clock.advance(STEP_MS);
  if (!state.settled) throw new Error(`nothing came of it in ${STEPS_MAX * STEP_MS} ms of the test's time`);
  return await done;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));

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
  worker = await until(createWorker({ connection: holdfast, workflows: [beating], stopTimeout: 10 }));
  const beganMs = clock.nowMs();
  const lively = await until(holdfast.start(beating, { beats: 8 }, { runId: "lively" }));
  expect(await until(lively.result())).toBe("done");
  expect(clock.nowMs() - beganMs).toBeGreaterThan(HEARTBEAT_MS);
  const silent = await until(holdfast.start(beating, { beats: 2 }, { runId: "silent" }));
  const { status, failure } = await until(silent.ended());
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
  worker = await until(createWorker({ connection: holdfast, workflows: [odd] }));
  const run = await until(holdfast.start(odd, {}));
  expect(await until(run.result())).toBe(1);
});
