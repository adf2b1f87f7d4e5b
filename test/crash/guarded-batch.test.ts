/**
 * The outside system of a batch action is down and its breaker opens; then the node is killed, and the worker in a probe: what was to be
 * submitted is held and spends nothing, the job that was outside is followed, and each job is there once in the end.
 */
import { partitionOf } from "@holdfast/core";
import { ActionStatus, BreakerStatus, RunStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { Outside } from "../support/outside.js";
import { allItems, ledgerProblems, viewProblems } from "../support/run-rules.js";
import { PARTITIONS, System } from "../support/system.js";
import { until, within } from "../support/wait.js";
import { OUTSIDE } from "./batch-workflow.js";
import { guardedScoring } from "./guarded-batch-workflow.js";

const HELD = 4;
const ROWS = [{ id: 1 }, { id: 2 }];

/** Of one partition: they share a breaker. */
const RUNS = Array.from({ length: 500 }, (_, n) => `guarded-${n}`)
  .filter((runId) => partitionOf(runId, PARTITIONS) === 0)
  .slice(0, HELD + 1);

let system: System | undefined;
let outside: Outside | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
  outside?.stop();
  outside = undefined;
});

test("an outage outside costs no job, though node and worker are killed in its middle", async () => {
  const running = await System.start();
  system = running;
  const made = new Outside();
  outside = made;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const options = {
    modules: ["test/crash/guarded-batch-workflow.ts"],
    env: { [OUTSIDE]: await made.start() },
  };
  const worker = await running.startWorker(options);
  const client = await running.connect();
  const admin = await running.startAdmin();
  const score = async (runId: string) => (await client.get(runId)).actions[0];
  const breaker = async () =>
    (await admin.call.getBreaker({ workflow: "guarded-scoring", action: "score" })).breakers.find(
      ({ partition }) => partition === 0,
    );

  const [first = "", ...held] = RUNS;
  const handles = [await client.start(guardedScoring, { rows: ROWS }, { runId: first })];
  await until("a job to be outside", async () => (await score(first))?.batch?.handle !== "");
  made.isDown = true;
  for (const runId of held) handles.push(await client.start(guardedScoring, { rows: ROWS }, { runId }));
  await until("the breaker to hold them", async () => {
    const details = await Promise.all(held.map(async (runId) => (await score(runId))?.detail ?? ""));
    return details.every((detail) => detail.startsWith("breaker "));
  });
  const submits = () => made.inVain.filter((path) => path === "/jobs").length;
  const checks = () => made.inVain.length - submits();

  // More probes and checks than there are attempts.
  const [asked, checked] = [submits(), checks()];
  await until("probes to be refused", () => submits() >= asked + 5);
  await until("checks to be refused", () => checks() >= checked + 5);
  await running.node.kill();
  await running.startNode();
  const known = submits();
  await until("the node that is back to go on with probes", () => submits() > known);
  let isHeldUp = true;
  made.hold = async (path) => {
    if (path === "/jobs") await until(`${path} to be answered`, () => !isHeldUp);
  };
  const before = submits();
  await until("a probe to be under way", () => submits() > before);
  await worker.kill();
  isHeldUp = false;
  await running.startWorker(options);
  const lost = submits();
  await until("another probe to take the place of the lost one", () => submits() > lost);
  expect(made.jobs.map(({ key }) => key)).toEqual([`${first}/score/job-1`]);
  expect((await score(first))?.status).toBe(ActionStatus.WAITING);

  made.progress = ({ items }) => items.length;
  made.isDown = false;
  for (const handle of handles) {
    const { status } = await within("a run to end", handle.ended());
    expect([handle.runId, RunStatus[status]]).toEqual([handle.runId, "COMPLETED"]);
    const view = await client.get(handle.runId);
    expect(viewProblems(view)).toEqual([]);
    const counts = view.actions[0]?.items;
    expect(counts).toMatchObject({ total: 2, succeeded: 2 });
    if (counts !== undefined)
      expect(ledgerProblems(handle.runId, await allItems(client, handle.runId, "score"), counts)).toEqual([]);
  }
  expect(made.jobs.map(({ key }) => key).sort()).toEqual(RUNS.map((runId) => `${runId}/score/job-1`).sort());
  expect(made.jobs.map(({ submits: times }) => times)).toEqual(RUNS.map(() => 1));
  expect(await breaker()).toMatchObject({ status: BreakerStatus.CLOSED, held: 0 });
});
