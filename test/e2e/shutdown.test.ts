/** SIGTERM, as a service manager sends it: node and worker finish what they have, say goodbye, and leave nothing half done. */
import { join } from "node:path";
import { RunStatus } from "@holdfast/proto";
import type { Holdfast, RunHandle } from "@holdfast/sdk";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { until, within } from "../support/wait.js";

const RUNS = 100;

let system: System;
let client: Holdfast;
let effects: string;

beforeEach(async () => {
  system = await System.start();
  client = await system.connect();
  effects = join(system.folder, "effects");
});
afterEach(() => system.stop());

const startWorker = (concurrency: number) =>
  system.startWorker({
    modules: ["test/e2e/slow-workflow.ts"],
    concurrency,
    env: { [EFFECTS_FILE]: effects },
  });

const startRuns = (ms: number): Promise<RunHandle<unknown>[]> =>
  Promise.all(Array.from({ length: RUNS }, (_, n) => client.start("slow", { ms }, { runId: `slow-${n}` })));

/** Every run completed, and every handler was invoked once: nothing was lost, and nothing repeated. */
async function expectAllOnce(runs: readonly RunHandle<unknown>[]): Promise<void> {
  const ends = await within("all to end", Promise.all(runs.map((run) => run.ended())));
  expect(ends.filter(({ status }) => status !== RunStatus.COMPLETED)).toEqual([]);
  const done = effectsOf(effects);
  expect(done.size).toBe(RUNS * 2);
  expect([...done].filter(([, times]) => times !== 1)).toEqual([]);
  for (const { runId } of runs) {
    const view = await client.get(runId);
    expect(viewProblems(view)).toEqual([]);
    expect(view.actions.map(({ attempt }) => attempt)).toEqual([1, 1]);
  }
}

test("a worker that is told to end finishes what it has; another goes on", async () => {
  const first = await startWorker(16);
  const runs = await startRuns(60);
  await until("it to be in the middle", () => effectsOf(effects).size > 24);
  const stopping = first.stop();
  await startWorker(16);
  expect(await stopping).toEqual({ code: 0, signal: null });
  expect(first.logged("info").at(-1)).toMatchObject({ msg: "worker stopped", unreported: 0, problems: [] });
  expect(first.logged("error")).toEqual([]);
  // People read it, too.
  expect(first.lines.join("\n")).toMatch(
    /^worker \S+ stops: it takes no more tasks and waits for \d+ at work/m,
  );
  expect(first.lines.at(-1)).toMatch(/^worker \S+ stopped: all that it held is reported$/);
  await expectAllOnce(runs);
  expect(system.node.logged("info").filter(({ msg }) => msg.startsWith("a worker is gone"))).toMatchObject([
    { worker: first.ready[1], tasks: 0 },
  ]);
});

test("a node that is told to end stores what it has folded; the next goes on from there", async () => {
  await startWorker(16);
  const runs = await startRuns(40);
  for (let stop = 0; stop < 3; stop++) {
    const before = effectsOf(effects).size;
    await until("some work to be done", () => effectsOf(effects).size >= Math.min(before + 20, RUNS * 2));
    const { node } = system;
    expect(await node.stop()).toEqual({ code: 0, signal: null });
    expect(node.logged("error")).toEqual([]);
    await system.startNode();
  }
  await expectAllOnce(runs);
});

test("the admin service ends at once where nobody calls, and its metrics with it", async () => {
  await system.startAdmin();
  const child = system.children.at(-1);
  expect(await child?.stop()).toEqual({ code: 0, signal: null });
});
