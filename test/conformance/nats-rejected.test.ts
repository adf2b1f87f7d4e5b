/** Rejected work on a real server: what becomes of it where a body is gone, or a decision is cut short. */
import { editedWork, WORK_STREAM, type WorkMessage } from "@holdfast/engine";
import { connectNats, type NatsCluster } from "@holdfast/nats";
import { RejectCode } from "@holdfast/proto";
import { silentLogger } from "@holdfast/telemetry";
import { headers } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { startTestServer, TEST_LOG_BYTES, type TestServer } from "./nats-server.js";

let server: TestServer;
let cluster: NatsCluster;
let stop: AbortController;
let got: WorkMessage[];
const bytes = (value: string): Uint8Array => Buffer.from(value, "utf8");

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.empty();
  cluster = await connectNats({
    servers: server.server.url,
    name: "rejected",
    logger: silentLogger,
    partitions: 1,
    logBytes: TEST_LOG_BYTES,
  });
  stop = new AbortController();
  got = [];
  void (async () => {
    for await (const batch of cluster.work.read(stop.signal)) got.push(...batch);
  })();
});
afterEach(async () => {
  stop.abort();
  await cluster.close();
});

test("whose body in the object store is gone is listed, says so when it is replayed, and goes on with an input", async () => {
  await server.nc
    .jetstream()
    .publish("holdfast.work.orders", new Uint8Array(cluster.bus.maxMessageBytes - 200));
  await vi.waitFor(() => expect(got).toHaveLength(1), { timeout: 60_000 });
  const [message] = got;
  if (message === undefined) throw new Error("nothing came");
  await cluster.work.reject(message, RejectCode.TOO_LARGE, "too large");
  message.ack();
  const [object] = await cluster.payloads.listUnused(Date.now() + 60_000, 10, 0);
  if (object === undefined) throw new Error("it is not in the object store");
  expect(await cluster.payloads.remove(object)).toBe(true);
  const { entries } = await cluster.work.listRejected({ afterId: 0, limit: 5 });
  expect(entries).toMatchObject([
    { bodyBytes: object.bytes, bodyProblem: expect.stringContaining("not in the object store any more") },
  ]);
  const id = entries[0]?.id ?? 0;
  const ann = { who: "ann", reason: "the body is gone" };
  await expect(cluster.work.replayRejected(id, ann)).rejects.toMatchObject({
    code: "not-found",
    message: expect.stringMatching(
      /can't be replayed as it came: its body .+Replay it with an input, or discard it/,
    ),
  });
  // Nothing was decided by that.
  expect(await cluster.work.listDecided(5)).toEqual([]);
  const as = { subject: "holdfast.work.orders", data: bytes("1"), headers: [] };
  expect(await cluster.work.replayRejected(id, ann, as)).toBe(true);
  await vi.waitFor(() => expect(got).toHaveLength(2), { timeout: 60_000 });
  expect(Buffer.from(got[1]?.data ?? []).toString()).toBe("1");
});

test("a header that came twice is replayed twice, and one that is given takes the place of both", async () => {
  const hdrs = headers();
  hdrs.append("Holdfast-Run-Id", "a");
  hdrs.append("Holdfast-Run-Id", "b");
  await server.nc.jetstream().publish("holdfast.work.orders", bytes("1"), { headers: hdrs });
  await vi.waitFor(() => expect(got).toHaveLength(1), { timeout: 60_000 });
  const [message] = got;
  if (message === undefined) throw new Error("nothing came");
  await cluster.work.reject(message, RejectCode.MALFORMED, "twice");
  message.ack();
  const entry = (await cluster.work.listRejected({ afterId: 0, limit: 1 })).entries[0];
  if (entry === undefined) throw new Error("it was not kept");
  const runIds = (list: WorkMessage["headerList"]) =>
    list().flatMap(([name, value]) => (name === "Holdfast-Run-Id" ? [value] : []));
  expect(editedWork(entry, { headers: { "holdfast-run-id": "c" } }).headers).toEqual([
    ["holdfast-run-id", "c"],
  ]);
  expect(await cluster.work.replayRejected(entry.id)).toBe(true);
  await vi.waitFor(() => expect(got).toHaveLength(2), { timeout: 60_000 });
  expect(runIds(() => got[1]?.headerList() ?? [])).toEqual(["a", "b"]);
});

test("a decision that is cut short is finished by whoever repeats it, and by no other one", async () => {
  await server.nc.jetstream().publish("holdfast.work.orders", bytes("{"));
  await vi.waitFor(() => expect(got).toHaveLength(1), { timeout: 60_000 });
  const [message] = got;
  if (message === undefined) throw new Error("nothing came");
  await cluster.work.reject(message, RejectCode.MALFORMED, "no JSON");
  message.ack();
  const id = (await cluster.work.listRejected({ afterId: 0, limit: 1 })).entries[0]?.id ?? 0;
  const [ann, bob] = [
    { who: "ann", reason: "a typo" },
    { who: "bob", reason: "no use" },
  ];
  const as = (body: string, runId: string) => ({
    subject: "holdfast.work.orders",
    data: bytes(body),
    headers: [["Holdfast-Run-Id", runId] as const],
  });
  // The queue takes nothing now: the decision is stored, and its message is not published.
  await server.jsm.streams.update(WORK_STREAM, { max_msg_size: 1 });
  await expect(cluster.work.replayRejected(id, ann, as("[1]", "a"))).rejects.toMatchObject({
    code: "too-large",
  });
  await server.jsm.streams.update(WORK_STREAM, { max_msg_size: -1 });
  for (const other of [
    () => cluster.work.replayRejected(id, bob, as("[2]", "b")),
    () => cluster.work.discardRejected(id, bob),
  ])
    await expect(other()).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(
        /ann has decided at .+ to replay it changed.+: replay it without changes, which/,
      ),
    });
  expect(await cluster.work.replayRejected(id, bob)).toBe(true);
  await vi.waitFor(() => expect(got).toHaveLength(2), { timeout: 60_000 });
  expect([Buffer.from(got[1]?.data ?? []).toString(), got[1]?.header("holdfast-run-id")]).toEqual([
    "[1]",
    "a",
  ]);
  expect(await cluster.work.listDecided(5)).toMatchObject([{ id, who: "ann", what: "replay", edited: true }]);
  expect(await cluster.work.countRejected()).toBe(0);
});
