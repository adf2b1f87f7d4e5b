/** A run is being undone when its worker is killed, and then the node with its data: it is undone to the end, last things first. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RunStatus, UndoStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { until, within } from "../support/wait.js";
import { HOLD_UNDO_FILE, order } from "./undo-workflow.js";

const RUN = "order-1";
const MODULES = ["test/crash/undo-workflow.ts"];

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a compensation survives its worker and its node", async () => {
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const hold = join(running.folder, "hold");
  for (const which of ["pay", "rows"]) writeFileSync(`${hold}.${which}`, "");
  const env = { [EFFECTS_FILE]: effects, [HOLD_UNDO_FILE]: hold };
  const worker = await running.startWorker({ modules: MODULES, env });
  const client = await running.connect();
  const handle = await client.start(order, { rows: [10, 20, 30] }, { runId: RUN });
  const undoOf = async (action: string) =>
    (await client.get(RUN)).actions.find(({ name }) => name === action)?.undo;
  await until("the payment to be undone", () => effectsOf(effects).get(`${RUN}/pay/undo`) === 1);
  expect((await client.get(RUN)).summary).toMatchObject({
    status: RunStatus.RUNNING,
    detail: "undoing: 0 of 2; ship: nobody ships there",
  });
  expect((await undoOf("rows"))?.status).toBe(UndoStatus.PENDING);

  await worker.kill();
  rmSync(`${hold}.pay`);
  const other = await running.startWorker({ modules: MODULES, env });
  await until(
    "the rows to be undone",
    () => effectsOf(effects).get(`${RUN}/rows/undo of 0=10,1=20,2=30`) === 1,
  );
  expect(await undoOf("pay")).toMatchObject({ status: UndoStatus.DONE, attempts: 2, worker: other.ready[1] });

  await running.node.kill();
  rmSync(running.dataDir, { recursive: true });
  await running.startNode();
  expect(viewProblems(await client.get(RUN))).toEqual([]);
  expect((await undoOf("rows"))?.status).toBe(UndoStatus.RUNNING);
  rmSync(`${hold}.rows`);

  const ended = await within("the run to end", handle.ended());
  expect(ended.status).toBe(RunStatus.FAILED);
  expect(ended.detail).toBe("ship: nobody ships there; undone: pay, rows");
  const view = await client.get(RUN);
  expect(viewProblems(view)).toEqual([]);
  const lost = view.events.filter(({ type }) => type === "undo_attempt_failed");
  expect(lost.map(({ action }) => action)).toEqual(["pay"]);
  expect(lost[0]?.detail).toContain(worker.ready[1]);
  expect(Object.fromEntries(effectsOf(effects))).toEqual({
    [`${RUN}/rows/0`]: 1,
    [`${RUN}/rows/1`]: 1,
    [`${RUN}/rows/2`]: 1,
    [`${RUN}/pay`]: 1,
    // Its step was done and kept when the worker was killed.
    [`refund ${RUN}: 3`]: 1,
    [`${RUN}/pay/undo`]: 2,
    // The worker had it when the node was killed, and was asked.
    [`${RUN}/rows/undo of 0=10,1=20,2=30`]: 1,
  });
});
