/** A worker is killed with work in its hands: the work is said to be lost, by whom, and is done elsewhere. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FailureMode, RunStatus, Source } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { until, within } from "../support/wait.js";
import { HOLD_FILE } from "./workflows.js";

const HELD = 12;

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a killed worker's tasks are lost by name, tried elsewhere, and nothing is lost with them", async () => {
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const holdFile = join(running.folder, "hold");
  writeFileSync(holdFile, "");
  const env = { [EFFECTS_FILE]: effects, [HOLD_FILE]: holdFile };
  const worker = await running.startWorker({ modules: ["test/crash/workflows.ts"], env });
  const lostId = worker.ready[1] ?? "";
  const client = await running.connect();
  const handles = await Promise.all([
    ...Array.from({ length: HELD }, (_, n) => client.start("held", null, { runId: `held-${n}` })),
    client.start("held-once", null, { runId: "once" }),
  ]);
  await until("all to be in the worker's hands", () => effectsOf(effects).size === HELD + 1);

  const other = await running.startWorker({ modules: ["test/crash/workflows.ts"], env });
  await worker.kill();
  rmSync(holdFile);
  // Others are served before the lost ones, which a lease keeps from the other worker for a while.
  const quick = await client.start("single", { n: 4, ms: 0 });
  const first = Promise.race([quick.result(), ...handles.map((handle) => handle.ended())]);
  expect(await within("a run beside the lost ones", first)).toBe(8);

  const ends = await within("all to end", Promise.all(handles.map((handle) => handle.ended())));
  expect(ends.map(({ status }) => status)).toEqual([
    ...Array(HELD).fill(RunStatus.COMPLETED),
    RunStatus.FAILED,
  ]);
  for (let n = 0; n < HELD; n++) {
    const view = await client.get(`held-${n}`);
    expect(viewProblems(view)).toEqual([]);
    expect(view.actions[0]).toMatchObject({ attempt: 2, worker: other.ready[1] });
    const failed = view.events.filter((event) => event.type === "attempt_failed");
    expect(failed.map(({ attempt }) => attempt)).toEqual([1]);
    expect(failed[0]?.detail).toContain(lostId);
    expect(effectsOf(effects).get(`held-${n}/hold`)).toBe(2);
  }
  const once = await client.get("once");
  expect(once.actions[0]?.failure).toMatchObject({
    mode: FailureMode.WORKER_LOST,
    source: Source.LOST_WORKER,
    worker: lostId,
  });
  expect(once.actions[0]?.detail).toContain(lostId);
  expect(once.failure?.mode).toBe(FailureMode.WORKER_LOST);
  expect(once.summary?.detail).toContain(lostId);
  expect(effectsOf(effects).get("once/hold")).toBe(1);
});
