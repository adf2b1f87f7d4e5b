/** Attempts that nobody will finish, on the real parts: each ends with its own reason, also where worker and node were killed. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { FailureMode, RunStatus, Source } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { until, within } from "../support/wait.js";

const MODULES = ["test/crash/time-outs-workflow.ts"];

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a silent handler, a killed worker and a worker that never came each say so, in one run", async () => {
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const worker = await running.startWorker({ modules: MODULES, env: { [EFFECTS_FILE]: effects } });
  const client = await running.connect();
  // The first attempt falls silent after half a second; the worker is killed in the second; nobody is there for the third.
  const handle = await client.start("hurried", { beats: 5 }, { runId: "hurried-1" });
  await until("the second attempt", () => effectsOf(effects).get("hurried-1/work") === 2);
  await worker.kill();
  await running.node.kill();
  rmSync(running.dataDir, { recursive: true, force: true });
  await running.startNode();

  const { status } = await within("the end", handle.ended());
  expect(status).toBe(RunStatus.FAILED);
  const view = await client.get("hurried-1");
  expect(viewProblems(view)).toEqual([]);
  const failed = view.events.filter(({ type }) => type === "attempt_failed").map(({ detail }) => detail);
  expect(failed[0]).toBe(
    'TIMEOUT: the handler of action "work" said nothing for 1000 ms (heartbeat); its last progress: {"beat":5}',
  );
  // The new owner heard nothing of the second attempt from anybody: it was not begun again in time, or its worker was lost.
  expect(failed[1]).toMatch(/^(TIMEOUT: no worker began it within 2000 ms|WORKER_LOST: )/);
  const [action] = view.actions;
  expect(action?.attempt).toBe(3);
  expect(action?.failure).toMatchObject({ mode: FailureMode.TIMEOUT, source: Source.TIMEOUT });
  expect(action?.detail).toContain('no worker serves queue "default" for this workflow');
  expect(effectsOf(effects).get("hurried-1/work")).toBe(2);
});
