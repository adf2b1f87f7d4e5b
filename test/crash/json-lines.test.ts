/**
 * An upstream action writes a large artifact, its lines are items, and in the middle of it the worker is killed, then the node with its
 * data: every line is one item all the same, and what the dependant sums up is right.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ActionStatus, RunStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { countsProblems, viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { until, within } from "../support/wait.js";
import { BAD_ROW_EVERY, importing, isBad } from "./lines-workflow.js";

const ROWS = 30_000;
const RUN = "import-1";
const MODULES = ["test/crash/lines-workflow.ts"];

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a run over the lines of an artifact survives its worker and its node", async () => {
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const env = { [EFFECTS_FILE]: effects };
  const worker = await running.startWorker({ modules: MODULES, env });
  const client = await running.connect();
  const handle = await client.start(importing, { rows: ROWS }, { runId: RUN });
  const countsOf = async () => (await client.get(RUN)).actions[1]?.items;

  const atKill = await until("some rows to be checked", async () => {
    const counts = await countsOf();
    return (counts?.succeeded ?? 0) > 500 ? counts : undefined;
  });
  await worker.kill();
  expect(countsProblems("check", atKill)).toEqual([]);
  expect(atKill.succeeded).toBeLessThan(ROWS);
  await running.node.kill();
  rmSync(running.dataDir, { recursive: true });
  await running.startNode();
  await running.startWorker({ modules: MODULES, env });

  const ended = await within("the run to end", handle.ended());
  expect(ended.status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
  const view = await client.get(RUN);
  expect(viewProblems(view)).toEqual([]);
  expect(view.actions[1]).toMatchObject({
    status: ActionStatus.COMPLETED_WITH_FAILURES,
    items: { total: ROWS, failed: ROWS / BAD_ROW_EVERY, succeeded: ROWS - ROWS / BAD_ROW_EVERY },
  });
  const good = Array.from({ length: ROWS }, (_, row) => row).filter((row) => !isBad(row));
  expect(await handle.result()).toEqual({ rows: good.length, sum: good.reduce((sum, row) => sum + row, 0) });
  const done = effectsOf(effects);
  // Each good row was checked, and only what the dead worker had in hand was begun again.
  expect(good.filter((row) => (done.get(`check ${row}`) ?? 0) === 0)).toEqual([]);
  expect(done.get(`${RUN}/extract`)).toBe(1);
  const twice = good.filter((row) => (done.get(`check ${row}`) ?? 0) > 1);
  expect(twice.length).toBeLessThan(ROWS / 2);
});
