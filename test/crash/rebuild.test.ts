/** The node's folder is gone: the log gives everything back, to the byte that people see. */
import { rm } from "node:fs/promises";
import { RunStatus } from "@holdfast/proto";
import { afterEach, expect, test } from "vitest";
import { effectsOf } from "../support/effects.js";
import { snapshot } from "../support/snapshot.js";
import { System } from "../support/system.js";
import { within } from "../support/wait.js";
import { startMixedRuns } from "./mixed-runs.js";

const SOON_MS = 7_000;

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a node that lost its data folder has everything back from the log, and goes on with it", async () => {
  const running = await System.start();
  system = running;
  const client = await running.connect();
  const mixed = await startMixedRuns(running, client);
  const before = await snapshot(client);
  const soon = await client.start(
    "single",
    { n: 21, ms: 0 },
    { runId: "soon", startAt: new Date(Date.now() + SOON_MS) },
  );
  const soonBefore = await snapshot(client);

  await running.node.kill();
  await rm(running.dataDir, { recursive: true });
  await running.startNode();

  const after = await snapshot(client);
  // The one run whose time may have come meanwhile is looked at by itself.
  expect({ ...after.runs, soon: undefined }).toEqual({ ...before.runs, soon: undefined });
  expect(Object.keys(after.runs)).toEqual(Object.keys(soonBefore.runs));
  expect(running.node.logged("error")).toEqual([]);

  // What was under way is not begun again, and ends.
  const invoked = mixed.held.map((runId) => effectsOf(mixed.effects).get(`${runId}/hold`));
  expect(invoked).toEqual(mixed.held.map(() => 1));
  mixed.release();
  for (const runId of mixed.held) {
    const ended = await within(`run ${runId} to end`, client.wait(runId));
    expect(ended.status).toBe(RunStatus.COMPLETED);
    expect((await client.get(runId)).actions[0]?.attempt).toBe(1);
  }
  // A timer that was set before fires after.
  expect(await within("the run that was to start soon", soon.result())).toBe(42);
});

test("the counts are the same after a rebuild", async () => {
  const running = await System.start();
  system = running;
  const client = await running.connect();
  await startMixedRuns(running, client);
  const before = await snapshot(client);
  await running.node.kill();
  await rm(running.dataDir, { recursive: true });
  await running.startNode();
  expect(await snapshot(client)).toEqual(before);
});
