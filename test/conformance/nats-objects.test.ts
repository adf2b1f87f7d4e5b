/** What removing objects leaves in a real stream: nothing, also where it was broken off; and what clients see that know nothing of it. */
import { logStream, PAYLOADS_BUCKET } from "@holdfast/engine";
import { connectNats, type NatsCluster } from "@holdfast/nats";
import { silentLogger } from "@holdfast/telemetry";
import { headers } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startTestServer, TEST_LOG_BYTES, type TestServer } from "./nats-server.js";

const STREAM = `OBJ_${PAYLOADS_BUCKET}`;
let server: TestServer;
let cluster: NatsCluster;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.empty();
  cluster = await connectNats({
    servers: server.server.url,
    name: "objects",
    logger: silentLogger,
    partitions: 1,
    logBytes: TEST_LOG_BYTES,
    syncsAlways: true,
  });
});
afterEach(() => cluster.close());

const messages = async (): Promise<number> => (await server.jsm.streams.info(STREAM)).state.messages;
const listed = () => cluster.payloads.listUnused(Date.now() + 3_600_000, 100, 0);

test("a removed object leaves no message behind, whichever way it was stored", async () => {
  await cluster.payloads.put(new Uint8Array(700_000));
  await cluster.payloads.putStream(
    (async function* () {
      yield new Uint8Array(600_000).fill(1);
    })(),
  );
  for (const { name } of await listed()) await cluster.payloads.touch(name);
  expect(await messages()).toBeGreaterThan(6);
  for (const object of await listed()) expect(await cluster.payloads.remove(object)).toBe(true);
  expect(await messages()).toBe(0);
  expect(await server.jsm.streams.info(logStream(0))).toBeDefined();
});

test("a removal that was broken off is ended by the next look, and hides the object from the start", async () => {
  const ref = await cluster.payloads.put(new Uint8Array(700_000));
  const [object] = await listed();
  // As `remove` stores it, before it takes the chunks away.
  const subject = `$O.${PAYLOADS_BUCKET}.M.${Buffer.from(ref.name).toString("base64").replaceAll("+", "-").replaceAll("/", "_")}`;
  const described = await server.jsm.streams.getMessage(STREAM, { last_by_subj: subject });
  const rollup = headers();
  rollup.set("Nats-Rollup", "sub");
  const removed = { ...described.json<object>(), size: 0, chunks: 0, digest: "", deleted: true };
  await server.nc.jetstream().publish(subject, JSON.stringify(removed), { headers: rollup });
  await expect(cluster.payloads.get(ref)).rejects.toMatchObject({ code: "not-found" });
  expect(object === undefined ? false : await cluster.payloads.remove(object)).toBe(false);
  expect(await messages()).toBe(4);
  expect(await listed()).toEqual([]);
  expect(await messages()).toBe(0);
});

test("an object whose use was noted is whole to a client of NATS", async () => {
  const body = Buffer.from("x".repeat(300_000));
  const ref = await cluster.payloads.put(body);
  await cluster.payloads.touch(ref.name);
  const store = await server.nc.jetstream().views.os(PAYLOADS_BUCKET);
  expect(Buffer.from((await store.getBlob(ref.name)) ?? []).equals(body)).toBe(true);
  expect((await store.info(ref.name))?.size).toBe(body.length);
});
