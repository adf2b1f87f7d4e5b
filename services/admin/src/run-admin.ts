/** The admin service as a process of its own: NATS below, gRPC, metrics and health above. */
import { randomBytes } from "node:crypto";
import { CommandClient, Guard, PayloadCodec, PendingRuns, QueryClient, systemClock } from "@holdfast/engine";
import { connectNats, type NatsCluster } from "@holdfast/nats";
import type { RpcServer } from "@holdfast/rpc";
import {
  createLogger,
  createRegistry,
  type Health,
  type Logger,
  type MetricsRegistry,
  type MetricsServer,
  outliveStrayRejections,
  startMetricsServer,
} from "@holdfast/telemetry";
import { SchemaValidator } from "@holdfast/schema";
import manifest from "../package.json" with { type: "json" };
import type { AdminConfig } from "./config.js";
import type { AdminParts } from "./parts.js";
import { serveAdmin } from "./serve-admin.js";

export interface RunningAdmin {
  readonly address: string;
  readonly metricsUrl: string;
  /** Ends calls, then the connection; idempotent. */
  close(): Promise<void>;
}

/** The parts on a connected cluster, and what closes those that are made here. Also for processes that connect themselves. */
export function adminPartsOn(
  cluster: NatsCluster,
  logger: Logger,
  registry?: MetricsRegistry,
): { readonly parts: AdminParts; close(): Promise<void> } {
  const guard = new Guard(logger, registry);
  const bus = guard.bus(cluster.bus);
  const clock = guard.clock(systemClock);
  const { log, config, definitions, work, payloads, serverVersion, warnings } = cluster;
  const producer = `admin-${BigInt(`0x${randomBytes(8).toString("hex")}`)
    .toString(36)
    .slice(-8)
    .padStart(8, "0")}`;
  const commands = new CommandClient({ log, bus, producer, clock });
  const parts = {
    commands,
    queries: new QueryClient({ bus, partitions: config.partitions, clock }),
    definitions,
    work,
    pending: new PendingRuns(work, clock),
    payloads: new PayloadCodec(payloads),
    store: payloads,
    validator: new SchemaValidator(),
    clusterInfo: { version: manifest.version, natsServerVersion: serverVersion, warnings },
    bus,
    clock,
  };
  return { parts, close: () => commands.close() };
}

/** Resolves when it serves. Rejects, with everything closed again, where a part can't start. */
export async function runAdmin(config: AdminConfig): Promise<RunningAdmin> {
  const logger = createLogger({ name: "admin", level: config.logLevel });
  const opened: { readonly close: () => Promise<void> }[] = [];
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll(opened, logger));
  let cluster: NatsCluster | undefined;
  let isServing = false;
  const health = async (): Promise<Health> => {
    const isConnected = cluster?.isConnected ?? false;
    const details = { isServing, isConnected, warnings: cluster?.warnings ?? [] };
    return { ok: isServing && isConnected && closing === undefined, details };
  };
  const registry = createRegistry();
  outliveStrayRejections(logger, registry);
  try {
    // First there and last to go: who asks sees it start, serve and end.
    const metrics: MetricsServer = await startMetricsServer({
      registry,
      port: config.metricsPort,
      host: config.metricsHost,
      health,
    });
    opened.push(metrics);
    logger.info("metrics are served", { url: metrics.url });
    cluster = await connectNats({
      servers: config.nats.servers,
      access: config.nats.access,
      waitMs: config.nats.waitMs,
      name: "holdfast-admin",
      logger,
      create: false,
    });
    opened.push(cluster);
    const made = adminPartsOn(cluster, logger, registry);
    opened.push(made);
    const network = config.tls === undefined ? {} : { tls: config.tls };
    const server: RpcServer = await serveAdmin({
      parts: made.parts,
      logger,
      metrics: registry,
      address: config.address,
      ...network,
    });
    opened.push(server);
    isServing = true;
    return { address: server.address, metricsUrl: metrics.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Last opened, first closed; one that fails does not keep the others open. */
async function closeAll(opened: { readonly close: () => Promise<void> }[], logger: Logger): Promise<void> {
  for (const part of opened.toReversed()) {
    try {
      await part.close();
    } catch (err) {
      logger.warn("a part did not close cleanly", { err });
    }
  }
}
