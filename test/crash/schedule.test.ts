/**
 * The node is killed across instants of schedules, again and again, and once with its data: every instant begins one run, or is counted as
 * missed where nobody was there within its catch-up window.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { RunStatus, ScheduleOutcome, type ScheduleView } from "@holdfast/proto";
import type { Holdfast } from "@holdfast/sdk";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { Random } from "../support/random.js";
import { roundsOf } from "../support/rounds.js";
import { allRunIds, viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { pause, until } from "../support/wait.js";

const ROUNDS = roundsOf(5);
/** Longer than the shortest window: some instants are missed. */
const LONG_MS = 13_000;
const NAMES = ["patient", "tight"] as const;

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

/** Begun by this schedule, in the order of their instants. */
const runsOf = async (client: Holdfast, name: string): Promise<string[]> =>
  (await allRunIds(client)).filter((runId) => runId.startsWith(`${name}-`)).sort();
/** `patient-20260301T020000Z`, as Unix seconds. */
const secondOf = (runId: string): number => {
  const [, date = "", time = ""] = /(\d{8})T(\d{6})Z$/.exec(runId) ?? [];
  const [y, m, d] = [date.slice(0, 4), date.slice(4, 6), date.slice(6)];
  return Date.parse(`${y}-${m}-${d}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}Z`) / 1_000;
};
const firstSecond = ({ createdAt }: ScheduleView): number => Number(createdAt?.seconds ?? 0n) + 1;
const lastSecond = ({ history }: ScheduleView): number =>
  Math.max(...history.map(({ until: last }) => Number(last?.seconds ?? 0n)));

test("an instant begins one run, however often the node is killed across it", async () => {
  const running = await System.start();
  system = running;
  const random = Random.forTest("schedule");
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  await running.startWorker({
    modules: ["test/crash/schedule-workflow.ts"],
    env: { [EFFECTS_FILE]: effects },
  });
  const client = await running.connect();
  const every = { workflow: "tick", cron: "* * * * * *", overlap: "allow" } as const;
  await client.schedules.create("patient", { ...every, catchUp: "10m" });
  await client.schedules.create("tight", { ...every, catchUp: "10s" });
  for (let round = 0; round < ROUNDS; round++) {
    await pause(random.between(300, 1_500));
    await running.node.kill();
    if (round === 2) rmSync(running.dataDir, { recursive: true, force: true });
    await pause(round === ROUNDS - 1 ? LONG_MS : random.between(300, 2_200));
    await running.startNode();
  }
  // Everything that could be caught up is.
  const caughtUpAt = Math.floor(Date.now() / 1_000) + 1;
  await until("the schedules to catch up", async () => {
    const views = await Promise.all(NAMES.map((name) => client.schedules.get(name)));
    return views.every((view) => lastSecond(view) >= caughtUpAt);
  });
  for (const name of NAMES) await client.schedules.pause(name);

  for (const name of NAMES) {
    const view = await until(`the runs of ${name} to end`, async () => {
      const now = await client.schedules.get(name);
      return now.live.length === 0 && now;
    });
    const seconds = lastSecond(view) - firstSecond(view) + 1;
    expect(view).toMatchObject({ instants: BigInt(seconds), skipped: 0n, refused: 0n });
    const runs = await runsOf(client, name);
    expect(BigInt(runs.length)).toBe(view.started);
    expect(view.started + view.missed).toBe(view.instants);
    expect(new Set(runs.map(secondOf)).size).toBe(runs.length);
    for (const runId of runs) {
      const run = await client.get(runId);
      expect(viewProblems(run)).toEqual([]);
      expect(run.summary?.status).toBe(RunStatus.COMPLETED);
      expect(run.scheduledBy).toMatchObject({
        schedule: name,
        instant: { seconds: BigInt(secondOf(runId)) },
      });
      expect(effectsOf(effects).get(runId) ?? 0).toBeGreaterThanOrEqual(1);
    }
  }
  const [patient, tight] = await Promise.all(NAMES.map((name) => client.schedules.get(name)));
  expect(patient?.missed).toBe(0n);
  expect(tight?.missed).toBeGreaterThan(0n);
  expect(tight?.history.some(({ outcome }) => outcome === ScheduleOutcome.MISSED)).toBe(true);
});
