/** What is the matter with schedules, and what checks find broken, is told at least once, whoever dies between the fold and the wire. */
import { create } from "@bufbuild/protobuf";
import { countsKey } from "@holdfast/core";
import {
  type Attention,
  AttentionBatchSchema,
  AttentionKind,
  CheckQuerySchema,
  CommandSchema,
  CountsRecordSchema,
  ListAttentionQuerySchema,
  PutScheduleSchema,
  ScheduleSpecSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { TestWorld } from "../dispatch/testing.js";

function listen(world: TestWorld): Attention[] {
  const heard: Attention[] = [];
  world.network.bus().subscribe("holdfast.attention.>", ({ data }) => {
    heard.push(...decode(AttentionBatchSchema, data.slice()).attentions);
  });
  return heard;
}
const asText = (all: readonly Attention[]): string[] =>
  all.map(({ kind, message }) => `${AttentionKind[kind]} ${message.slice(0, 40)}`);

async function listed(world: TestWorld): Promise<readonly Attention[]> {
  const value = init(ListAttentionQuerySchema, { limit: 10 });
  const answer = await world.until(world.queries.query(0, { case: "listAttention", value }));
  return answer.case === "attention" ? answer.value.attentions : [];
}

async function restart(world: TestWorld): Promise<void> {
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.startNode();
  await world.clock.advance(5_000);
}

test("a schedule that can't begin its runs: an owner that dies before it has marked what it told leaves it to the next", async () => {
  const world = new TestWorld({}, 1);
  await world.startNode();
  const heard = listen(world);
  const spec = init(ScheduleSpecSchema, { workflow: "nowhere", cron: "* * * * *" });
  const value = init(PutScheduleSchema, { name: "nightly", spec, who: "ann" });
  await world.until(
    world.commands.submit(
      0,
      init(CommandSchema, { id: "s1", issuedAtNs: nowNs(world), kind: { case: "putSchedule", value } }),
    ),
  );
  for (let step = 0; step < 800 && heard.length === 0; step++) await world.clock.advance(100);
  const first = 'SCHEDULE schedule "nightly" could not begin run n';
  expect(asText(heard)).toEqual([first]);
  await restart(world);
  expect(asText(heard)).toEqual([first, first]);
  await restart(world);
  expect(asText(heard)).toEqual([first, first]);
  expect(asText(await listed(world))).toEqual([first]);
});

const nowNs = (world: TestWorld): bigint => BigInt(Math.floor(world.clock.nowMs())) * 1_000_000n;

const check = async (world: TestWorld): Promise<string[]> => {
  const result = await world.until(world.queries.query(0, { case: "check", value: init(CheckQuerySchema) }));
  return result.case === "check" ? result.value.breaches.map(({ message }) => message) : [];
};

test("a broken rule that a check finds: told, told again by the next owner until it is marked, listed until a check finds it mended", async () => {
  const world = new TestWorld({}, 1);
  await world.startNode();
  await world.define(create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] }));
  await world.start("one", "r1");
  await world.clock.advance(1_000);
  const spoil = async (active: number): Promise<void> => {
    await world.until(world.node?.stop() ?? Promise.resolve());
    const store = await world.store.open(0);
    const key = countsKey("one");
    const counts = decode(CountsRecordSchema, store.getSync(key) ?? new Uint8Array());
    await store.write({
      puts: [[key, encode(CountsRecordSchema, init(CountsRecordSchema, { ...counts, active }))]],
      dels: [],
    });
    await store.close();
    await world.startNode();
  };
  await spoil(7);
  const heard = listen(world);
  const found = await check(world);
  expect(found).toContain("workflow one: 7 runs are counted as active, 1 are there");
  for (let step = 0; step < 20 && heard.length === 0; step++) await world.clock.advance(10);
  const asFound = found.map((message) => `BREACH ${`I7 is broken: ${message}`.slice(0, 40)}`);
  expect(asText(heard)).toEqual(asFound);
  await restart(world);
  expect(asText(heard)).toEqual([...asFound, ...asFound]);
  await restart(world);
  expect(heard).toHaveLength(2 * asFound.length);
  expect(asText(await listed(world))).toEqual(asFound);
  await spoil(1);
  expect(await check(world)).toEqual([]);
  await world.clock.advance(1_000);
  expect(await listed(world)).toEqual([]);
});
