/** Messages between partitions, on a node whose logs fail now and then. */
import { create } from "@bufbuild/protobuf";
import { partitionOf, prefixEnd, receivedMarkKey, runKey, schemaOf } from "@holdfast/core";
import {
  CommandBatchSchema,
  CommandSchema,
  type DeliverMessages,
  DeliverMessagesSchema,
  type MessageMarkRecord,
  PartitionMessageSchema,
  RequesterSchema,
  RequestingActionSchema,
  StartRequestedSchema,
  StartRunSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { PortError } from "../ports/index.js";

const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });
const PARTITIONS = 4;
const HOME = 0;

const idIn = (partition: number, salt: string): string => {
  for (let i = 0; ; i++) if (partitionOf(`${salt}-${i}`, PARTITIONS) === partition) return `${salt}-${i}`;
};

async function world(): Promise<{ world: TestWorld; worker: TestWorker }> {
  const made = new TestWorld({}, PARTITIONS);
  await made.startNode();
  await made.define(one);
  return { world: made, worker: new TestWorker(made, "worker-a", 100) };
}

/** Runs of partition 0, begun for actions of runs in the given partitions. */
async function request(at: TestWorld, requesters: readonly number[], firstN = 1): Promise<void> {
  const messages = requesters.map((to, i) =>
    init(PartitionMessageSchema, {
      kind: {
        case: "startRequested",
        value: init(StartRequestedSchema, {
          start: init(StartRunSchema, { runId: idIn(HOME, `run-${firstN + i}`), workflow: "one" }),
          requester: init(RequesterSchema, {
            of: {
              case: "action",
              value: init(RequestingActionSchema, { runId: idIn(to, "parent"), attempt: 1 }),
            },
          }),
        }),
      },
    }),
  );
  const value = init(DeliverMessagesSchema, {
    from: HOME,
    incarnation: 1n,
    firstN: BigInt(firstN),
    stored: BigInt(firstN - 1),
    messages,
  });
  const outcome = await at.until(
    at.commands.submit(HOME, init(CommandSchema, { kind: { case: "deliverMessages", value } })),
  );
  expect(outcome.result.case).toBe("accepted");
}

async function finishAll(at: TestWorld, worker: TestWorker, known = new Set<string>()): Promise<void> {
  await at.clock.advance(200);
  const fresh = worker.tasks.filter((task) => !known.has(task.runId));
  for (const task of fresh) known.add(task.runId);
  await Promise.all(fresh.map((task) => worker.succeed(task)));
  await at.clock.advance(300);
}

/** All deliveries from partition 0 in a partition's log. */
async function deliveries(at: TestWorld, to: number): Promise<DeliverMessages[]> {
  const { lastSeq } = await at.log.info(to);
  const found: DeliverMessages[] = [];
  for (let seq = 1; seq <= lastSeq; seq++) {
    const entry = await at.log.entry(to, seq);
    for (const { kind } of decode(CommandBatchSchema, entry?.data ?? new Uint8Array()).commands)
      if (kind.case === "deliverMessages" && kind.value.incarnation !== 1n) found.push(kind.value);
  }
  return found;
}

/** Stops the node and looks into its state. */
async function stateAfter(at: TestWorld, partition: number) {
  await at.until(at.node?.stop() ?? Promise.resolve());
  const db = await at.store.open(partition);
  const outbox = await db.range({ from: "o", to: prefixEnd("o"), limit: 1_000 });
  const mark = db.getSync(receivedMarkKey(HOME));
  await db.close();
  return {
    outbox: outbox.length,
    applied: mark === undefined ? 0 : Number((decode(schemaOf("m"), mark) as MessageMarkRecord).n),
  };
}

/** Lets appends to some partitions fail while `broken` says so. */
function breakLog(
  at: TestWorld,
  broken: (to: number, data: Uint8Array) => PortError | "after" | undefined,
): void {
  const append = at.log.append.bind(at.log);
  at.log.append = async (to, data) => {
    const how = broken(to, data);
    if (how instanceof PortError) throw how;
    const seq = await append(to, data);
    if (how === "after") throw new PortError("unknown-outcome", "nobody answered");
    return seq;
  };
}

describe("a node brings messages to their receivers", () => {
  test("in order, each once, in batches, and keeps none that has arrived", async () => {
    const { world: at, worker } = await world();
    await request(at, [1, 2, 1, 1, HOME]);
    await finishAll(at, worker);
    const arrived = await deliveries(at, 1);
    expect(arrived.flatMap(({ messages }) => messages)).toHaveLength(3);
    expect(arrived[0]?.firstN).toBe(1n);
    // What ended together travelled together.
    expect(arrived).toHaveLength(1);
    expect(await deliveries(at, HOME)).toHaveLength(1);
    expect(await stateAfter(at, HOME)).toEqual({ outbox: 0, applied: 1 });
    expect(await stateAfter(at, 1)).toEqual({ outbox: 0, applied: 3 });
  });

  test("though one receiver can't be written to: the others wait for nothing, and it gets all in the end", async () => {
    const { world: at, worker } = await world();
    let full = true;
    const known = new Set<string>();
    breakLog(at, (to) => (full && to === 1 ? new PortError("full", "no room") : undefined));
    for (let round = 0; round < 5; round++) {
      await request(at, [1, 2], 1 + round * 2);
      await finishAll(at, worker, known);
    }
    expect((await deliveries(at, 2)).flatMap(({ messages }) => messages)).toHaveLength(5);
    expect(await deliveries(at, 1)).toHaveLength(0);
    full = false;
    await at.clock.advance(6_000);
    const late = await deliveries(at, 1);
    expect(late.flatMap(({ messages }) => messages)).toHaveLength(5);
    expect(await stateAfter(at, HOME)).toMatchObject({ outbox: 0 });
  });

  test("again where nobody said whether they arrived; they count once", async () => {
    const { world: at, worker } = await world();
    let failures = 3;
    breakLog(at, (to) => (to === 1 && failures-- > 0 ? "after" : undefined));
    await request(at, [1, 1]);
    await finishAll(at, worker);
    await at.clock.advance(3_000);
    const arrived = await deliveries(at, 1);
    expect(arrived).toHaveLength(4);
    expect(new Set(arrived.map(({ firstN }) => firstN))).toEqual(new Set([1n]));
    expect(await stateAfter(at, 1)).toEqual({ outbox: 0, applied: 2 });
  });

  test.each(["kept", "lost"])(
    "again after a death that left it unsaid that they arrived, with its state %s",
    async (folder) => {
      const { world: at, worker } = await world();
      await request(at, [1, 1]);
      let mute = true;
      breakLog(at, (to, data) => {
        const says = decode(CommandBatchSchema, data).commands.some(
          ({ kind }) => kind.case === "messagesDelivered",
        );
        return mute && to === HOME && says ? new PortError("unavailable", "cut off") : undefined;
      });
      await finishAll(at, worker);
      expect(await deliveries(at, 1)).toHaveLength(1);
      mute = false;
      await at.until(at.node?.stop() ?? Promise.resolve());
      if (folder === "lost") at.loseState();
      await at.startNode();
      await at.clock.advance(1_000);
      const all = await deliveries(at, 1);
      const numbers = all.flatMap(({ firstN, messages }) => messages.map((_, i) => Number(firstN) + i));
      expect(numbers).toEqual([1, 2, 1, 2]);
      expect(await stateAfter(at, 1)).toEqual({ outbox: 0, applied: 2 });
      expect(await stateAfter(at, HOME)).toMatchObject({ outbox: 0 });
    },
  );
});

test("a run that was asked for by a message is like any other", async () => {
  const { world: at, worker } = await world();
  await request(at, [3]);
  await finishAll(at, worker);
  const view = await at.until(at.queries.getRun(idIn(HOME, "run-1")));
  expect(view.actions[0]?.attempt).toBe(1);
  await at.until(at.node?.stop() ?? Promise.resolve());
  const db = await at.store.open(HOME);
  expect(db.getSync(runKey(idIn(HOME, "run-1")))).toBeDefined();
});
