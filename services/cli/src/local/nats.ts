/** The NATS that a local Holdfast stands on: one that is there already, or a server of its own. */
import { join } from "node:path";
import { type ManagedNatsServer, startNatsServer } from "@holdfast/nats/managed-server";
import type { Logger } from "@holdfast/telemetry";

export interface LocalNats {
  readonly url: string;
  /** Started here, and so ended here. */
  readonly managed: boolean;
  /** Resolves with what happened when a server of its own ends without being asked to; else never. */
  readonly lost: Promise<string>;
  stop(): Promise<void>;
}

export interface LocalNatsOptions {
  /** An existing NATS; absent: a server is started. */
  readonly url: string | undefined;
  readonly dataDir: string;
  /** Of the server that is started; 0: a free one. */
  readonly port: number;
  readonly logger: Logger;
}

export async function provideNats({ url, dataDir, port, logger }: LocalNatsOptions): Promise<LocalNats> {
  if (url !== undefined) {
    return { url, managed: false, lost: new Promise<string>(() => {}), stop: async () => {} };
  }
  const log = logger.child({ part: "nats-server" });
  const server: ManagedNatsServer = await startNatsServer({
    storeDir: join(dataDir, "nats"),
    port,
    // Its notes on starting and stopping are of no use to somebody who did not start it.
    log: (level, line) => log[level === "info" ? "debug" : level](line),
  });
  return { url: server.url, managed: true, lost: unexpectedEnd(server), stop: () => server.stop() };
}

async function unexpectedEnd(server: ManagedNatsServer): Promise<string> {
  const { code, expected } = await server.exited;
  if (expected) return new Promise(() => {});
  return `nats-server (process ${server.pid}) ended by itself with code ${code}`;
}
