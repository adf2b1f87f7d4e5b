/** Timers of an owner whose log and store fail it now and then: none stands still. */
import { create } from "@bufbuild/protobuf";
import { TIMERS_FROM, TIMERS_TO } from "@holdfast/core";
import { CommandBatchSchema, RunStatus, WorkflowDefinitionSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { TestWorld } from "../dispatch/testing.js";
import { PortError } from "../ports/errors.js";
import { SlowStore } from "./slow-store.js";

const late = create(WorkflowDefinitionSchema, {
  name: "late",
  actions: [{ name: "rest", wait: { for: { case: "sleepMs", value: 10_000n } } }],
});

async function worldOf(): Promise<{ world: TestWorld; store: SlowStore }> {
  const world = new TestWorld({}, 1);
  const store = new SlowStore();
  world.store = store;
  await world.startNode();
  await world.define(late);
  return { world, store };
}

const statusOf = async (world: TestWorld, runId: string): Promise<string | undefined> =>
  RunStatus[(await world.until(world.queries.getRun(runId))).summary?.status ?? 0];

test("a log that refuses for good to take that timers fire is asked again", async () => {
  const { world } = await worldOf();
  await world.start("late", "run-1");
  const { log } = world;
  const append = log.append.bind(log);
  let refused = 0;
  log.append = (partition, data) => {
    const fires = decode(CommandBatchSchema, data).commands.some(({ kind }) => kind.case === "timersFired");
    if (!fires || refused === 3) return append(partition, data);
    refused += 1;
    return Promise.reject(new PortError("io", "the disk is ill"));
  };
  await world.clock.advance(9_000);
  await world.start("late", "run-2");
  await world.clock.advance(6_000);
  expect([refused, await statusOf(world, "run-1"), await statusOf(world, "run-2")]).toEqual([
    3,
    "COMPLETED",
    "RUNNING",
  ]);
  await world.clock.advance(6_000);
  expect(await statusOf(world, "run-2")).toBe("COMPLETED");
});

test("a store that can't say which timer is next is asked again", async () => {
  const { world, store } = await worldOf();
  await world.start("late", "run-1");
  await world.start("late", "run-2");
  let failed = 0;
  await world.clock.advance(9_000);
  store.delay = ({ from, to }) =>
    from === TIMERS_FROM && to === TIMERS_TO && failed++ < 2
      ? Promise.reject(new PortError("io", "the disk is ill"))
      : Promise.resolve();
  await world.start("late", "run-3");
  await world.clock.advance(20_000);
  expect(failed).toBeGreaterThan(2);
  for (const runId of ["run-1", "run-2", "run-3"])
    expect([runId, await statusOf(world, runId)]).toEqual([runId, "COMPLETED"]);
});
