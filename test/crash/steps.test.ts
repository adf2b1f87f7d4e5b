/** Workers are killed between and within steps: what is checkpointed is never done again, and what was cut off is. */
import { join } from "node:path";
import { afterEach, expect, onTestFailed, test } from "vitest";
import type { Child } from "../support/child.js";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { Random } from "../support/random.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { pause, within } from "../support/wait.js";
import { STEPS } from "./steps-workflow.js";

const RUNS = 6;
const KILLS = 2;

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a step that is in the log is not done again, however often its worker is killed", async () => {
  const running = await System.start();
  system = running;
  const random = Random.forTest("steps");
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const startWorker = (): Promise<Child> =>
    running.startWorker({ modules: ["test/crash/steps-workflow.ts"], env: { [EFFECTS_FILE]: effects } });
  let worker = await startWorker();
  const client = await running.connect();
  const handles = await Promise.all(
    Array.from({ length: RUNS }, (_, n) => client.start("stepping", {}, { runId: `s-${n}` })),
  );
  for (let kill = 0; kill < KILLS; kill++) {
    await pause(random.between(200, 500));
    await worker.kill();
    worker = await startWorker();
    // Until the lost worker is known to be, nobody goes on: the next kill is to hit somebody at work.
    await within(
      "attempts to go on",
      (async () => {
        const before = total();
        while (total() === before) await pause(50);
      })(),
    );
  }
  function total(): number {
    return [...effectsOf(effects).values()].reduce((sum, count) => sum + count, 0);
  }

  const results = (await within(
    "the ends",
    Promise.all(handles.map((handle) => handle.result())),
  )) as string[][];
  for (const [n, done] of results.entries()) {
    const view = await client.get(`s-${n}`);
    expect(viewProblems(view)).toEqual([]);
    expect(done.map((step) => step.split(" ")[0])).toEqual([...STEPS]);
    const attempts = done.map((step) => Number(step.split(" ").at(-1)));
    // The results that are kept are of attempts in their order: nothing that was done was done anew by a later one.
    expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
    const times = STEPS.map((name) => effectsOf(effects).get(`s-${n}/${name}`) ?? 0);
    const again = times.reduce((sum, count) => sum + count - 1, 0);
    expect(Math.min(...times)).toBe(1);
    // At most what each kill cut off.
    expect(again).toBeLessThanOrEqual(KILLS);
  }
  expect(results.some((done) => new Set(done.map((step) => step.split(" ").at(-1))).size > 1)).toBe(true);
});
