/** A child run is at work when its worker is killed, and then the node with its data: its parent gets the partial result in the end. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ActionStatus, FailureMode, RunStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { until, within } from "../support/wait.js";
import { HOLD_ROWS_FILE, nightly } from "./children-workflow.js";

const RUNS = ["night-1", "night-2", "night-3", "night-4"];
const MODULES = ["test/crash/children-workflow.ts"];

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a parent gets its child's partial result though worker and node were killed meanwhile", async () => {
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const hold = join(running.folder, "hold");
  writeFileSync(hold, "");
  const env = { [EFFECTS_FILE]: effects, [HOLD_ROWS_FILE]: hold };
  const worker = await running.startWorker({ modules: MODULES, env });
  const client = await running.connect();
  // Several, so that parents and children stand in the same partition and in different ones.
  const handles = await Promise.all(
    RUNS.map((runId) => client.start(nightly, { rows: [1, 2, -3] }, { runId })),
  );
  await until("all rows to be worked on", () => (effectsOf(effects).get("row 2") ?? 0) === RUNS.length);
  const before = await client.get("night-1");
  const child = before.actions[0]?.child?.runId ?? "";
  expect(before.actions[0]).toMatchObject({
    status: ActionStatus.WAITING,
    detail: `waits for run ${child} of load`,
  });
  expect((await client.get(child)).parent).toMatchObject({ runId: "night-1", action: "loaded" });

  await worker.kill();
  await running.startWorker({ modules: MODULES, env });
  await until(
    "the rows to be worked on again",
    () => (effectsOf(effects).get("row 2") ?? 0) === RUNS.length * 2,
  );
  await running.node.kill();
  rmSync(running.dataDir, { recursive: true });
  rmSync(hold);
  await running.startNode();

  for (const [i, handle] of handles.entries()) {
    const ended = await within("the parent to end", handle.ended());
    expect(ended.status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    const view = await client.get(RUNS[i] ?? "");
    expect(viewProblems(view)).toEqual([]);
    expect(view.actions[0]).toMatchObject({
      status: ActionStatus.COMPLETED_WITH_FAILURES,
      failure: { mode: FailureMode.VALIDATION },
      child: {
        status: RunStatus.COMPLETED_WITH_FAILURES,
        tally: { partial: 1 },
        items: { total: 3, succeeded: 2, failed: 1 },
      },
    });
    expect(view.actions[1]?.status).toBe(ActionStatus.COMPLETED);
    expect(effectsOf(effects).get(`${RUNS[i]}/report`)).toBe(1);
    expect(viewProblems(await client.get(view.actions[0]?.child?.runId ?? ""))).toEqual([]);
  }
});
