/**
 * What only a real server can go through: kills, lost and older stores, wrong settings, hostile headers.
 * Each test has a server of its own, because it breaks it.
 */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type LogEntry,
  logStream,
  logSubject,
  REJECTED_STREAM,
  WORK_STREAM,
  type WorkMessage,
} from "@holdfast/engine";
import { type ConnectNatsOptions, connectNats, type NatsCluster } from "@holdfast/nats";
import { type ManagedNatsServer, startNatsServer } from "@holdfast/nats/managed-server";
import { RejectCode } from "@holdfast/proto";
import { silentLogger } from "@holdfast/telemetry";
import { connect } from "nats";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { TEST_LOG_BYTES } from "./nats-server.js";

let folder: string;
let server: ManagedNatsServer;
let port = 0;
const clusters: NatsCluster[] = [];
const stops: AbortController[] = [];

const text = (entry: LogEntry): string => Buffer.from(entry.data).toString("utf8");
const bytes = (value: string): Uint8Array => Buffer.from(value, "utf8");

async function startServer(options: { maxFileStoreBytes?: number } = {}): Promise<void> {
  server = await startNatsServer({ storeDir: join(folder, "nats"), port, ...options });
  port = server.port;
}

async function killServer(): Promise<void> {
  server.kill();
  await server.exited;
}

async function open(options: Partial<ConnectNatsOptions> = {}): Promise<NatsCluster> {
  const cluster = await connectNats({
    servers: server.url,
    name: "failures",
    logger: silentLogger,
    partitions: 2,
    logBytes: TEST_LOG_BYTES,
    syncsAlways: true,
    ...options,
  });
  clusters.push(cluster);
  return cluster;
}

async function asAdmin(
  action: (jsm: Awaited<ReturnType<typeof manager>>["jsm"]) => Promise<unknown>,
): Promise<void> {
  const { nc, jsm } = await manager();
  await action(jsm);
  await nc.close();
}

async function manager() {
  const nc = await connect({ servers: server.url });
  return { nc, jsm: await nc.jetstreamManager() };
}

/** Reads a partition until the test ends; `failed` holds what ended it. */
function follow(cluster: NatsCluster, fromSeq = 1): { seen: string[]; failed: Promise<unknown> } {
  const stop = new AbortController();
  stops.push(stop);
  const seen: string[] = [];
  const failed = (async () => {
    for await (const batch of cluster.log.read(0, fromSeq, stop.signal)) seen.push(...batch.map(text));
    return undefined;
  })().catch((error: unknown) => error);
  return { seen, failed };
}

/** Sends until it is certainly stored, as every writer does. */
async function appendSurely(cluster: NatsCluster, value: string): Promise<number> {
  for (;;) {
    try {
      return await cluster.log.append(0, bytes(value));
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^(unknown-outcome|unavailable)$/) });
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-failures-"));
  port = 0;
  await startServer();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) stop.abort();
  for (const cluster of clusters.splice(0)) await cluster.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("a killed server that comes back", () => {
  test("loses no acknowledged entry, and readers go on where they were", async () => {
    const cluster = await open();
    const { seen } = follow(cluster);
    const acknowledged: number[] = [];
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 20; at++) acknowledged.push(await appendSurely(cluster, `${round}/${at}`));
      await killServer();
      const during = appendSurely(cluster, `${round}/during`);
      await startServer();
      acknowledged.push(await during);
    }
    const last = acknowledged.at(-1) ?? 0;
    await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(last), { timeout: 60_000 });
    for (const [at, seq] of acknowledged.entries()) {
      const round = Math.floor(at / 21);
      expect(seen[seq - 1]).toBe(at % 21 === 20 ? `${round}/during` : `${round}/${at % 21}`);
    }
  });

  test("with an older copy of its store is a gap for readers, also once it was written on", async () => {
    const cluster = await open();
    await cluster.log.append(0, bytes("1"));
    await server.stop();
    await cp(join(folder, "nats"), join(folder, "older"), { recursive: true });
    await startServer();
    await appendSurely(cluster, "2");
    await appendSurely(cluster, "3");
    const { seen, failed } = follow(cluster);
    await vi.waitFor(() => expect(seen).toEqual(["1", "2", "3"]), { timeout: 60_000 });
    await server.stop();
    await rm(join(folder, "nats"), { recursive: true });
    await cp(join(folder, "older"), join(folder, "nats"), { recursive: true });
    await startServer();
    // As many entries as before, and one more: only the entries themselves differ.
    const writer = await open();
    for (const value of ["other 2", "other 3", "other 4"]) await writer.log.append(0, bytes(value));
    expect(await failed).toMatchObject({ code: "log-gap" });
    expect(seen).toEqual(["1", "2", "3"]);
  });
});

describe("a reader", () => {
  test("goes on when its consumer is deleted under it", async () => {
    const cluster = await open();
    const { seen } = follow(cluster);
    await cluster.log.append(0, bytes("1"));
    await vi.waitFor(() => expect(seen).toEqual(["1"]), { timeout: 60_000 });
    await asAdmin(async (jsm) => {
      for await (const { name } of jsm.consumers.list(logStream(0)))
        await jsm.consumers.delete(logStream(0), name);
    });
    await cluster.log.append(0, bytes("2"));
    await vi.waitFor(() => expect(seen).toEqual(["1", "2"]), { timeout: 60_000 });
  });

  test("is told that its stream is gone", async () => {
    const cluster = await open();
    await cluster.log.append(0, bytes("1"));
    const { seen, failed } = follow(cluster);
    await vi.waitFor(() => expect(seen).toEqual(["1"]), { timeout: 60_000 });
    await asAdmin((jsm) => jsm.streams.delete(logStream(0)));
    expect(await failed).toMatchObject({
      code: "log-gap",
      message: expect.stringContaining("no such stream"),
    });
  });

  test("leaves no consumer behind", async () => {
    const cluster = await open();
    const { seen, failed } = follow(cluster);
    await cluster.log.append(0, bytes("1"));
    await vi.waitFor(() => expect(seen).toEqual(["1"]), { timeout: 60_000 });
    stops[0]?.abort();
    await failed;
    await asAdmin((jsm) =>
      vi.waitFor(async () => expect((await jsm.streams.info(logStream(0))).state.consumer_count).toBe(0), {
        timeout: 60_000,
      }),
    );
  });
});

describe("a cluster", () => {
  test("is made once by nodes that start together", async () => {
    const opened = await Promise.all(Array.from({ length: 5 }, () => open()));
    expect(new Set(opened.map(({ config }) => config.id)).size).toBe(1);
    expect(opened[0]?.warnings).toEqual([]);
    expect(await opened[4]?.log.append(1, bytes("x"))).toBe(1);
  });

  test("keeps its number of partitions", async () => {
    const first = await open();
    const again = await open();
    expect(again.config).toEqual(first.config);
    await expect(open({ partitions: 3 })).rejects.toMatchObject({
      code: "config-mismatch",
      message: expect.stringContaining("has 2 partitions and 3 were asked for"),
    });
    await expect(open({ partitions: 0 })).rejects.toMatchObject({ code: "config-mismatch" });
  });

  test("is not made by those who only use it", async () => {
    await expect(open({ create: false })).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("start a workflow node first"),
    });
    await open();
    const user = await open({ create: false });
    expect(await user.log.append(0, bytes("x"))).toBe(1);
    expect(await user.definitions.list()).toEqual([]);
    const ref = await user.payloads.put(bytes("body"));
    expect(await user.payloads.get(ref)).toEqual(new Uint8Array(bytes("body")));
  });

  test("that lost one log says which, does not make it again, and works without it", async () => {
    await open();
    await asAdmin((jsm) => jsm.streams.delete(logStream(1)));
    const cluster = await open();
    expect(cluster.warnings.filter((warning) => warning.includes(logStream(1)))).toHaveLength(1);
    await expect(cluster.log.info(1)).rejects.toMatchObject({ code: "not-found" });
    await asAdmin((jsm) => jsm.streams.delete(WORK_STREAM));
    await expect(open()).rejects.toMatchObject({ code: "log-gap" });
  });

  test("whose streams would lose commands is refused", async () => {
    await open();
    await asAdmin((jsm) => jsm.streams.update(logStream(0), { max_age: 3_600e9 }));
    await expect(open()).rejects.toMatchObject({
      code: "config-mismatch",
      message: expect.stringContaining("max_age"),
    });
  });

  test("gets smaller logs where the server has less room, with a warning", async () => {
    await server.stop();
    await startServer({ maxFileStoreBytes: 1024 ** 3 });
    const cluster = await open({ logBytes: 8 * 1024 ** 3 });
    expect(cluster.warnings).toEqual([expect.stringContaining("each got 128 MiB instead")]);
    expect(await cluster.log.append(0, bytes("x"))).toBe(1);
  });

  test("can't be opened where nothing listens", async () => {
    await expect(open({ servers: "nats://127.0.0.1:1" })).rejects.toMatchObject({ code: "unavailable" });
  });
});

test("a full log refuses entries, and says that nothing was stored", async () => {
  const cluster = await open();
  await asAdmin((jsm) => jsm.streams.update(logStream(0), { max_bytes: 10_000 }));
  const append = () => cluster.log.append(0, new Uint8Array(3_000));
  for (let at = 0; at < 3; at++) await append();
  await expect(append()).rejects.toMatchObject({ code: "full", retry: "safe" });
  expect((await cluster.log.info(0)).lastSeq).toBe(3);
});

test("an append that no stream takes has an unknown outcome, at once", async () => {
  const cluster = await open();
  await asAdmin((jsm) => jsm.streams.delete(logStream(0)));
  const before = performance.now();
  await expect(cluster.log.append(0, bytes("x"))).rejects.toMatchObject({ code: "unknown-outcome" });
  expect(performance.now() - before).toBeLessThan(2_000);
});

describe("published work", () => {
  /** What an odd client sends, byte for byte. */
  async function sendRaw(subject: string, headerBlock: Uint8Array, body: Uint8Array): Promise<void> {
    const socket = connectSocket(server.port, "127.0.0.1");
    await new Promise((resolve) => {
      socket.once("data", resolve);
    });
    const total = headerBlock.length + body.length;
    const lines = 'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n';
    socket.write(`${lines}HPUB ${subject} ${headerBlock.length} ${total}\r\n`);
    socket.write(Buffer.concat([headerBlock, body, Buffer.from("\r\nPING\r\n")]));
    await new Promise((resolve) => {
      socket.once("data", resolve);
    });
    socket.destroy();
  }

  function receive(cluster: NatsCluster): WorkMessage[] {
    const stop = new AbortController();
    stops.push(stop);
    const got: WorkMessage[] = [];
    void (async () => {
      for await (const batch of cluster.work.read(stop.signal)) got.push(...batch);
    })();
    return got;
  }

  test.each([
    ["names that are none", "NATS/1.0\r\na b: c\r\n\r\n"],
    ["no colon", "NATS/1.0\r\nnonsense\r\n\r\n"],
    [
      "very many headers",
      `NATS/1.0\r\n${Array.from({ length: 100 }, (_, at) => `h${at}: x\r\n`).join("")}\r\n`,
    ],
    ["very long ones", `NATS/1.0\r\nh: ${"x".repeat(60_000)}\r\n\r\n`],
    [
      "100,000 of them",
      `NATS/1.0\r\n${Array.from({ length: 6_000 }, (_, at) => `h${at}: x\r\n`).join("")}\r\n`,
    ],
  ])("with headers of %s is told apart quickly, and kept when it is rejected", async (_, block) => {
    const cluster = await open();
    const got = receive(cluster);
    await sendRaw("holdfast.work.orders", bytes(block), bytes("body"));
    await vi.waitFor(() => expect(got).toHaveLength(1), { timeout: 60_000 });
    const [message] = got;
    if (message === undefined) throw new Error("nothing came");
    expect(message.headerProblem).toBeDefined();
    expect(message.header("h1")).toBeUndefined();
    await cluster.work.reject(message, RejectCode.MALFORMED, message.headerProblem ?? "");
    message.ack();
    const { entries } = await cluster.work.listRejected({ afterId: 0, limit: 5 });
    expect(entries.map(({ data }) => Buffer.from(data).toString())).toEqual(["body"]);
  });

  test("cannot make JetStream act by its headers when it is kept or replayed", async () => {
    const cluster = await open();
    const got = receive(cluster);
    const block =
      "NATS/1.0\r\nNats-Rollup: all\r\nNats-Expected-Stream: other\r\nHoldfast-Reject-Code: NONE\r\n\r\n";
    const { nc, jsm } = await manager();
    // The intake stream itself refuses them; a source or an older message may bring them all the same.
    await jsm.streams.update(WORK_STREAM, { allow_rollup_hdrs: true });
    await sendRaw(
      "holdfast.work.orders",
      bytes(block.replace("Nats-Expected-Stream: other\r\n", "")),
      bytes("x"),
    );
    await vi.waitFor(() => expect(got).toHaveLength(1), { timeout: 60_000 });
    await jsm.streams.update(WORK_STREAM, { allow_rollup_hdrs: false });
    const [message] = got;
    if (message === undefined) throw new Error("nothing came");
    await cluster.work.reject(message, RejectCode.MALFORMED, "a reason");
    message.ack();
    const { entries } = await cluster.work.listRejected({ afterId: 0, limit: 5 });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ code: RejectCode.MALFORMED, reason: "a reason" });
    expect(await cluster.work.replayRejected(entries[0]?.id ?? 0)).toBe(true);
    expect((await jsm.streams.info(REJECTED_STREAM)).state.messages).toBe(0);
    await nc.close();
  });

  test("of the largest size is kept whole when it is rejected, and comes back whole", async () => {
    const cluster = await open();
    const got = receive(cluster);
    const body = new Uint8Array(cluster.bus.maxMessageBytes - 200).map((_, at) => at & 0xff);
    const { nc } = await manager();
    await nc.jetstream().publish("holdfast.work.orders", body);
    await nc.close();
    await vi.waitFor(() => expect(got).toHaveLength(1), { timeout: 60_000 });
    const [message] = got;
    if (message === undefined) throw new Error("nothing came");
    await cluster.work.reject(message, RejectCode.TOO_LARGE, "too large");
    message.ack();
    const { entries } = await cluster.work.listRejected({ afterId: 0, limit: 5 });
    expect(Buffer.from(entries[0]?.data ?? []).equals(body)).toBe(true);
  });

  test("on odd subjects arrives as it was published", async () => {
    const cluster = await open();
    const got = receive(cluster);
    const subjects = [
      "holdfast.work.a.*",
      "holdfast.work.>",
      "holdfast.work.bücher",
      `holdfast.work.${"x".repeat(2_000)}`,
    ];
    for (const subject of subjects) await sendRaw(subject, bytes("NATS/1.0\r\nA: b\r\n\r\n"), bytes("1"));
    // What is read comes in the order in which it was stored: once this came, all that was stored before it did.
    const last = "holdfast.work.last";
    await sendRaw(last, bytes("NATS/1.0\r\nA: b\r\n\r\n"), bytes("1"));
    await vi.waitFor(() => expect(got.at(-1)?.subject).toBe(last), { timeout: 60_000 });
    expect(got.length).toBeGreaterThan(2);
    for (const message of got) await cluster.work.reject(message, RejectCode.INVALID_NAME, "no name");
    const { entries } = await cluster.work.listRejected({ afterId: 0, limit: 10 });
    for (const { subject } of got) expect([...subjects, last]).toContain(subject);
    expect(entries.map(({ subject }) => subject)).toEqual(got.map(({ subject }) => subject));
  });
});

test("entries written by others on a log's subject are entries like any other", async () => {
  const cluster = await open();
  const { nc } = await manager();
  await nc.jetstream().publish(logSubject(0), bytes("raw"));
  await nc.close();
  expect(await cluster.log.append(0, bytes("ours"))).toBe(2);
  const { seen } = follow(cluster);
  await vi.waitFor(() => expect(seen).toEqual(["raw", "ours"]), { timeout: 60_000 });
});
