/** The sweeper on a whole node whose time stands still: what is due goes, in bounded pieces, and nothing else. */
import { create } from "@bufbuild/protobuf";
import { PRUNE_ROWS_MAX } from "@holdfast/core";
import {
  AttentionBatchSchema,
  AttentionKind,
  CommandBatchSchema,
  CommandSchema,
  FailureMode,
  RetentionPolicySchema,
  SetRetentionSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { PortError } from "../ports/index.js";
import { attentionSubject } from "../subjects.js";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const one = create(WorkflowDefinitionSchema, {
  name: "one",
  actions: [{ name: "only", retry: { maxAttempts: 1 } }],
  retention: { completedRetentionS: 120, failedRetentionS: 600 },
});

/** Runs that completed (c0, c1, …) and that failed (f0, f1, …). */
async function worldWith(completed: number, failed: number): Promise<TestWorld> {
  // A worker that sends no beats while time passes is not to be missed.
  const world = new TestWorld({ workerLeaseMs: 60 * MINUTE_MS }, 1);
  await world.startNode();
  await world.define(one);
  const worker = new TestWorker(world, "worker-a", 10_000);
  for (let i = 0; i < completed; i++) await world.start("one", `c${i}`);
  for (let i = 0; i < failed; i++) await world.start("one", `f${i}`);
  await world.clock.advance(500);
  for (const task of worker.tasks)
    await (task.runId.startsWith("c")
      ? worker.succeed(task)
      : worker.fail(task, FailureMode.VALIDATION, "it is bad"));
  await world.clock.advance(500);
  return world;
}

async function counts(world: TestWorld): Promise<{ readonly completed: number; readonly failed: number }> {
  const [found] = (await world.until(world.queries.counts("one"))).workflows;
  return { completed: Number(found?.completed), failed: Number(found?.failed) };
}

async function setRetention(world: TestWorld, completedRetentionS: number): Promise<void> {
  const policy = init(RetentionPolicySchema, { completedRetentionS });
  const value = init(SetRetentionSchema, { workflow: "one", policy, who: "ann" });
  const issuedAtNs = BigInt(world.clock.nowMs()) * 1_000_000n;
  const command = init(CommandSchema, {
    id: `set-${issuedAtNs}`,
    issuedAtNs,
    kind: { case: "setRetention", value },
  });
  await world.until(world.commands.submit(0, command));
}

test("each kind of run goes when it is due, and asking for one tells when and why it went", async () => {
  const world = await worldWith(3, 2);
  await world.clock.advance(MINUTE_MS);
  expect(await counts(world)).toEqual({ completed: 3, failed: 2 });
  await world.clock.advance(2 * MINUTE_MS);
  expect(await counts(world)).toEqual({ completed: 0, failed: 2 });
  await expect(world.until(world.queries.getRun("c1"))).rejects.toThrow(
    /run c1 of workflow "one" ended COMPLETED at .+ and was pruned at .+: completed runs are kept 2 min/,
  );
  await world.clock.advance(8 * MINUTE_MS);
  expect(await counts(world)).toEqual({ completed: 0, failed: 0 });
});

test("more than one command can take goes in several, within one sweep", async () => {
  const runs = PRUNE_ROWS_MAX + 20;
  const world = await worldWith(runs, 0);
  await world.clock.advance(3 * MINUTE_MS);
  expect(await counts(world)).toEqual({ completed: 0, failed: 0 });
  const sweeps = new Set<bigint>();
  let commands = 0;
  for (let seq = 1; ; seq++) {
    const entry = await world.log.entry(0, seq);
    if (entry === undefined) break;
    for (const { kind } of decode(CommandBatchSchema, entry.data).commands) {
      if (kind.case !== "prune") continue;
      commands += 1;
      sweeps.add(kind.value.sweepNs);
    }
  }
  expect(sweeps.size).toBe(1);
  expect(commands).toBeLessThanOrEqual(3);
});

test("a policy that is shortened counts at once, not at the next sweep that was planned", async () => {
  const world = await worldWith(2, 1);
  await world.clock.advance(30_000);
  await setRetention(world, 1);
  await world.clock.advance(1_000);
  expect(await counts(world)).toEqual({ completed: 0, failed: 1 });
});

test("a workflow that comes later, and keeps its runs for less long than all before, is not waited for", async () => {
  const world = await worldWith(0, 1);
  await world.clock.advance(30_000);
  const actions = [{ name: "only", queue: "brief" }];
  const retention = { completedRetentionS: 5 };
  await world.define(create(WorkflowDefinitionSchema, { name: "brief", actions, retention }));
  await world.start("brief", "b0");
  const worker = new TestWorker(world, "worker-b", 10, "brief");
  await world.clock.advance(500);
  for (const task of worker.tasks) await worker.succeed(task);
  await world.clock.advance(500);
  const kept = async (): Promise<number> =>
    Number((await world.until(world.queries.counts("brief"))).workflows[0]?.completed);
  expect(await kept()).toBe(1);
  await world.clock.advance(15_000);
  expect(await kept()).toBe(0);
});

test("where nothing is due, nothing is appended, however long it takes", async () => {
  const world = await worldWith(0, 1);
  // That its run needs a person is marked as told.
  await world.clock.advance(2_000);
  const { lastSeq } = await world.log.info(0);
  await world.clock.advance(9 * MINUTE_MS);
  expect((await world.log.info(0)).lastSeq).toBe(lastSeq);
});

test("a node that starts again goes on where the last one stopped", async () => {
  const world = await worldWith(2, 1);
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.clock.advance(3 * MINUTE_MS);
  world.loseState();
  await world.startNode();
  await world.clock.advance(10_000);
  expect(await counts(world)).toEqual({ completed: 0, failed: 1 });
  expect(world.node?.status()[0]?.retentionBehindMs).toBe(0n);
});

test("a sweep that does not get on is shown, counted and told for as long as it lasts, and no longer", async () => {
  const world = await worldWith(2, 0);
  const told: string[] = [];
  world.network.bus().subscribe(attentionSubject(""), ({ data }) => {
    for (const { kind, partition, message } of decode(AttentionBatchSchema, data).attentions)
      if (kind === AttentionKind.SWEEP_STALLED) told.push(`${partition}: ${message}`);
  });
  const append = world.log.append.bind(world.log);
  let full = true;
  world.log.append = async (partition, data) => {
    const prunes = decode(CommandBatchSchema, data).commands.some(({ kind }) => kind.case === "prune");
    if (full && prunes) throw new PortError("full", "there is no room in the log");
    return await append(partition, data);
  };
  const behindS = (): number =>
    Number(/^holdfast_retention_behind_seconds (.+)$/m.exec(world.registry.render())?.[1]);
  await world.clock.advance(2 * MINUTE_MS);
  expect(behindS()).toBeLessThan(10);
  await world.clock.advance(9 * MINUTE_MS);
  expect(told).toEqual([]);
  await world.clock.advance(21 * MINUTE_MS);
  expect(told).toHaveLength(2);
  expect(told[0]).toMatch(/^0: partition 0 is 1\d min behind with pruning ended runs/);
  expect(behindS()).toBeGreaterThan(29 * 60);
  const [status] = await world.until(world.queries.status());
  expect(Number(status?.retentionBehindMs)).toBeGreaterThan(29 * MINUTE_MS);

  full = false;
  await world.clock.advance(MINUTE_MS);
  expect(await counts(world)).toEqual({ completed: 0, failed: 0 });
  expect(behindS()).toBe(0);
  await world.clock.advance(30 * MINUTE_MS);
  expect(told).toHaveLength(2);
});

test.each([
  ["a day back", -DAY_MS],
  ["a day ahead", DAY_MS],
])(
  "a machine's clock that is set %s prunes nothing early, nothing late, and calls no sweep stalled",
  async (_, byMs) => {
    const world = await worldWith(3, 2);
    world.clock.step(byMs);
    await world.clock.advance(MINUTE_MS);
    expect(await counts(world)).toEqual({ completed: 3, failed: 2 });
    await world.clock.advance(2 * MINUTE_MS);
    expect(await counts(world)).toEqual({ completed: 0, failed: 2 });
    world.clock.step(-byMs);
    await world.clock.advance(5 * MINUTE_MS);
    expect(await counts(world)).toEqual({ completed: 0, failed: 2 });
    expect(world.processor(0).retentionBehindMs).toBe(0);
    await world.clock.advance(4 * MINUTE_MS);
    expect(await counts(world)).toEqual({ completed: 0, failed: 0 });
  },
);
