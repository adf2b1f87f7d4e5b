/** The dead-letter set on a whole node: listed page by page, announced at least once, whatever befalls the node. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  type DeadLetter,
  DeadLetterBatchSchema,
  FailureMode,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import {
  discardDeadLettersCommand,
  type ListDeadLettersFilter,
  moveToDeadLettersCommand,
  retryRunCommand,
} from "../client/index.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { deadLetterSubject } from "../subjects.js";

const MINUTE_MS = 60_000;
const mails = create(WorkflowDefinitionSchema, {
  name: "mails",
  queue: "mail",
  actions: [{ name: "send", retry: { maxAttempts: 1 } }],
  retention: { failedRetentionS: 600, deadLetterRetentionS: 3_600 },
});
const films = create(WorkflowDefinitionSchema, {
  name: "films",
  actions: [{ name: "check", retry: { maxAttempts: 1 } }],
  recovery: { deadLetter: true },
});

interface Scene {
  readonly world: TestWorld;
  readonly told: DeadLetter[];
}

/** Runs m0, m1, … of mails, half of them by a TIMEOUT, that failed; none is moved. */
async function sceneWith(runs: number): Promise<Scene> {
  const world = new TestWorld({ workerLeaseMs: 600 * MINUTE_MS });
  await world.startNode();
  await world.define(mails);
  await world.define(films);
  const told: DeadLetter[] = [];
  for (const workflow of ["mails", "films"])
    world.network.bus().subscribe(deadLetterSubject(workflow), (message) => {
      told.push(...decode(DeadLetterBatchSchema, message.data).letters);
    });
  const mail = new TestWorker(world, "worker-a", 100, "mail");
  for (let i = 0; i < runs; i++) await world.start("mails", `m${i}`);
  await world.clock.advance(500);
  for (const task of mail.tasks) {
    const mode = Number(task.runId.slice(1)) % 2 === 0 ? FailureMode.TIMEOUT : FailureMode.VALIDATION;
    await mail.fail(task, mode, `no answer to ${task.runId}`);
  }
  await world.clock.advance(500);
  return { world, told };
}

const fields = (world: TestWorld, runId: string) => ({
  id: `c-${runId}-${world.clock.nowMs()}`,
  runId,
  action: "",
  items: [],
  who: "ann",
  reason: "poison",
  nowMs: world.clock.nowMs(),
});

async function move(world: TestWorld, runId: string): Promise<void> {
  const sent = world.commands.submit(
    partitionOf(runId, world.partitions),
    moveToDeadLettersCommand(fields(world, runId)),
  );
  expect((await world.until(sent)).result.case).toBe("accepted");
}

async function runsOf(world: TestWorld, filter: ListDeadLettersFilter = {}): Promise<string[]> {
  const runs: string[] = [];
  let pageToken = "";
  do {
    const page = await world.until(world.queries.listDeadLetters({ ...filter, pageToken }));
    runs.push(...page.letters.map((letter) => letter.runId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return runs;
}

test("a list shows the last moved first, over all partitions, page by page", async () => {
  const { world } = await sceneWith(9);
  for (const i of [4, 0, 8, 2, 6, 1, 3]) await move(world, `m${i}`);
  const all = ["m3", "m1", "m6", "m2", "m8", "m0", "m4"];
  expect(await runsOf(world)).toEqual(all);
  expect(await runsOf(world, { pageSize: 2 })).toEqual(all);
});

test("what is moved while pages are read is not of that list", async () => {
  const { world } = await sceneWith(4);
  for (const i of [0, 1, 2]) await move(world, `m${i}`);
  const first = await world.until(world.queries.listDeadLetters({ pageSize: 2 }));
  await move(world, "m3");
  const second = await world.until(
    world.queries.listDeadLetters({ pageSize: 2, pageToken: first.nextPageToken }),
  );
  expect([...first.letters, ...second.letters].map(({ runId }) => runId)).toEqual(["m2", "m1", "m0"]);
});

test("filters: workflow, queue, failure mode, run and time", async () => {
  const { world } = await sceneWith(4);
  await move(world, "m0");
  await move(world, "m1");
  await world.clock.advance(MINUTE_MS);
  const noon = BigInt(world.clock.nowMs()) * 1_000_000n;
  await world.clock.advance(MINUTE_MS);
  await move(world, "m2");
  expect(await runsOf(world, { workflow: "mails" })).toEqual(["m2", "m1", "m0"]);
  expect(await runsOf(world, { workflow: "films" })).toEqual([]);
  expect(await runsOf(world, { queue: "mail" })).toEqual(["m2", "m1", "m0"]);
  expect(await runsOf(world, { queue: "default" })).toEqual([]);
  expect(await runsOf(world, { modes: [FailureMode.VALIDATION] })).toEqual(["m1"]);
  expect(await runsOf(world, { runId: "m1" })).toEqual(["m1"]);
  expect(await runsOf(world, { runId: "m3" })).toEqual([]);
  expect(await runsOf(world, { runId: "m1", movedAfterNs: noon })).toEqual([]);
  expect(await runsOf(world, { movedAfterNs: noon })).toEqual(["m2"]);
  expect(await runsOf(world, { movedBeforeNs: noon })).toEqual(["m1", "m0"]);
  await expect(world.until(world.queries.listDeadLetters({ pageToken: "no way" }))).rejects.toThrow(
    /the page token is not valid/,
  );
});

test("a run says that it is there, since when, by whom, why and until when; and that it was given up", async () => {
  const { world, told } = await sceneWith(1);
  await move(world, "m0");
  const run = await world.until(world.queries.getRun("m0"));
  expect(run.summary).toMatchObject({ deadLetters: 1 });
  const { retryableUntil } = run.summary ?? {};
  expect(run.deadLetters).toMatchObject([
    { runId: "m0", who: "ann", reason: "poison", mode: FailureMode.TIMEOUT, keptUntil: retryableUntil },
  ]);
  const movedS = run.deadLetters[0]?.movedAt?.seconds ?? 0n;
  expect(retryableUntil?.seconds).toBe(movedS + 3_600n);
  expect(told).toMatchObject([
    { runId: "m0", workflow: "mails", reason: "poison", failure: "send: no answer to m0" },
  ]);
  expect((await world.until(world.queries.counts("mails"))).total.deadLetters).toBe(1n);
  await world.until(
    world.commands.submit(
      partitionOf("m0", world.partitions),
      discardDeadLettersCommand(fields(world, "m0")),
    ),
  );
  const after = await world.until(world.queries.getRun("m0"));
  expect(after.deadLetters).toEqual([]);
  expect(after.discarded).toMatch(/^discarded by ann at .+: poison$/);
});

test("sweeps leave it past the floor, take it when its time is over, and take what was discarded at once then", async () => {
  const { world } = await sceneWith(4);
  await move(world, "m0");
  await move(world, "m1");
  await world.clock.advance(20 * MINUTE_MS);
  const kept = async (): Promise<string[]> =>
    (await world.until(world.queries.listRuns({}))).runs.map(({ runId }) => runId).toSorted();
  expect(await kept()).toEqual(["m0", "m1"]);
  const discard = discardDeadLettersCommand(fields(world, "m1"));
  await world.until(world.commands.submit(partitionOf("m1", world.partitions), discard));
  await world.clock.advance(1_000);
  expect(await kept()).toEqual(["m0"]);
  await world.clock.advance(41 * MINUTE_MS);
  expect(await kept()).toEqual([]);
  await expect(world.until(world.queries.getRun("m0"))).rejects.toThrow(/dead letters are kept 1 h/);
});

test("a retry takes it out, and the policy of its workflow puts it back", async () => {
  const { world, told } = await sceneWith(0);
  const worker = new TestWorker(world, "worker-b", 10);
  await world.start("films", "f");
  await world.clock.advance(500);
  for (const task of worker.tasks) await worker.fail(task, FailureMode.NETWORK, "no answer");
  await world.clock.advance(500);
  expect(await runsOf(world)).toEqual(["f"]);
  const retried = world.commands.submit(
    partitionOf("f", world.partitions),
    retryRunCommand(fields(world, "f")),
  );
  expect((await world.until(retried)).result.case).toBe("accepted");
  expect(await runsOf(world)).toEqual([]);
  const again = worker.tasks.at(-1);
  expect(again?.attempt).toBe(2);
  if (again !== undefined) await worker.fail(again, FailureMode.NETWORK, "no answer");
  await world.clock.advance(500);
  expect(await runsOf(world)).toEqual(["f"]);
  expect(told.map(({ byPolicy, runId }) => [byPolicy, runId])).toEqual([
    [true, "f"],
    [true, "f"],
  ]);
});

test("what was moved while no node could tell of it is announced by the next one, its data folder lost or not", async () => {
  const { world, told } = await sceneWith(3);
  await move(world, "m0");
  await world.clock.advance(5 * MINUTE_MS);
  await world.until(world.node?.stop() ?? Promise.resolve());
  const unheard = world.commands.submit(
    partitionOf("m1", world.partitions),
    moveToDeadLettersCommand(fields(world, "m1")),
  );
  await world.clock.advance(1_000);
  expect(told.map(({ runId }) => runId)).toEqual(["m0"]);
  world.loseState();
  await world.startNode();
  expect((await world.until(unheard)).result.case).toBe("accepted");
  await world.clock.advance(1_000);
  expect(told.map(({ runId }) => runId)).toContain("m1");
  expect((await runsOf(world)).toSorted()).toEqual(["m0", "m1"]);
});
