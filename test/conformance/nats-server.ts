/**
 * One real nats-server for a file of conformance tests, and a way to empty it between tests.
 * Never shared between files: each has its own store folder and port.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ManagedNatsServer, startNatsServer } from "@holdfast/nats/managed-server";
import { connect, type JetStreamManager, type NatsConnection } from "nats";

export interface TestServer {
  readonly server: ManagedNatsServer;
  /** A connection of the test's own, to do what no port allows. */
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  /** Deletes every stream, so that the next cluster begins from nothing. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

export async function startTestServer(): Promise<TestServer> {
  const storeDir = await mkdtemp(join(tmpdir(), "holdfast-conformance-"));
  const server = await startNatsServer({ storeDir });
  const nc = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const jsm = await nc.jetstreamManager();
  return {
    server,
    nc,
    jsm,
    async empty() {
      const names: string[] = [];
      for await (const stream of jsm.streams.list()) names.push(stream.config.name);
      await Promise.all(names.map((name) => jsm.streams.delete(name)));
    },
    async stop() {
      await nc.close();
      await server.stop();
      await rm(storeDir, { recursive: true, force: true });
    },
  };
}

export const TEST_LOG_BYTES = 256 * 1024 * 1024;
