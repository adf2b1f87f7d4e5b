/** A worker's process stands still for longer than its lease, and goes on: it was not dead, and its work counts. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RunStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { System } from "../support/system.js";
import { pause, until, within } from "../support/wait.js";
import { HOLD_FILE } from "./workflows.js";

/** More than the lease of 10 s, less than the 30 s of a worker whose connection stands. */
const STOPPED_MS = 14_000;

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a stopped worker process keeps its tasks for longer than its lease, and its only attempt is not spent", async () => {
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const holdFile = join(running.folder, "hold");
  writeFileSync(holdFile, "");
  const worker = await running.startWorker({
    modules: ["test/crash/workflows.ts"],
    env: { [EFFECTS_FILE]: effects, [HOLD_FILE]: holdFile },
  });
  const client = await running.connect();
  const handle = await client.start("held-once", null, { runId: "once" });
  await until("the handler to be at work", () => effectsOf(effects).size === 1);
  process.kill(worker.pid, "SIGSTOP");
  try {
    await pause(STOPPED_MS);
  } finally {
    process.kill(worker.pid, "SIGCONT");
  }
  rmSync(holdFile);
  const { status } = await within("the run to end", handle.ended());
  expect(status).toBe(RunStatus.COMPLETED);
  expect((await client.get("once")).actions[0]).toMatchObject({ attempt: 1, worker: worker.ready[1] });
  expect(effectsOf(effects).get("once/hold")).toBe(1);
});
