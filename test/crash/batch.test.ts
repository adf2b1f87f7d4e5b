/**
 * An outside system does the work: its worker is killed in a submit and in a check, and the node with its data between two checks.
 * The outside system has each job once, every item ends once, and a retry submits what failed alone.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ActionStatus, RunStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { Outside } from "../support/outside.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { until, within } from "../support/wait.js";
import { OUTSIDE, scoring } from "./batch-workflow.js";

const RUN = "scoring-1";
const MODULES = ["test/crash/batch-workflow.ts"];

let system: System | undefined;
let outside: Outside | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
  outside?.stop();
  outside = undefined;
});

test("a job outlives worker, node and folder, and is submitted to the outside system once", async () => {
  const running = await System.start();
  system = running;
  const made = new Outside();
  outside = made;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const env = { [EFFECTS_FILE]: effects, [OUTSIDE]: await made.start() };
  const held = new Set(["/jobs"]);
  made.hold = async (path) => {
    if (held.has(path)) await until(`${path} to be answered`, () => !held.has(path));
  };
  made.bad.add(3);

  const worker = await running.startWorker({ modules: MODULES, env });
  const client = await running.connect();
  const rows = Array.from({ length: 6 }, (_, id) => ({ id }));
  const handle = await client.start(scoring, { rows }, { runId: RUN });
  const score = async () => (await client.get(RUN)).actions.find(({ name }) => name === "score");
  // The outside system has the job, but nobody was told so.
  await until("the job to be outside", () => made.jobs.length === 1);
  await worker.kill();
  held.clear();
  const other = await running.startWorker({ modules: MODULES, env });
  await until("the job to be waited for", async () => (await score())?.status === ActionStatus.WAITING);
  expect(made.jobs.map(({ key, submits }) => [key, submits])).toEqual([[`${RUN}/score/job-1`, 2]]);

  made.progress = () => 2;
  await until("two results", async () => (await score())?.batch?.done === 2);
  expect((await score())?.detail).toBe('batch job {"job":"job-1"}: 2 of 6 done; 2 scored');
  held.add("/jobs/job-1/check");
  const checks = made.jobs[0]?.checks ?? 0;
  await until("a check to be under way", () => (made.jobs[0]?.checks ?? 0) > checks);
  await other.kill();
  held.clear();
  await running.startWorker({ modules: MODULES, env });
  await until(
    "the lost check to be made again",
    async () => (await score())?.batch?.tries === 0 && (made.jobs[0]?.checks ?? 0) > checks + 1,
  );

  await running.node.kill();
  rmSync(running.dataDir, { recursive: true });
  await running.startNode();
  expect(viewProblems(await client.get(RUN))).toEqual([]);
  made.progress = () => 6;
  const ended = await within("the run to end", handle.ended());
  expect(ended.status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
  expect(ended.detail).toContain("score: 1 of 6 items failed (VALIDATION 1)");
  expect((await score())?.items).toMatchObject({ succeeded: 5, failed: 1 });

  made.bad.clear();
  await client.retry(RUN);
  const healed = await within("the run to heal", client.wait(RUN));
  expect(healed.status).toBe(RunStatus.COMPLETED);
  expect(made.jobs.map(({ items }) => items.map(({ index }) => index))).toEqual([[0, 1, 2, 3, 4, 5], [3]]);
  const view = await client.get(RUN);
  expect(viewProblems(view)).toEqual([]);
  expect(view.actions.map(({ items }) => items?.succeeded)).toEqual([6, 6]);
  expect(view.events.filter(({ type }) => type === "batch_submitted")).toHaveLength(2);
  expect(effectsOf(effects).get(`${RUN}/score/job-1 submitted`)).toBe(2);
});

test("a cancelled run keeps what came, and the outside system is told", async () => {
  const running = await System.start();
  system = running;
  const made = new Outside();
  outside = made;
  const env = { [EFFECTS_FILE]: join(running.folder, "effects"), [OUTSIDE]: await made.start() };
  await running.startWorker({ modules: MODULES, env });
  const client = await running.connect();
  made.progress = () => 1;
  const handle = await client.start(scoring, { rows: [{ id: 1 }, { id: 2 }] }, { runId: RUN });
  const score = async () => (await client.get(RUN)).actions.find(({ name }) => name === "score");
  await until("a result", async () => (await score())?.batch?.done === 1);
  await client.cancel(RUN);
  expect((await within("the run to end", handle.ended())).status).toBe(RunStatus.CANCELLED);
  await until("the job to be cancelled outside", () => made.jobs[0]?.cancelled === true);
  expect((await score())?.items).toMatchObject({ succeeded: 1, cancelled: 1 });
  await until("it to be noted", async () => (await score())?.batch?.cancels === 0);
});
