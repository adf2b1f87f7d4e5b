/** The node is away for longer than anything waits for an answer: a handler in a step waits on, and nothing is spent. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RunStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { pause, until, within } from "../support/wait.js";
import { HOLD_FILE } from "./workflows.js";

const HELD = 6;
/** A stored command is given up after 30 s without an answer. */
const AWAY_MS = 36_000;
const END_MS_MAX = 60_000;

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a step whose checkpoint nobody answers for long is stored once somebody does", async () => {
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const holdFile = join(running.folder, "hold");
  writeFileSync(holdFile, "");
  const env = { [EFFECTS_FILE]: effects, [HOLD_FILE]: holdFile };
  await running.startWorker({ modules: ["test/crash/workflows.ts"], env });
  const client = await running.connect();
  const handles = await Promise.all(
    Array.from({ length: HELD }, (_, n) => client.start("stepped-once", null, { runId: `once-${n}` })),
  );
  await until("all to be in the worker's hands", () => effectsOf(effects).size === HELD);

  await running.node.kill();
  // Their steps begin while no node is there.
  rmSync(holdFile);
  await pause(AWAY_MS);
  await running.startNode();

  const ends = await within("all to end", Promise.all(handles.map((handle) => handle.ended())), END_MS_MAX);
  expect(ends.map(({ status }) => status)).toEqual(Array(HELD).fill(RunStatus.COMPLETED));
  for (let n = 0; n < HELD; n++) {
    const view = await client.get(`once-${n}`);
    expect(viewProblems(view)).toEqual([]);
    expect(view.actions[0]).toMatchObject({ attempt: 1 });
    expect(effectsOf(effects).get(`once-${n}/hold`)).toBe(1);
  }
});
