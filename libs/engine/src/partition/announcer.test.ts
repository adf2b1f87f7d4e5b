/** What needs a person is told at least once, whoever dies, and can be listed for as long as it does. */
import { create } from "@bufbuild/protobuf";
import {
  type Attention,
  AttentionBatchSchema,
  AttentionKind,
  FailureMode,
  ListAttentionQuerySchema,
  RunStatus,
  type Task,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { pauseRunCommand, pauseWorkflowCommand, resumeRunCommand, retryRunCommand } from "../client/index.js";

const definition = (name: string, fields: object = {}) =>
  create(WorkflowDefinitionSchema, {
    name,
    actions: [{ name: "only", retry: { maxAttempts: 1 }, ...fields }],
  });

/** What anybody hears, in order. */
function listen(world: TestWorld): Attention[] {
  const heard: Attention[] = [];
  world.network.bus().subscribe("holdfast.attention.>", ({ data }) => {
    heard.push(...decode(AttentionBatchSchema, data.slice()).attentions);
  });
  return heard;
}

const asText = (all: readonly Attention[]): string[] =>
  all.map(({ kind, runId, action }) => `${AttentionKind[kind]} ${runId || action}`);

async function listed(world: TestWorld, workflow = "", limit = 0) {
  const value = init(ListAttentionQuerySchema, { workflow, limit });
  const answer = await world.until(world.queries.query(0, { case: "listAttention", value }));
  if (answer.case !== "attention") throw new Error(`partition 0 answered with ${answer.case}`);
  return answer.value;
}

async function failAll(world: TestWorld, worker: TestWorker, mode = FailureMode.VALIDATION): Promise<void> {
  const done = new Set<Task>();
  for (let step = 0; step < 20; step++) {
    await world.clock.advance(50);
    for (const task of worker.tasks.filter((known) => !done.has(known))) {
      done.add(task);
      await world.until(worker.fail(task, mode, "it is bad"));
    }
    worker.beat();
  }
}

test("a new owner tells what the last one may not have told, and nothing that it did", async () => {
  const world = new TestWorld({ workerLeaseMs: 3_600_000 }, 1);
  await world.startNode();
  await world.define(definition("one"));
  const worker = new TestWorker(world, "worker-a", 10);
  const heard = listen(world);
  await world.start("one", "told");
  await failAll(world, worker);
  await world.clock.advance(5_000);
  expect(asText(heard)).toEqual(["MANUAL told"]);

  // Its report is folded by a node that is not the owner yet: nobody hears what that emits.
  await world.start("one", "untold");
  await world.clock.advance(100);
  const task = worker.tasks.at(-1) as Task;
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.until(worker.fail(task, FailureMode.STUCK, "it goes in circles"));
  await world.startNode();
  await world.clock.advance(5_000);
  expect(asText(heard)).toEqual(["MANUAL told", "STUCK untold"]);

  // Whatever was told and marked is not told by the next one.
  await world.until(world.node?.stop() ?? Promise.resolve());
  world.loseState();
  await world.startNode();
  await world.clock.advance(5_000);
  expect(heard).toHaveLength(2);
  expect(asText((await listed(world)).attentions)).toEqual(["STUCK untold", "MANUAL told"]);
});

test("an owner that dies before it has marked what it told leaves it to the next, which tells it again", async () => {
  const world = new TestWorld({ workerLeaseMs: 3_600_000 }, 1);
  await world.startNode();
  const breaker = { minSamples: 1, openForMs: 3_600_000, maxOpenForMs: 3_600_000 };
  await world.define(definition("one", { breaker }));
  const worker = new TestWorker(world, "worker-a", 10);
  const heard = listen(world);
  await world.start("one", "r1");
  await world.clock.advance(100);
  await world.until(worker.fail(worker.tasks[0] as Task, FailureMode.UNAVAILABLE, "no answer"));
  for (let step = 0; step < 20 && heard.length === 0; step++) await world.clock.advance(10);
  expect(asText(heard)).toEqual(["BREAKER_OPEN only"]);
  await world.until(world.node?.stop() ?? Promise.resolve());
  world.loseState();
  await world.startNode();
  await world.clock.advance(5_000);
  expect(asText(heard)).toEqual(["BREAKER_OPEN only", "BREAKER_OPEN only"]);
  expect(heard[1]?.message).toMatch(/^one\/only: breaker open until/);
  const { attentions } = await listed(world);
  expect(asText(attentions)).toEqual(["BREAKER_OPEN only"]);
});

const STUCK_MS = 60_000;

test("work that no worker takes is told once for as long as that lasts, and listed until one does", async () => {
  const world = new TestWorld({ workerLeaseMs: 3_600_000, stuckAfterMs: STUCK_MS }, 1);
  await world.startNode();
  await world.define(definition("one", { queue: "gpu" }));
  const heard = listen(world);
  for (const runId of ["r1", "r2", "r3"]) await world.start("one", runId);
  await world.clock.advance(STUCK_MS - 1_000);
  expect([heard, (await listed(world)).attentions]).toEqual([[], []]);
  for (let step = 0; step < 40; step++) await world.clock.advance(STUCK_MS / 10);
  expect(asText(heard)).toEqual(["STUCK r1"]);
  expect(heard[0]).toMatchObject({ workflow: "one", action: "only", queue: "gpu", partition: 0 });
  expect(heard[0]?.message).toMatch(
    /^run r1 does not move: no worker has taken action "only" for \d+ s, nor any of 2 more like it\. no worker serves queue "gpu" for this workflow: start one$/,
  );
  expect((await listed(world)).attentions[0]?.message).toMatch(/ for \d+ min, nor any of 2 more /);
  expect((await listed(world, "other")).attentions).toEqual([]);

  const worker = new TestWorker(world, "worker-a", 1, "gpu");
  await failAll(world, worker, FailureMode.NETWORK);
  expect((await world.until(world.queries.getRun("r3"))).summary?.status).toBe(RunStatus.FAILED);
  await world.clock.advance(STUCK_MS);
  expect((await listed(world)).attentions).toEqual([]);
  worker.beat({ gone: true });
  await world.start("one", "r4");
  for (let step = 0; step < 20; step++) await world.clock.advance(STUCK_MS / 10);
  expect(asText(heard)).toEqual(["STUCK r1", "STUCK r4"]);
});

test("work that workers have no room for is told with the number of workers", async () => {
  const world = new TestWorld({ workerLeaseMs: 3_600_000, stuckAfterMs: STUCK_MS }, 1);
  await world.startNode();
  await world.define(definition("one"));
  const heard = listen(world);
  const worker = new TestWorker(world, "worker-a", 1);
  for (const runId of ["r1", "r2"]) await world.start("one", runId);
  worker.held = worker.tasks;
  for (let step = 0; step < 20; step++) await world.clock.advance(STUCK_MS / 10);
  expect(worker.tasks.map(({ runId }) => runId)).toEqual(["r1"]);
  expect(asText(heard)).toEqual(["STUCK r2"]);
  expect(heard[0]?.message).toMatch(/the worker of queue "default" has no room: start more/);
});

test("how long work has been due is counted on over restarts, lost state, and from when it was resumed", async () => {
  const world = new TestWorld({ workerLeaseMs: 3_600_000, stuckAfterMs: STUCK_MS }, 1);
  await world.startNode();
  await world.define(definition("one"));
  const heard = listen(world);
  await world.start("one", "r1");
  const begunMs = world.clock.nowMs();
  const passUntil = async (ms: number): Promise<void> => {
    while (world.clock.nowMs() < ms) await world.clock.advance(1_000);
  };
  for (let restart = 1; restart <= 4; restart++) {
    await passUntil(begunMs + restart * 12_000);
    await world.until(world.node?.stop() ?? Promise.resolve());
    if (restart % 2 === 0) world.loseState();
    await world.startNode();
  }
  expect(heard).toEqual([]);
  await passUntil(begunMs + STUCK_MS + 16_000);
  expect(asText(heard)).toEqual(["STUCK r1"]);
  const { atNs = 0n } = heard[0] ?? {};
  expect(Number(atNs / 1_000_000n)).toBeGreaterThanOrEqual(begunMs - 1_000);
  expect(Number(atNs / 1_000_000n)).toBeLessThanOrEqual(begunMs);
  // The next owner says the same once more, of the same time.
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.startNode();
  await passUntil(begunMs + STUCK_MS + 60_000);
  expect([asText(heard), heard[1]?.atNs]).toEqual([["STUCK r1", "STUCK r1"], atNs]);

  const change = async (command: Parameters<typeof world.commands.submit>[1]): Promise<void> => {
    await world.until(world.commands.submit(0, command));
  };
  const by = { who: "ann", reason: "" };
  await change(pauseRunCommand({ id: "p1", runId: "r1", ...by, nowMs: world.clock.nowMs() }));
  await passUntil(begunMs + 4 * STUCK_MS);
  expect((await listed(world)).attentions).toEqual([]);
  await change(resumeRunCommand({ id: "p2", runId: "r1", who: "ann", nowMs: world.clock.nowMs() }));
  await passUntil(begunMs + 5 * STUCK_MS - 2_000);
  expect((await listed(world)).attentions).toEqual([]);
  await passUntil(begunMs + 5 * STUCK_MS + 16_000);
  expect(asText((await listed(world)).attentions)).toEqual(["STUCK r1"]);
});

test("a workflow that is paused is not stuck", async () => {
  const world = new TestWorld({ stuckAfterMs: STUCK_MS }, 1);
  await world.startNode();
  await world.define(definition("one"));
  const heard = listen(world);
  await world.start("one", "r1");
  const nowMs = world.clock.nowMs();
  const pause = pauseWorkflowCommand({ id: "p1", workflow: "one", who: "ann", reason: "", nowMs });
  await world.until(world.commands.submit(0, pause));
  for (let step = 0; step < 20; step++) await world.clock.advance(STUCK_MS / 10);
  expect([heard, (await listed(world)).attentions]).toEqual([[], []]);
});

test("the list is the newest first, bounded, of one workflow where that is asked, and says that there is more", async () => {
  const world = new TestWorld({ workerLeaseMs: 3_600_000 }, 1);
  await world.startNode();
  await world.define(definition("one"));
  await world.define(definition("two"));
  const worker = new TestWorker(world, "worker-a", 10);
  for (const runId of ["r1", "r2", "r3"]) {
    await world.start(runId === "r2" ? "two" : "one", runId);
    await failAll(world, worker);
  }
  expect(asText((await listed(world)).attentions)).toEqual(["MANUAL r3", "MANUAL r2", "MANUAL r1"]);
  expect(asText((await listed(world, "one")).attentions)).toEqual(["MANUAL r3", "MANUAL r1"]);
  const two = await listed(world, "", 2);
  expect([asText(two.attentions), two.more]).toEqual([["MANUAL r3", "MANUAL r2"], true]);
  const nowMs = world.clock.nowMs();
  await world.until(
    world.commands.submit(0, retryRunCommand({ id: "c1", runId: "r3", who: "ann", reason: "", nowMs })),
  );
  expect(asText((await listed(world)).attentions)).toEqual(["MANUAL r2", "MANUAL r1"]);
});
