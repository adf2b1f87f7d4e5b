/**
 * Again and again the node is killed while it prunes ended runs: every run that began is there or counted once, what a floor keeps is kept,
 * and the records of the sweeps say what was done.
 */
import { create } from "@bufbuild/protobuf";
import { isRunTerminal } from "@holdfast/core";
import { RetentionPolicySchema, type RetentionView, type SweepView } from "@holdfast/proto";
import { type Holdfast, HoldfastError } from "@holdfast/sdk";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { Random } from "../support/random.js";
import { MANY_ROUNDS, roundsOf } from "../support/rounds.js";
import { allRunIds } from "../support/run-rules.js";
import { type Admin, System } from "../support/system.js";
import { forEachOf, pause, until } from "../support/wait.js";

const ROUNDS = roundsOf(10);
const RUNS_A_ROUND = 40;
const ROWS = 5;
const AT_ONCE = 40;
/** How long after a sweep was set off the node is killed, at most. */
const KILL_AFTER_MS_MAX = 40;
const TEST_MS_MAX = 1_800_000;
const WORKFLOWS = ["brief-a", "brief-b", "brief-items", "floor"] as const;

interface Planned {
  readonly runId: string;
  readonly workflow: (typeof WORKFLOWS)[number];
  readonly bad: boolean;
}

/** Inside its floor for as long as the test lasts. */
const isKept = ({ workflow, bad }: Planned): boolean => workflow === "floor" && bad;

const planned = (round: number, random: Random): Planned[] =>
  Array.from({ length: RUNS_A_ROUND }, (_run, n) => ({
    runId: `run-${round}-${n}`,
    workflow: WORKFLOWS[random.between(0, WORKFLOWS.length - 1)] as Planned["workflow"],
    bad: random.next() < 0.4,
  }));

/** Until it is acknowledged, always under the same id. */
async function start(client: Holdfast, { runId, workflow, bad }: Planned): Promise<void> {
  const rows = Array.from({ length: ROWS }, (_row, row) => ({ bad: bad && row % 2 === 0 }));
  for (;;) {
    try {
      await client.start(workflow, workflow === "brief-items" ? { rows } : { bad }, { runId });
      return;
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.retry === "never") throw error;
      await pause(50);
    }
  }
}

/** An operator says again what holds already: that sets a sweep off. */
async function setOff(admin: Admin): Promise<void> {
  const policy = create(RetentionPolicySchema, { completedRetentionS: 1 });
  await until("a sweep to be set off", async () => {
    try {
      await admin.call.setRetention({ workflow: "brief-a", policy, reason: "a test" });
      return true;
    } catch {
      return false;
    }
  });
}

const runsOf = (counts: readonly { readonly runs: bigint }[]): number =>
  counts.reduce((sum, { runs }) => sum + Number(runs), 0);
const prunedOf = (views: readonly RetentionView[]): number =>
  views.reduce((sum, { pruned }) => sum + runsOf(pruned.flatMap(({ counts }) => counts)), 0);

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a node that is killed in its sweeps loses no run, and prunes none twice or too soon", {
  timeout: TEST_MS_MAX,
}, async () => {
  const random = Random.forTest("sweep");
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  await running.startWorker({ modules: ["test/crash/brief-workflow.ts"] });
  const client = await running.connect();
  const admin = await running.startAdmin();
  const retention = () => admin.call.getRetention({ sweeps: 1_000 });

  const all: Planned[] = [];
  let midway = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const runs = planned(round, random);
    await forEachOf(runs, AT_ONCE, (run) => start(client, run));
    // Those of the last round but one ended seconds ago.
    const before = prunedOf((await retention()).workflows);
    const due = all.slice(0, -RUNS_A_ROUND).filter((run) => !isKept(run)).length - before;
    all.push(...runs);
    await setOff(admin);
    await pause(random.next() * KILL_AFTER_MS_MAX);
    await running.node.kill();
    await running.startNode();
    const pruned = prunedOf((await retention()).workflows) - before;
    if (pruned > 0 && pruned < due) midway += 1;
  }

  const kept = all.filter(isKept);
  await until(
    "all that is due to be pruned",
    async () => prunedOf((await retention()).workflows) === all.length - kept.length,
  );
  const ids = await allRunIds(client);
  expect(ids.sort()).toEqual(kept.map(({ runId }) => runId).sort());
  for (const { runId } of kept) {
    const { summary } = await client.get(runId);
    expect(isRunTerminal(summary?.status ?? 0)).toBe(true);
    expect(Number(summary?.retryableUntil?.seconds)).toBe(Number(summary?.endedAt?.seconds) + 3_600);
  }
  const gone = all.filter((run) => !isKept(run));
  for (const { runId } of gone.filter((_run, at) => at % 20 === 0))
    await expect(client.get(runId)).rejects.toThrow(/ended .+ and was pruned at .+/);
  const { workflows, sweeps } = await retention();
  expect(sweepProblems(sweeps, prunedOf(workflows))).toEqual([]);
  expect(await breaches(admin)).toEqual([]);
  // Some were killed before they began, or after they had ended.
  if (ROUNDS >= MANY_ROUNDS) expect(midway).toBeGreaterThan(4);
  expect(running.children.flatMap((child) => child.logged("fatal"))).toEqual([]);
  await client.retry(kept[0]?.runId ?? "", { reason: "its floor has kept it" });
});

function sweepProblems(sweeps: readonly SweepView[], pruned: number): string[] {
  const problems = sweeps.flatMap((sweep) => {
    const { partition, scanned, pruned: counts, carriedForward, beganAt, endedAt } = sweep;
    const found: string[] = [];
    if (runsOf(counts) + Number(carriedForward) > Number(scanned))
      found.push(`partition ${partition}: ${scanned} were looked at, ${runsOf(counts)} pruned`);
    if (Number(beganAt?.seconds) > Number(endedAt?.seconds))
      found.push(`partition ${partition}: ended before it began`);
    return found;
  });
  const sum = sweeps.reduce((total, sweep) => total + runsOf(sweep.pruned), 0);
  if (sum !== pruned) problems.push(`the sweeps pruned ${sum}, the rollups have ${pruned}`);
  return problems;
}

async function breaches(admin: Admin): Promise<string[]> {
  const found: string[] = [];
  for await (const { breaches: some } of admin.call.check({}))
    found.push(...some.map(({ rule, runId, message }) => `${rule} ${runId}: ${message}`));
  return found;
}
