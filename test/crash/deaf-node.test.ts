/**
 * NATS is away for longer than a worker's lease, in whatever way: the work goes on in its workers' hands, and none of it is taken for lost.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RunStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { System } from "../support/system.js";
import { pause, until, within } from "../support/wait.js";
import { HOLD_FILE } from "./workflows.js";

const HELD = 8;
/** The lease of a silent worker is 10 s. */
const AWAY_MS = 16_000;
/** To connect again, and to bring what ended meanwhile into the log. */
const END_MS_MAX = 60_000;

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

interface Away {
  readonly how: string;
  readonly begin: (running: System) => unknown;
  readonly end: (running: System) => unknown;
}

const AWAY: readonly Away[] = [
  {
    how: "is killed and started again",
    begin: (running) => running.killServer(),
    end: (running) => running.startServer(),
  },
  {
    how: "hangs with its connections open",
    begin: (running) => running.signalServer("SIGSTOP"),
    end: (running) => running.signalServer("SIGCONT"),
  },
  {
    how: "goes on, but the node stands still",
    begin: (running) => process.kill(running.node.pid, "SIGSTOP"),
    end: (running) => process.kill(running.node.pid, "SIGCONT"),
  },
];

test.each(AWAY)("no attempt is lost where NATS $how", async ({ begin, end }) => {
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
    Array.from({ length: HELD }, (_, n) => client.start("held-once", null, { runId: `once-${n}` })),
  );
  await until("all to be in the worker's hands", () => effectsOf(effects).size === HELD);

  await begin(running);
  await pause(AWAY_MS);
  // They end while nobody can be told.
  rmSync(holdFile);
  await pause(1_000);
  await end(running);

  const ends = await within("all to end", Promise.all(handles.map((handle) => handle.ended())), END_MS_MAX);
  expect(ends.map(({ status }) => status)).toEqual(Array(HELD).fill(RunStatus.COMPLETED));
  for (let n = 0; n < HELD; n++) expect(effectsOf(effects).get(`once-${n}/hold`)).toBe(1);
  expect(running.node.tail(1_000)).not.toContain("its tasks are lost");
});
