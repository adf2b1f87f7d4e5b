/**
 * Composition root of one machine: NATS, a node, the admin service and the metrics endpoint, in one process. It wires
 * parts and stops them in reverse; it decides nothing.
 */
import { adminPartsOn, serveAdmin } from "@holdfast/admin-service";
import { type ConnectNatsOptions, connectNats, type NatsCluster, type NatsSettings } from "@holdfast/nats";
import { createRegistry, type Logger, outliveStrayRejections, startMetricsServer } from "@holdfast/telemetry";
import {
  freshNodeId,
  healthOf,
  type limitsFrom,
  type NodeHealth,
  type Phase,
  problemsOf,
  readinessOf,
  type RunningNode,
  startNode,
} from "@holdfast/workflow-service";
import { provideNats } from "./nats.js";
import { Parts } from "./parts.js";

const LOCAL_PARTITIONS = 4;

export interface LocalOptions {
  /** Holds `nats/` and `node/`. */
  readonly dataDir: string;
  /** An existing NATS; absent: one is started. */
  readonly natsUrl: string | undefined;
  /** How the existing one is reached. */
  readonly nats?: NatsSettings;
  /** 0: a free one. */
  readonly ports: { readonly nats: number; readonly admin: number; readonly metrics: number };
  /** Where metrics and health are served; default: loopback only. */
  readonly metricsHost?: string;
  readonly logger: Logger;
  /** Of the node, where they are not the usual ones. */
  readonly limits?: ReturnType<typeof limitsFrom>;
}

export interface LocalHoldfast {
  readonly natsUrl: string;
  readonly natsVersion: string;
  readonly natsManaged: boolean;
  readonly adminAddress: string;
  readonly metricsUrl: string;
  readonly partitions: number;
  /** What an operator should know: of the server's settings, and of partitions that are stopped. */
  warnings(): readonly string[];
  /** Resolves with what happened when a part fails that all stands on; else never. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/** Resolves when work can be published and asked about. Rejects with the part that could not start; nothing runs on then. */
export async function startLocalHoldfast(options: LocalOptions): Promise<LocalHoldfast> {
  const { logger, dataDir, ports } = options;
  const parts = new Parts();
  const registry = createRegistry();
  await parts.start(
    "the care for stray rejections",
    () => outliveStrayRejections(logger, registry),
    (end) => end(),
  );
  const nats = await parts.start(
    "NATS",
    () => provideNats({ url: options.natsUrl, dataDir, port: ports.nats, logger }),
    (started) => started.stop(),
  );
  const nodeId = freshNodeId();
  let phase: Phase = "connecting to NATS";
  let connected: NatsCluster | undefined;
  let running: RunningNode | undefined;
  const health = (): NodeHealth => ({
    node: nodeId,
    phase,
    isConnected: connected?.isConnected ?? false,
    warnings: connected?.warnings ?? [],
    partitions: running?.describe() ?? [],
  });
  // Stopped after what it tells of: who asks sees it start, work and drain.
  const metrics = await parts.start(
    "the metrics endpoint",
    () =>
      startMetricsServer({
        registry,
        health: () => healthOf(health()),
        ready: () => readinessOf(health()),
        port: ports.metrics,
        ...(options.metricsHost === undefined ? {} : { host: options.metricsHost }),
      }),
    (started) => started.close(),
  );
  const cluster = await parts.start(
    "the connection to NATS",
    () =>
      connectNats({
        servers: nats.managed ? nats.url : (options.nats?.servers ?? nats.url),
        ...(nats.managed || options.nats === undefined ? {} : existing(options.nats)),
        name: "holdfast-local",
        logger: logger.child({ part: "nats" }),
        syncsAlways: nats.managed,
        // A server of its own means one machine: more streams than this only share out its syncs.
        ...(nats.managed ? { newPartitions: LOCAL_PARTITIONS } : {}),
      }),
    (started) => started.close(),
  );
  connected = cluster;
  phase = "starting";
  const node = await parts.start(
    "the workflow node",
    () =>
      startNode({
        cluster,
        dataDir: `${dataDir}/node`,
        nodeId,
        logger: logger.child({ part: "node" }),
        registry,
        ...(options.limits === undefined ? {} : { limits: options.limits }),
      }),
    (started) => started.stop(),
  );
  running = node;
  phase = "working";
  const asked = await parts.start(
    "the admin service's clients",
    () => adminPartsOn(cluster, logger.child({ part: "admin" }), registry),
    (started) => started.close(),
  );
  const admin = await parts.start(
    "the admin service",
    () =>
      serveAdmin({
        parts: asked.parts,
        address: `127.0.0.1:${ports.admin}`,
        logger: logger.child({ part: "admin" }),
        metrics: registry,
      }),
    (started) => started.close(),
  );
  return {
    natsUrl: nats.url,
    natsVersion: cluster.serverVersion,
    natsManaged: nats.managed,
    adminAddress: admin.address,
    metricsUrl: metrics.url,
    partitions: cluster.config.partitions,
    warnings: () => [...cluster.warnings, ...problemsOf(health())],
    failed: Promise.race([nats.lost, node.failed]),
    stop: () => {
      phase = "draining";
      return parts.stop();
    },
  };
}

const existing = ({ access, replicas, waitMs }: NatsSettings): Partial<ConnectNatsOptions> => ({
  access,
  waitMs,
  ...(replicas === undefined ? {} : { replicas }),
});
