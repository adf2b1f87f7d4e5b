/**
 * Again and again the node is killed in the middle of bulk operations of every kind, alone or two on the same runs, in waves or not, some limited,
 * dry or aborted: each ends, comes to each of its runs once, and a run that two of them mean is taken by one.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import {
  BulkKind,
  type BulkOperationView,
  type BulkResult,
  BulkSpecSchema,
  BulkStatus,
  RunStatus,
  type RunSummary,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { sortIds } from "@holdfast/core";
import { abortBulkCommand, bulkHome, startBulkCommand } from "@holdfast/engine";
import type { Holdfast } from "@holdfast/sdk";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { Random } from "../support/random.js";
import { roundsOf } from "../support/rounds.js";
import { viewProblems } from "../support/run-rules.js";
import { PARTITIONS, System } from "../support/system.js";
import { forEachOf, pause, until } from "../support/wait.js";
import {
  type Ended,
  Fates,
  operationProblems,
  type Planned,
  type Round,
  roundOf,
  roundProblems,
} from "./bulk-rounds.js";
import { mendable, stubborn, waiting } from "./many-workflow.js";

/** The least deals each card of the deck. */
const ROUNDS = roundsOf(10);
const AT_ONCE = 100;
/** How long after an operation is in the log the node is killed, at most. */
const KILL_AFTER_MS_MAX = 60;
/** For the state before the kill; there is none while the operation is only in the log. */
const LOOK_MS_MAX = 200;
const TEST_MS_MAX = 1_800_000;
const PAGE = 500;
const KILLS_MIDWAY_MIN = Math.floor(ROUNDS / 6);
const DEFINITIONS = { mendable, stubborn, waiting };

const IN_THE_MIDDLE: ReadonlySet<BulkStatus> = new Set([
  BulkStatus.MATCHING,
  BulkStatus.RUNNING,
  BulkStatus.WAITING,
  BulkStatus.CLOSING,
]);
const isInTheMiddle = (view: BulkOperationView | undefined): boolean =>
  view !== undefined && IN_THE_MIDDLE.has(view.status);

/** The same command however often. */
const begin = (client: Holdfast, { operationId, spec, runIds }: Planned): Promise<number> =>
  client.commands.send(
    bulkHome(operationId, PARTITIONS),
    startBulkCommand({
      operationId,
      spec,
      ids: sortIds(runIds),
      id: `begin-${operationId}`,
      nowMs: Date.now(),
    }),
  );

const abort = (client: Holdfast, { operationId }: Planned): Promise<number> =>
  client.commands.send(
    bulkHome(operationId, PARTITIONS),
    abortBulkCommand({
      operationId,
      who: "a test",
      reason: "on second thoughts",
      id: `abort-${randomUUID()}`,
      nowMs: Date.now(),
    }),
  );

/** Undefined: it has not begun, or its node is away. */
async function viewOf(
  client: Holdfast,
  operationId: string,
  timeoutMs?: number,
): Promise<BulkOperationView | undefined> {
  try {
    return (await client.queries.bulk(operationId, {}, { timeoutMs })).operation;
  } catch {
    return undefined;
  }
}

/** Its end, and that of all that it set off. */
async function endOf(client: Holdfast, planned: Planned): Promise<Ended> {
  const { operationId } = planned;
  let last: BulkOperationView | undefined;
  const isOver = async (): Promise<BulkOperationView | undefined> => {
    last = await viewOf(client, operationId);
    return last === undefined || isInTheMiddle(last) || last.outstanding > 0n ? undefined : last;
  };
  const view = await until(`operation ${operationId} to end`, isOver).catch((error: unknown) => {
    const text = `${BulkStatus[last?.status ?? 0]}, ${last?.outstanding} outstanding, ${last?.detail}`;
    throw new Error(`operation ${operationId}: ${text}`, { cause: error });
  });
  const results: BulkResult[] = [];
  for (let fromPage = 0; fromPage < view.pages; ) {
    const answer = await client.queries.bulk(operationId, { fromPage, pages: 20 });
    results.push(...answer.results);
    if (answer.nextPage <= fromPage) break;
    fromPage = answer.nextPage;
  }
  return { planned, view, results };
}

async function allRuns(client: Holdfast, workflow: string): Promise<RunSummary[]> {
  const runs: RunSummary[] = [];
  let pageToken = "";
  do {
    const page = await client.list({ workflow, pageSize: PAGE, pageToken });
    runs.push(...page.runs);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return runs;
}

async function deadLetters(client: Holdfast): Promise<string[]> {
  const runIds: string[] = [];
  let pageToken = "";
  do {
    const page = await client.deadLetters({ workflow: "mendable", pageSize: PAGE, pageToken });
    runIds.push(...page.letters.map(({ runId }) => runId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return runIds.toSorted();
}

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("bulk operations go on over kills of the node: none comes to a run twice, or to fewer than it was to", {
  timeout: TEST_MS_MAX,
}, async () => {
  const random = Random.forTest("bulk");
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  await running.startWorker({
    modules: ["test/crash/many-workflow.ts"],
    env: { [EFFECTS_FILE]: effects, HOLDFAST_QUEUES: "default" },
  });
  const client = await running.connect();
  const admin = await running.startAdmin();
  const started = { mendable: 0, stubborn: 0, waiting: 0 };
  const fates = new Fates();
  const killedIn = new Map<string, number>();

  const isReady = async ({ workflow }: Round): Promise<boolean> =>
    workflow === "waiting" ||
    (await client.list({ workflow, statuses: [RunStatus.RUNNING], pageSize: 1 })).runs.length === 0;

  for (let n = 0; n < ROUNDS; n++) {
    const round = roundOf(n, random, fates);
    const { fresh, workflow } = round;
    await forEachOf(fresh, AT_ONCE, (runId) => client.start(DEFINITIONS[workflow], undefined, { runId }));
    fates.started(round);
    started[workflow] += fresh.length;
    await until("all runs of the round to fail", () => isReady(round));

    const { operations } = round;
    await Promise.all(operations.map((operation) => begin(client, operation)));
    await pause(random.next() * KILL_AFTER_MS_MAX);
    await Promise.all(
      operations.filter(({ aborted }) => aborted).map((operation) => abort(client, operation)),
    );
    const seen = await Promise.all(
      operations.map(({ operationId }) => viewOf(client, operationId, LOOK_MS_MAX)),
    );
    await running.node.kill();
    for (const view of seen.filter(isInTheMiddle)) {
      const status = BulkStatus[view?.status ?? 0] ?? "";
      killedIn.set(status, (killedIn.get(status) ?? 0) + 1);
    }
    // Who does not know whether it was heard says it again.
    await Promise.all(operations.map((operation) => begin(client, operation)));
    await running.startNode();

    const ended = await Promise.all(operations.map((operation) => endOf(client, operation)));
    expect(ended.flatMap((each) => operationProblems(workflow, each))).toEqual([]);
    expect(roundProblems(round, ended)).toEqual([]);
    expect(fates.ended(round, ended)).toEqual([]);
  }
  expect(await deadLetters(client)).toEqual(fates.dead());

  // What was aborted, limited or put aside left some.
  for (const [operationId, kind, workflow] of [
    ["rest-discarded", BulkKind.DISCARD, "mendable"],
    ["rest-retried", BulkKind.RETRY, "mendable"],
    ["rest-cancelled", BulkKind.CANCEL, "waiting"],
  ] as const) {
    const spec = init(BulkSpecSchema, { kind, workflow, who: "a test", reason: "the rest" });
    const rest: Planned = { operationId, spec, runIds: [], aborted: false };
    await begin(client, rest);
    const ended = await endOf(client, rest);
    expect(operationProblems(workflow, ended)).toEqual([]);
    expect(fates.ended({ workflow }, [ended])).toEqual([]);
  }
  expect(await deadLetters(client)).toEqual([]);

  const retried = await allRuns(client, "mendable");
  expect(retried.length).toBe(started.mendable);
  const wrong = retried.filter(
    ({ status, generation }) => status !== RunStatus.COMPLETED || generation !== 2,
  );
  expect(wrong.map(({ runId }) => runId)).toEqual([]);
  const cancelled = await allRuns(client, "waiting");
  expect(cancelled.length).toBe(started.waiting);
  const open = cancelled.filter(
    ({ status, generation }) => status !== RunStatus.CANCELLED || generation !== 1,
  );
  expect(open.map(({ runId }) => runId)).toEqual([]);
  const halted = await allRuns(client, "stubborn");
  expect(halted.length).toBe(started.stubborn);
  const other = halted.filter(
    ({ runId, status, generation }) => status !== RunStatus.FAILED || generation !== fates.generation(runId),
  );
  expect(other.map(({ runId }) => runId)).toEqual([]);
  for (const { runId } of [...retried, ...cancelled, ...halted].filter((_run, at) => at % 50 === 0))
    expect(viewProblems(await client.get(runId))).toEqual([]);
  // A handler may be asked again by a node that was killed, but never for an attempt beyond the retry.
  const attempts = new Set(effectsOf(effects).keys());
  expect(attempts.size).toBe(started.mendable + started.stubborn + fates.retriesInAll());
  expect([...attempts].filter((line) => !/ attempt [12]$/.test(line))).toEqual([]);

  const found: string[] = [];
  for await (const { breaches } of admin.call.check({}))
    found.push(...breaches.map(({ rule, runId, message }) => `${rule} ${runId}: ${message}`));
  expect(found).toEqual([]);
  const killed = [...killedIn.values()].reduce((sum, kills) => sum + kills, 0);
  process.stdout.write(`bulk: killed in ${JSON.stringify(Object.fromEntries(killedIn))}\n`);
  // Some had ended, or had not begun.
  expect(killed).toBeGreaterThanOrEqual(KILLS_MIDWAY_MIN);
  expect(running.children.flatMap((child) => child.logged("fatal"))).toEqual([]);
});
