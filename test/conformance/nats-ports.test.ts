/** The ports on a real nats-server do what the ones in memory do. */
import { logStream } from "@holdfast/engine";
import {
  busConformance,
  commandLogConformance,
  registryConformance,
  workQueueConformance,
} from "@holdfast/engine/conformance";
import { connectNats, type NatsCluster } from "@holdfast/nats";
import { silentLogger } from "@holdfast/telemetry";
import { headers } from "nats";
import { afterAll, beforeAll } from "vitest";
import { startTestServer, TEST_LOG_BYTES, type TestServer } from "./nats-server.js";

let test: TestServer;

beforeAll(async () => {
  test = await startTestServer();
});
afterAll(() => test.stop());

async function freshCluster(): Promise<NatsCluster> {
  await test.empty();
  return await open();
}

async function open(): Promise<NatsCluster> {
  return await connectNats({
    servers: test.server.url,
    name: "conformance",
    logger: silentLogger,
    partitions: 2,
    logBytes: TEST_LOG_BYTES,
    syncsAlways: true,
  });
}

commandLogConformance("NATS", async () => {
  const cluster = await freshCluster();
  return {
    log: cluster.log,
    async trim(partition, firstSeq) {
      await test.jsm.streams.purge(logStream(partition), { seq: firstSeq });
    },
    async recreate(partition) {
      const { config } = await test.jsm.streams.info(logStream(partition));
      await test.jsm.streams.delete(logStream(partition));
      await test.jsm.streams.add(config);
    },
    cleanUp: () => cluster.close(),
  };
});

busConformance("NATS", async () => {
  const [one, other] = [await freshCluster(), await open()];
  return {
    one: one.bus,
    other: other.bus,
    async cleanUp() {
      await one.close();
      await other.close();
    },
  };
});

registryConformance("NATS", async () => {
  const cluster = await freshCluster();
  return { definitions: cluster.definitions, payloads: cluster.payloads, cleanUp: () => cluster.close() };
});

workQueueConformance("NATS", async () => {
  const cluster = await freshCluster();
  return {
    work: cluster.work,
    async publish(subject, data, given = {}) {
      const hdrs = headers();
      for (const [name, value] of Object.entries(given)) hdrs.append(name, value);
      await test.nc.jetstream().publish(subject, data, { headers: hdrs });
    },
    cleanUp: () => cluster.close(),
  };
});
