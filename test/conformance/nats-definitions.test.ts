/** The workflows that are known, where what tells of new ones breaks. The test has a server of its own, because it breaks it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFINITIONS_BUCKET } from "@holdfast/engine";
import { connectNats, type NatsCluster } from "@holdfast/nats";
import { type ManagedNatsServer, startNatsServer } from "@holdfast/nats/managed-server";
import { WorkflowDefinitionSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { silentLogger } from "@holdfast/telemetry";
import { connect, headers } from "nats";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TEST_LOG_BYTES } from "./nats-server.js";

let folder: string;
let server: ManagedNatsServer;
let cluster: NatsCluster;
let watching: AbortController;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-definitions-"));
  server = await startNatsServer({ storeDir: join(folder, "nats") });
  cluster = await connectNats({
    servers: server.url,
    name: "definitions",
    logger: silentLogger,
    partitions: 2,
    logBytes: TEST_LOG_BYTES,
    syncsAlways: true,
  });
  watching = new AbortController();
});
afterEach(async () => {
  watching.abort();
  await cluster.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test("workflows are watched anew where the watch broke and could not be resumed", async () => {
  const seen: string[] = [];
  await cluster.definitions.watch(({ hash }) => seen.push(hash), watching.signal);
  const nc = await connect({ servers: server.url });
  const jsm = await nc.jetstreamManager();
  const stream = `KV_${DEFINITIONS_BUCKET}`;
  const { config } = await jsm.streams.info(stream);
  const [consumer] = await jsm.consumers.list(stream).next();
  await jsm.streams.delete(stream);
  // A heartbeat that tells of what never came makes the client make its consumer anew, which can't be done now.
  const heartbeat = headers(100, "Idle Heartbeat");
  heartbeat.set("Nats-Last-Consumer", "99");
  nc.publish(consumer?.config.deliver_subject ?? "", new Uint8Array(), { headers: heartbeat });
  await nc.flush();
  await new Promise((resolve) => {
    setTimeout(resolve, 500);
  });
  await jsm.streams.add(config);
  const definition = init(WorkflowDefinitionSchema, { name: "orders" });
  await vi.waitFor(() => cluster.definitions.put({ hash: "one", definition }), { timeout: 60_000 });
  await vi.waitFor(() => expect(seen).toContain("one"), { timeout: 60_000 });
  await cluster.definitions.put({ hash: "two", definition });
  await vi.waitFor(() => expect(seen).toContain("two"), { timeout: 60_000 });
  await nc.close();
});
