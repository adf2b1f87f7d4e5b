/** A schema whose pattern never ends where patterns backtrack, and an input made for it, against a real node: the input is judged, the node works on, before and after a restart. */
import { RejectCode, RunStatus } from "@holdfast/proto";
import { createWorker, type Holdfast, workflow } from "@holdfast/sdk";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Admin, System } from "../support/system.js";
import { until, within } from "../support/wait.js";

/** 43 bytes. */
const EVIL = JSON.stringify({ name: `${"a".repeat(31)}!` });
const risky = workflow("risky", {
  input: { jsonSchema: { type: "object", properties: { name: { type: "string", pattern: "^(a+)+$" } } } },
}).action("act", () => "done");
const tree = workflow("tree", {
  input: { jsonSchema: { type: "object", properties: { in: { $ref: "#" } }, additionalProperties: false } },
}).action("act", () => "done");

let system: System;
let admin: Admin;
let client: Holdfast;
let nats: NatsConnection;

beforeAll(async () => {
  system = await System.start();
  client = await system.connect();
  admin = await system.startAdmin();
  nats = await connect({ servers: system.url });
  const connection = await system.connect("worker");
  const worker = await createWorker({ connection, workflows: [risky, tree] });
  system.onStop(async () => {
    await worker.stop();
    await nats.close();
  });
});
afterAll(() => system.stop());

async function rejectOf(name: string, body: string): Promise<{ code: RejectCode; reason: string }> {
  const ids = async () => (await admin.call.listRejected({ pageSize: 1_000 })).rejected;
  const before = (await ids()).length;
  await nats.request(`holdfast.work.${name}`, body, { timeout: 60_000 });
  return until(`the reject of ${name}`, async () => {
    const all = await ids();
    return all.length > before && all.at(-1);
  });
}

const nested = (levels: number, inner: string): string =>
  `${'{"in":'.repeat(levels)}${inner}${"}".repeat(levels)}`;

/** Evil and deep inputs at both doors, and a run beside them. */
async function judged(round: string): Promise<void> {
  const beside = await client.start(risky, { name: "aaa" }, { runId: `beside-${round}` });
  expect(Buffer.byteLength(EVIL)).toBe(43);
  for (let n = 0; n < 5; n++)
    expect(await rejectOf("risky", EVIL)).toMatchObject({
      code: RejectCode.SCHEMA_MISMATCH,
      reason: expect.stringMatching(/\/name must match pattern/),
    });
  await expect(admin.call.startRun({ workflow: "risky", inputJson: EVIL })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/\/name must match pattern/),
  });
  const deep = nested(100_000, "1");
  for (const said of [
    (await rejectOf("tree", deep)).reason,
    await admin.call.startRun({ workflow: "tree", inputJson: deep }).then(
      () => "accepted",
      (error: unknown) => (error as Error).message,
    ),
  ])
    expect(said).toMatch(/nested more than 200 levels deep/);
  expect((await rejectOf("tree", nested(150, '{"out":1}'))).reason).toMatch(/additional propert/);
  const held = await client.start("tree", JSON.parse(nested(150, "{}")), { runId: `deep-${round}` });
  for (const run of [beside, held])
    expect((await within("a run beside it", run.ended())).status).toBe(RunStatus.COMPLETED);
  expect([system.node.running, system.node.logged("fatal")]).toEqual([true, []]);
}

test("a pattern that would never end, and a schema without an end, are judged; a restarted node goes on the same", async () => {
  await judged("before");
  await system.node.kill();
  await nats.request("holdfast.work.risky", EVIL, { timeout: 60_000 });
  await system.startNode();
  await judged("after");
  expect(system.node.running).toBe(true);
});
