/**
 * Fifty times the node is killed in the middle of bulk operations, alone or two on the same runs, in waves or not, some aborted: each ends,
 * comes to each of its runs once, and a run that two of them mean is set off by one.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import {
  BulkKind,
  type BulkOperationView,
  type BulkResult,
  BulkResultKind,
  type BulkSpec,
  BulkSpecSchema,
  BulkStatus,
  RunStatus,
  type RunSummary,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { abortBulkCommand, bulkHome, startBulkCommand } from "@holdfast/engine";
import type { Holdfast } from "@holdfast/sdk";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { Random } from "../support/random.js";
import { viewProblems } from "../support/run-rules.js";
import { PARTITIONS, System } from "../support/system.js";
import { forEachOf, pause, until } from "../support/wait.js";
import { mendable, waiting } from "./many-workflow.js";

const ROUNDS = 50;
/** More than one step of each partition. */
const RUNS_MANY = 240;
const RUNS_FEW = 40;
const AT_ONCE = 100;
/** How long after an operation is in the log the node is killed, at most. */
const KILL_AFTER_MS_MAX = 60;
/** For the state before the kill; there is none while the operation is only in the log. */
const LOOK_MS_MAX = 200;
const ENDED_MS_MAX = 60_000;
const TEST_MS_MAX = 600_000;
const PAGE = 500;
const KILLS_MIDWAY_MIN = 8;

const IN_THE_MIDDLE: ReadonlySet<BulkStatus> = new Set([
  BulkStatus.MATCHING,
  BulkStatus.RUNNING,
  BulkStatus.WAITING,
  BulkStatus.CLOSING,
]);
const isInTheMiddle = (view: BulkOperationView | undefined): boolean =>
  view !== undefined && IN_THE_MIDDLE.has(view.status);

interface Planned {
  readonly operationId: string;
  readonly spec: BulkSpec;
  readonly runIds: readonly string[];
  readonly aborted: boolean;
}

interface Round {
  readonly workflow: "mendable" | "waiting";
  readonly runIds: readonly string[];
  readonly operations: readonly Planned[];
}

interface Ended {
  readonly planned: Planned;
  readonly view: BulkOperationView;
  readonly results: readonly BulkResult[];
}

function roundOf(round: number, random: Random): Round {
  const isRetry = random.next() < 0.75;
  const runs = random.next() < 0.2 ? RUNS_MANY : RUNS_FEW;
  const runIds = Array.from({ length: runs }, (_, n) => `run-${round}-${n}`);
  const workflow = isRetry ? "mendable" : "waiting";
  const operations = Array.from({ length: random.between(1, 2) }, (_, n): Planned => {
    const byIds = random.next() < 0.3;
    const waves = isRetry && random.next() < 0.5 ? { canaryFirst: 5, canaryThen: runs / 4 } : {};
    const selector = byIds ? { byIds } : { workflow };
    const kind = isRetry ? BulkKind.RETRY : BulkKind.CANCEL;
    const spec = init(BulkSpecSchema, { kind, ...selector, ...waves, who: "a test", reason: "mended" });
    const aborted = random.next() < 0.25;
    return { operationId: `op-${round}-${n}`, spec, runIds: byIds ? runIds : [], aborted };
  });
  return { workflow, runIds, operations };
}

/** The same command however often. */
const begin = (client: Holdfast, { operationId, spec, runIds }: Planned): Promise<number> =>
  client.commands.send(
    bulkHome(operationId, PARTITIONS),
    startBulkCommand({ operationId, spec, runIds, id: `begin-${operationId}`, nowMs: Date.now() }),
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
  const view = await until(`operation ${operationId} to end`, isOver, ENDED_MS_MAX).catch(
    (error: unknown) => {
      const text = `${BulkStatus[last?.status ?? 0]}, ${last?.outstanding} outstanding, ${last?.detail}`;
      throw new Error(`operation ${operationId}: ${text}`, { cause: error });
    },
  );
  const results: BulkResult[] = [];
  for (let fromPage = 0; fromPage < view.pages; ) {
    const answer = await client.queries.bulk(operationId, { fromPage, pages: 20 });
    results.push(...answer.results);
    if (answer.nextPage <= fromPage) break;
    fromPage = answer.nextPage;
  }
  return { planned, view, results };
}

const ofKind = (results: readonly BulkResult[], kind: BulkResultKind): BulkResult[] =>
  results.filter((result) => result.kind === kind);

/** What an operation says of itself must agree with the results of its runs. */
function operationProblems({ planned, view, results }: Ended): string[] {
  const problems: string[] = [];
  const say = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(`${planned.operationId}, ${BulkStatus[view.status]}: ${problem}`);
  };
  const counts = view.counts ?? { done: 0n, raced: 0n, refused: 0n, pruned: 0n };
  const { done, raced, refused, pruned } = counts;
  const cameTo = done + raced + refused + pruned;
  const { status, total, left, ends } = view;
  say(
    status === BulkStatus.COMPLETED || (planned.aborted && status === BulkStatus.ABORTED),
    `that is not how it was to end: ${view.detail}`,
  );
  if (status === BulkStatus.COMPLETED) say(cameTo === total, `it came to ${cameTo} of ${total}`);
  else if (total > 0n) say(cameTo + left === total, `it came to ${cameTo} of ${total}, and ${left} are left`);
  say(refused + pruned === 0n, `${refused} were refused, ${pruned} pruned`);
  say(new Set(results.map(({ runId }) => runId)).size === results.length, "a run has two results");
  say(BigInt(results.length) === cameTo, `it came to ${cameTo}, and has ${results.length} results`);
  say(BigInt(ofKind(results, BulkResultKind.DONE).length) === done, `${done} are counted as done`);
  say(BigInt(ofKind(results, BulkResultKind.RACED).length) === raced, `${raced} are counted as raced`);
  if (planned.spec.kind === BulkKind.RETRY)
    say((ends?.completed ?? 0n) === done, `it set ${done} off, of which ${ends?.completed} completed`);
  return problems;
}

/** Of those of the same runs together: each run is done by one of them, or, where all that meant it were aborted, by none. */
function roundProblems({ runIds, operations }: Round, ended: readonly Ended[]): string[] {
  const done = ended.flatMap(({ results }) => ofKind(results, BulkResultKind.DONE).map(({ runId }) => runId));
  const problems: string[] = [];
  const once = new Set(done.filter((runId) => runIds.includes(runId)));
  if (new Set(done).size !== done.length) problems.push("two operations have done the same run");
  const isSure = operations.some(({ aborted }) => !aborted);
  if (isSure && once.size !== runIds.length)
    problems.push(`${once.size} of ${runIds.length} runs were done by ${operations.length} operations`);
  return problems;
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
  const started = { mendable: 0, waiting: 0 };
  const all: Ended[] = [];
  const killedIn = new Map<string, number>();

  const isReady = async ({ workflow }: Round): Promise<boolean> =>
    workflow === "waiting" ||
    (await client.list({ workflow, statuses: [RunStatus.RUNNING], pageSize: 1 })).runs.length === 0;

  for (let n = 0; n < ROUNDS; n++) {
    const round = roundOf(n, random);
    const definition = round.workflow === "mendable" ? mendable : waiting;
    await forEachOf(round.runIds, AT_ONCE, (runId) => client.start(definition, undefined, { runId }));
    started[round.workflow] += round.runIds.length;
    await until("all runs of the round to fail", () => isReady(round), ENDED_MS_MAX);

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
    expect(ended.flatMap(operationProblems)).toEqual([]);
    expect(roundProblems(round, ended)).toEqual([]);
    all.push(...ended);
  }

  // What was aborted left some.
  for (const [operationId, kind, workflow] of [
    ["rest-retried", BulkKind.RETRY, "mendable"],
    ["rest-cancelled", BulkKind.CANCEL, "waiting"],
  ] as const) {
    const spec = init(BulkSpecSchema, { kind, workflow, who: "a test" });
    const rest: Planned = { operationId, spec, runIds: [], aborted: false };
    await begin(client, rest);
    const ended = await endOf(client, rest);
    expect(operationProblems(ended)).toEqual([]);
    all.push(ended);
  }

  const done = all.flatMap(({ results }) => ofKind(results, BulkResultKind.DONE).map(({ runId }) => runId));
  expect(new Set(done).size).toBe(done.length);
  expect(done.length).toBe(started.mendable + started.waiting);
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
  for (const { runId } of [...retried, ...cancelled].filter((_run, at) => at % 50 === 0))
    expect(viewProblems(await client.get(runId))).toEqual([]);
  // A handler may be asked again by a node that was killed, but never for an attempt beyond the retry.
  const attempts = new Set(effectsOf(effects).keys());
  expect(attempts.size).toBe(started.mendable * 2);
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
