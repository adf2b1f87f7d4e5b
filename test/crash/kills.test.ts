/**
 * Thousands of runs while the node is killed again and again, and the nats-server once: every acknowledged run ends, once, with
 * everything that it is made of.
 */
import { join } from "node:path";
import { RunStatus, type RunEnded } from "@holdfast/proto";
import { type Holdfast, HoldfastError, type RunHandle } from "@holdfast/sdk";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { Random } from "../support/random.js";
import { roundsOf } from "../support/rounds.js";
import { allItems, allRunIds, ledgerProblems, viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { forEachOf, pause, until, within } from "../support/wait.js";
import type { Row } from "./workflows.js";

const NODE_KILLS = roundsOf(6);
const RUNS = Math.max(2_000, NODE_KILLS * 300);
const ROWS = 12;
/** Starts that wait for their acknowledgement at once. */
const STARTS_AT_ONCE = 48;
const START_PAUSE_MS_MAX = 600;

interface Planned {
  readonly runId: string;
  readonly workflow: "single" | "chain" | "batch";
  readonly input: unknown;
  readonly rows: readonly Row[];
  readonly n: number;
}

function plan(random: Random): Planned[] {
  return Array.from({ length: RUNS }, (_run, n): Planned => {
    const chance = random.next();
    const ms = random.between(0, 40);
    if (chance < 0.45) return { runId: `run-${n}`, workflow: "single", input: { n, ms }, rows: [], n };
    if (chance < 0.75) return { runId: `run-${n}`, workflow: "chain", input: { n, ms }, rows: [], n };
    const rows = Array.from({ length: ROWS }, (_row, row): Row => {
      const kind = random.next();
      return { row, kind: kind < 0.15 ? "bad" : kind < 0.3 ? "late" : "good" };
    });
    return { runId: `run-${n}`, workflow: "batch", input: { rows }, rows, n };
  });
}

function expectedStatus({ rows }: Planned): RunStatus {
  const bad = rows.filter((row) => row.kind === "bad").length;
  if (bad === 0) return RunStatus.COMPLETED;
  return bad === rows.length ? RunStatus.FAILED : RunStatus.COMPLETED_WITH_FAILURES;
}

/** What an acknowledged run's handlers must have done at least once. */
function expectedEffects({ runId, workflow, rows }: Planned): string[] {
  if (workflow === "single") return [`${runId}/double`];
  if (workflow === "chain") return ["first", "second", "third"].map((name) => `${runId}/${name}`);
  const loaded = rows.filter((row) => row.kind !== "bad").map(({ row }) => `${runId}/load/${row}`);
  const report = loaded.length > 0 ? [`${runId}/report`] : [];
  return [...rows.map(({ row }) => `${runId}/check/${row}`), ...loaded, ...report];
}

/** As a careful user would: until it is acknowledged, always under the same id. `troubles` gets whose outcome stayed unknown. */
async function start(client: Holdfast, planned: Planned, troubles: Set<string>): Promise<RunHandle<unknown>> {
  for (;;) {
    try {
      return await client.start(planned.workflow, planned.input, { runId: planned.runId });
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.retry === "never") throw error;
      troubles.add(planned.runId);
      await pause(100);
    }
  }
}

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test(`${RUNS} runs survive ${NODE_KILLS} kills of the node and one of the server, each once and whole`, async () => {
  const random = Random.forTest("kills");
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const worker = await running.startWorker({
    modules: ["test/crash/workflows.ts"],
    env: { [EFFECTS_FILE]: effects },
  });
  const client = await running.connect();
  const runs = plan(random);

  const troubles = new Set<string>();
  let killing = true;
  let acknowledged = 0;
  const kills = (async () => {
    const serverKill = random.between(1, NODE_KILLS - 2);
    for (let kill = 0; kill < NODE_KILLS; kill++) {
      // Not by time alone, so that each kill meets work.
      const goal = ((kill + random.next()) / NODE_KILLS) * RUNS * 0.95;
      await until("more runs to be acknowledged", () => acknowledged >= goal);
      await running.node.kill();
      if (kill === serverKill) {
        await pause(random.between(0, 200));
        await running.killServer();
        await pause(random.between(0, 300));
        await running.startServer();
      }
      await pause(random.between(0, 300));
      await running.startNode();
    }
    killing = false;
  })();
  const handles = await forEachOf(runs, STARTS_AT_ONCE, async (planned) => {
    const handle = await start(client, planned, troubles);
    acknowledged++;
    if (killing) await pause(random.next() * START_PAUSE_MS_MAX);
    return handle;
  });
  await kills;
  // Only who was told that the outcome is not known may find the run there already.
  expect(handles.filter(({ existed, runId }) => existed && !troubles.has(runId))).toEqual([]);
  const ending = Promise.all(handles.map((handle) => handle.ended()));
  const ends = await within("all runs to end", ending).catch(async (error: unknown) => {
    throw new Error(`${String(error)}: ${describe(await openRuns(client))}`);
  });

  expect(await problemsOf(client, runs, ends)).toEqual([]);
  const done = effectsOf(effects);
  const undone = runs.flatMap(expectedEffects).filter((key) => !done.has(key));
  expect(undone).toEqual([]);
  const known = new Set(runs.flatMap(expectedEffects));
  expect([...done.keys()].filter((key) => !known.has(key))).toEqual([]);
  expect(running.children.flatMap((child) => child.logged("fatal"))).toEqual([]);
  expect(worker.running).toBe(true);
});

async function problemsOf(
  client: Holdfast,
  runs: readonly Planned[],
  ends: readonly RunEnded[],
): Promise<string[]> {
  const problems: string[] = [];
  const ids = await allRunIds(client);
  if (ids.length !== runs.length || new Set(ids).size !== runs.length)
    problems.push(
      `${runs.length} runs were started, ${ids.length} are listed, ${new Set(ids).size} different`,
    );
  await forEachOf(runs, 32, async (planned, index) => {
    const { runId, workflow, rows, n } = planned;
    const view = await client.get(runId);
    problems.push(...viewProblems(view));
    const status = view.summary?.status ?? 0;
    const expected = expectedStatus(planned);
    if (status !== expected || ends[index]?.status !== expected) {
      problems.push(
        `run ${runId} (${workflow}) is ${RunStatus[status]}, was told as ${RunStatus[ends[index]?.status ?? 0]}, and should be ${RunStatus[expected]}`,
      );
    }
    if (view.summary?.generation !== 1)
      problems.push(`run ${runId} is of generation ${view.summary?.generation}`);
    const output = await client.payloads.decode(view.output, `the output of ${runId}`);
    const loaded = rows.filter((row) => row.kind !== "bad").length;
    const wanted =
      workflow === "single"
        ? n * 2
        : workflow === "chain"
          ? (n + 1) * 10 + 1
          : loaded > 0
            ? { loaded }
            : null;
    if (JSON.stringify(output) !== JSON.stringify(wanted))
      problems.push(`run ${runId} gave ${JSON.stringify(output)} instead of ${JSON.stringify(wanted)}`);
    if (workflow !== "batch") return;
    for (const action of view.actions.filter(({ items }) => items !== undefined)) {
      const items = await allItems(client, runId, action.name);
      if (action.items !== undefined)
        problems.push(...ledgerProblems(`run ${runId}, action ${action.name}`, items, action.items));
      const total = action.name === "check" ? rows.length : loaded;
      if (items.length !== total)
        problems.push(`run ${runId}: ${action.name} has ${items.length} of ${total} items`);
    }
  });
  const { total } = await client.counts();
  const of = (status: RunStatus): bigint =>
    BigInt(runs.filter((planned) => expectedStatus(planned) === status).length);
  if (
    total.active !== 0n ||
    total.ended !== BigInt(runs.length) ||
    total.completed !== of(RunStatus.COMPLETED) ||
    total.completedWithFailures !== of(RunStatus.COMPLETED_WITH_FAILURES) ||
    total.failed !== of(RunStatus.FAILED) ||
    total.retried !== 0n
  )
    problems.push(`the counts are not those of the runs: ${describe(total)}`);
  return problems;
}

/** What has not ended, and how the partitions are: for the message of a failure. */
async function openRuns(client: Holdfast): Promise<object> {
  const statuses = [RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PAUSED];
  const { runs } = await client.list({ statuses, pageSize: 3 });
  const views = await Promise.all(runs.map(({ runId }) => client.get(runId)));
  return { views, counts: await client.counts(), partitions: await client.queries.status() };
}

const describe = (counts: object): string =>
  JSON.stringify(counts, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value));
