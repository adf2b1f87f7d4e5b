/** Objects go when nothing has used them for long, and stay as long as any run in any partition may need them. */
import { create } from "@bufbuild/protobuf";
import { appliedKey, partitionOf, SCHEMA_VERSION } from "@holdfast/core";
import {
  AppliedRecordSchema,
  type Payload,
  PayloadSchema,
  type PayloadRef,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const KEPT_MIN = 40;
const limits = {
  objectSweepPauseMs: 2 * MINUTE_MS,
  objectsKeptMs: KEPT_MIN * MINUTE_MS,
  workerLeaseMs: 10_000 * MINUTE_MS,
};
const one = create(WorkflowDefinitionSchema, {
  name: "one",
  actions: [{ name: "only", retry: { maxAttempts: 1 }, timeouts: { startToCloseMs: 10_000 * MINUTE_MS } }],
  retention: { completedRetentionS: 300 },
});

const body = (text: string): Buffer => Buffer.from(text);
const byReference = (value: PayloadRef): Payload => init(PayloadSchema, { body: { case: "ref", value } });
const naming = ({ name, size }: PayloadRef, pad = ""): Buffer =>
  body(
    JSON.stringify({
      pad,
      file: { $artifact: { contentType: "", name: "f", sha256: name, size: Number(size) } },
    }),
  );

class Scene {
  readonly world = new TestWorld(limits, 2);
  worker!: TestWorker;

  async begin(): Promise<void> {
    await this.world.startNode();
    await this.world.define(one);
    this.worker = new TestWorker(this.world, "worker-a", 1_000);
  }

  async start(runId: string, input: Payload | Uint8Array): Promise<void> {
    const { world } = this;
    const partition = partitionOf(runId, world.partitions);
    await world.until(world.commands.submit(partition, startRunCommand({ workflow: "one", runId, input })));
    await world.clock.advance(500);
  }

  async complete(runId: string): Promise<void> {
    for (const task of this.worker.tasks.filter((each) => each.runId === runId))
      await this.worker.succeed(task);
    await this.world.clock.advance(500);
  }

  async has(ref: PayloadRef): Promise<boolean> {
    return await this.world.payloads.get(ref).then(
      () => true,
      () => false,
    );
  }

  pass(minutes: number): Promise<void> {
    return this.world.clock.advance(minutes * MINUTE_MS);
  }
}

test("what a run refers to stays as long as there is the run, and goes long after it was pruned", async () => {
  const scene = new Scene();
  await scene.begin();
  const { payloads } = scene.world;
  const ofEnded = await payloads.put(body("of a run that ends"));
  const ofActive = await payloads.put(body("of a run that goes on"));
  const shared = await payloads.put(body("of both"));
  const nobodys = await payloads.put(body("of nobody"));
  const inText = await payloads.put(body("named in an input"));
  const nested = await payloads.put(body("named in what an input refers to"));
  const large = await payloads.put(naming(nested, "x".repeat(2_000)));
  // A run of each sort in both partitions.
  for (let n = 0; n < 4; n++) {
    await scene.start(`ends-${n}`, byReference(n % 2 === 0 ? ofEnded : shared));
    await scene.complete(`ends-${n}`);
    await scene.start(`goes-on-${n}`, byReference(n % 2 === 0 ? ofActive : shared));
  }
  await scene.start("names", naming(inText));
  await scene.start("holds", byReference(large));

  await scene.pass(KEPT_MIN - 10);
  for (const ref of [ofEnded, ofActive, shared, nobodys, inText, nested, large])
    expect(await scene.has(ref)).toBe(true);
  await scene.pass(KEPT_MIN);
  expect(await scene.has(nobodys)).toBe(false);
  expect(await scene.has(ofEnded)).toBe(false);
  await scene.pass(KEPT_MIN * 4);
  for (const ref of [ofActive, shared, inText, nested, large]) expect(await scene.has(ref)).toBe(true);
  expect(scene.world.registry.render()).toMatch(/^holdfast_objects_removed_total 2$/m);

  for (const runId of ["goes-on-0", "goes-on-1", "goes-on-2", "goes-on-3", "names", "holds"])
    await scene.complete(runId);
  await scene.pass(KEPT_MIN * 3);
  for (const ref of [ofActive, shared, inText, nested, large]) expect(await scene.has(ref)).toBe(false);
});

test("what is put again, or named by what is put, was used", async () => {
  const scene = new Scene();
  await scene.begin();
  const { payloads } = scene.world;
  const again = await payloads.put(body("again and again"));
  const named = await payloads.put(body("named"));
  const other = await payloads.put(body("neither"));
  await scene.pass(KEPT_MIN - 10);
  await payloads.put(body("again and again"));
  await payloads.put(naming(named));
  await scene.pass(30);
  expect([await scene.has(again), await scene.has(named), await scene.has(other)]).toEqual([
    true,
    true,
    false,
  ]);
});

test("a node that was away for long removes nothing that its runs refer to", async () => {
  const scene = new Scene();
  await scene.begin();
  const ref = await scene.world.payloads.put(body("needed still"));
  await scene.start("goes-on", byReference(ref));
  await scene.world.until(scene.world.node?.stop() ?? Promise.resolve());
  await scene.pass(KEPT_MIN * 10);
  await scene.world.startNode();
  await scene.pass(30);
  expect(await scene.has(ref)).toBe(true);
});

test("while a partition does not answer, nothing is removed", async () => {
  const scene = new Scene();
  await scene.begin();
  const ref = await scene.world.payloads.put(body("of nobody"));
  await scene.world.until(scene.world.node?.stop() ?? Promise.resolve());
  const db = await scene.world.store.open(1);
  const applied = decode(AppliedRecordSchema, db.getSync(appliedKey) ?? new Uint8Array());
  const schema = (to: number) =>
    db.write({ puts: [[appliedKey, encode(AppliedRecordSchema, { ...applied, schema: to })]], dels: [] });
  await schema(SCHEMA_VERSION + 1);
  await db.close();
  await scene.world.startNode();
  await scene.pass(KEPT_MIN * 3);
  expect(await scene.has(ref)).toBe(true);

  await scene.world.until(scene.world.node?.stop() ?? Promise.resolve());
  scene.world.loseState();
  await scene.world.startNode();
  await scene.pass(10);
  expect(await scene.has(ref)).toBe(false);
});

test.each([
  ["a day back", -DAY_MS],
  ["a day ahead", DAY_MS],
])(
  "a machine's clock that is set %s removes nothing early, and what nobody uses in time",
  async (_, byMs) => {
    const scene = new Scene();
    await scene.begin();
    const { payloads } = scene.world;
    const used = await payloads.put(body("of a run that goes on"));
    const nobodys = await payloads.put(body("of nobody"));
    await scene.start("goes-on", byReference(used));
    scene.world.clock.step(byMs);
    await scene.pass(KEPT_MIN - 5);
    expect([await scene.has(used), await scene.has(nobodys)]).toEqual([true, true]);
    const later = await payloads.put(body("put after the step"));
    await scene.pass(15);
    expect([await scene.has(used), await scene.has(nobodys), await scene.has(later)]).toEqual([
      true,
      false,
      true,
    ]);
    scene.world.clock.step(-byMs);
    await scene.pass(KEPT_MIN - 25);
    expect(await scene.has(later)).toBe(true);
    await scene.pass(20);
    expect([await scene.has(used), await scene.has(later)]).toEqual([true, false]);
  },
);
