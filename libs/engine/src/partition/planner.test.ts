/** Schedules on a whole node whose time stands still: instants begin runs, whoever is the owner, and also those nobody was there for. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  CommandBatchSchema,
  type Outcome,
  RunStatus,
  ScheduleChange,
  ScheduleOutcome,
  ScheduleOverlap,
  type ScheduleSpec,
  ScheduleSpecSchema,
  ScheduleStatus,
  type ScheduleView,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, type Init, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import {
  changeScheduleCommand,
  putScheduleCommand,
  scheduleHome,
  schedulingProblem,
} from "../client/schedules.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";

const MINUTE_MS = 60_000;
const one = create(WorkflowDefinitionSchema, {
  name: "one",
  actions: [{ name: "only", retry: { maxAttempts: 1 } }],
});
let ids = 0;

async function newWorld(): Promise<{ readonly world: TestWorld; readonly worker: TestWorker }> {
  const world = new TestWorld({ workerLeaseMs: 600 * MINUTE_MS });
  await world.startNode();
  await world.define(one);
  return { world, worker: new TestWorker(world, "worker-a", 1_000) };
}

const specOf = (fields: Init<ScheduleSpec> = {}): ScheduleSpec =>
  init(ScheduleSpecSchema, { workflow: "one", cron: "* * * * *", overlap: ScheduleOverlap.ALLOW, ...fields });

async function put(
  world: TestWorld,
  fields: Init<ScheduleSpec> = {},
  name = "tick",
): Promise<Outcome["result"]> {
  const spec = specOf(fields);
  const command = putScheduleCommand({
    name,
    spec,
    who: "ann",
    id: `put-${++ids}`,
    nowMs: world.clock.nowMs(),
  });
  return (await world.until(world.commands.submit(scheduleHome(name, world.partitions), command))).result;
}

async function change(world: TestWorld, what: ScheduleChange): Promise<void> {
  const nowMs = world.clock.nowMs();
  const command = changeScheduleCommand({
    name: "tick",
    change: what,
    reason: "",
    who: "ann",
    id: `c-${++ids}`,
    nowMs,
  });
  const { result } = await world.until(
    world.commands.submit(scheduleHome("tick", world.partitions), command),
  );
  expect(result.case).toBe("accepted");
}

const schedule = (world: TestWorld, name = "tick"): Promise<ScheduleView> =>
  world.until(world.queries.schedule(name));
const runs = async (world: TestWorld): Promise<string[]> =>
  (await world.until(world.queries.listRuns({ pageSize: 1_000 }))).runs.map(({ runId }) => runId).sort();
/** To the next whole minute and a bit. */
const nextMinute = (world: TestWorld): Promise<void> =>
  world.clock.advance(MINUTE_MS - (world.clock.nowMs() % MINUTE_MS) + 500);
const toldOf = ({ history }: ScheduleView): string[] =>
  history.map(({ outcome, count }) => `${ScheduleOutcome[outcome]} ${count}`);

test("each instant begins one run, which the schedule knows the end of", async () => {
  const { world, worker } = await newWorld();
  expect((await put(world)).case).toBe("accepted");
  for (let i = 0; i < 3; i++) await nextMinute(world);
  expect((await runs(world)).length).toBe(3);
  const [task] = worker.tasks;
  if (task === undefined) throw new Error("no task came");
  await worker.succeed(task);
  await world.clock.advance(1_000);
  const view = await schedule(world);
  expect(view).toMatchObject({ instants: 3n, started: 3n, status: ScheduleStatus.ACTIVE });
  expect(view.live.length).toBe(2);
  expect(view.history.map(({ runStatus }) => RunStatus[runStatus])).toEqual([
    "UNSPECIFIED",
    "UNSPECIFIED",
    "COMPLETED",
  ]);
  const run = await world.until(world.queries.getRun(task.runId));
  expect(run.origin).toMatch(/^schedule tick at \d{4}-\d\d-\d\d \d\d:\d\d:00 UTC$/);
  expect(run.scheduledBy).toMatchObject({ schedule: "tick", instant: view.history[2]?.instant });
});

test("another owner goes on with the schedule, and begins no instant again", async () => {
  const { world } = await newWorld();
  await put(world);
  await nextMinute(world);
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.startNode();
  await nextMinute(world);
  world.loseState();
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.startNode();
  await nextMinute(world);
  expect((await runs(world)).length).toBe(3);
  expect(await schedule(world)).toMatchObject({ instants: 3n, started: 3n });
});

test("instants that came while no node was there begin as far as the catch-up window goes; the others are counted", async () => {
  const { world } = await newWorld();
  await put(world, { catchUpMs: BigInt(5 * MINUTE_MS) });
  await nextMinute(world);
  await world.until(world.node?.stop() ?? Promise.resolve());
  for (let i = 0; i < 12; i++) await nextMinute(world);
  await world.startNode();
  await world.clock.advance(3_000);
  const view = await schedule(world);
  expect(view.instants).toBe(13n);
  expect(view.started + view.missed).toBe(13n);
  // The first that was missed had its timer; the others were passed over at once.
  expect(Number(view.started)).toBe(1 + 5);
  expect(toldOf(view).at(-2)).toBe("MISSED 7");
  expect(new Set(await runs(world)).size).toBe(6);
  // Of this node, since it began: what it did not see happen is not among it.
  expect([
    metric(world, '_instants_total{outcome="started"}'),
    metric(world, '_instants_total{outcome="missed"}'),
  ]).toEqual([5, 7]);
  expect(metric(world, '_instants_total{outcome="planned"}')).toBeGreaterThanOrEqual(5);
  const lateS = metric(world, "_late_seconds_total");
  expect(lateS).toBeGreaterThan(4 * 60);
  expect(lateS).toBeLessThan(5 * 5 * 60);
});

const metric = (world: TestWorld, name: string): number =>
  Number(
    world.registry
      .render()
      .split("\n")
      .find((line) => line.startsWith(`holdfast_schedule${name} `))
      ?.split(" ")[1] ?? Number.NaN,
  );

test("a plan is made once: none is made when the log is folded again", async () => {
  const { world } = await newWorld();
  await put(world);
  await nextMinute(world);
  const planned = async (): Promise<number> => {
    const home = scheduleHome("tick", world.partitions);
    const { lastSeq } = await world.log.info(home);
    let count = 0;
    for (let seq = 1; seq <= lastSeq; seq++) {
      const entry = await world.log.entry(home, seq);
      const { commands } = decode(CommandBatchSchema, entry?.data ?? new Uint8Array());
      count += commands.filter(({ kind }) => kind.case === "schedulePlanned").length;
    }
    return count;
  };
  const before = await planned();
  expect(before).toBe(2);
  world.loseState();
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.startNode();
  await world.clock.advance(1_000);
  expect(await planned()).toBe(before);
});

test("one that can't be planned says why, is not tried again and again, and harms no other", async () => {
  const { world } = await newWorld();
  expect(schedulingProblem(specOf({ cron: "99 * * * *" }))).toMatch(/no cron expression/);
  await put(world, { cron: "99 * * * *" });
  await put(world, {}, "other");
  await world.clock.advance(5_000);
  expect(await schedule(world)).toMatchObject({
    status: ScheduleStatus.INVALID,
    text: expect.stringMatching(
      /^its next instant can't be computed: "99 \* \* \* \*" is no cron expression/,
    ),
  });
  await nextMinute(world);
  expect((await schedule(world, "other")).started).toBe(1n);
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.startNode();
  await world.clock.advance(1_000);
  expect((await schedule(world)).status).toBe(ScheduleStatus.INVALID);
  await put(world);
  await nextMinute(world);
  expect(await schedule(world)).toMatchObject({ status: ScheduleStatus.ACTIVE, started: 1n });
});

test("what fell into a pause is passed over and counted", async () => {
  const { world } = await newWorld();
  await put(world);
  await change(world, ScheduleChange.PAUSE);
  for (let i = 0; i < 4; i++) await nextMinute(world);
  await change(world, ScheduleChange.RESUME);
  await nextMinute(world);
  expect(await schedule(world)).toMatchObject({ instants: 5n, skipped: 4n, started: 1n, missed: 0n });
  expect(metric(world, '_instants_total{outcome="skipped"}')).toBe(4);
});

test("triggered, one begins at once; deleted, none begins any more", async () => {
  const { world } = await newWorld();
  await put(world);
  await change(world, ScheduleChange.TRIGGER);
  await world.clock.advance(1_000);
  expect((await runs(world)).length).toBe(1);
  await change(world, ScheduleChange.DELETE);
  await nextMinute(world);
  await nextMinute(world);
  expect((await runs(world)).length).toBe(1);
  await expect(schedule(world)).rejects.toThrow(/there is no schedule "tick"/);
});

test("they are listed by name over all partitions, a page at a time, by workflow", async () => {
  const { world } = await newWorld();
  const names = Array.from({ length: 23 }, (_, i) => `s-${String(i).padStart(2, "0")}`);
  for (const name of names)
    await put(world, { workflow: Number(name.slice(2)) % 2 === 0 ? "one" : "two" }, name);
  expect(new Set(names.map((name) => partitionOf(name, world.partitions))).size).toBe(2);
  const found: string[] = [];
  for (let pageToken = ""; ; ) {
    const page = await world.until(world.queries.schedules({ pageSize: 5, pageToken }));
    expect(page.schedules.length).toBeLessThanOrEqual(5);
    found.push(...page.schedules.map(({ name }) => name));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(found).toEqual(names);
  const ofOne = await world.until(world.queries.schedules({ workflow: "one", pageSize: 1_000 }));
  expect(ofOne.schedules.map(({ name }) => name)).toEqual(names.filter((_, i) => i % 2 === 0));
});
