/** A node as a process of its own: NATS below, LevelDB beside it, metrics and health above. */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import type { EngineLimits } from "@holdfast/engine";
import { connectNats, type NatsCluster } from "@holdfast/nats";
import {
  createLogger,
  createRegistry,
  type Environment,
  type MetricsServer,
  startMetricsServer,
} from "@holdfast/telemetry";
import { type RunningNode, startNode } from "./start-node.js";

export const NATS_URL_DEFAULT = "nats://127.0.0.1:4222";
const PARTITIONS_MAX = 1_024;

export interface NodeProcess {
  readonly nodeId: string;
  readonly metricsUrl: string;
  /** Partitions that are stopped, with why. */
  readonly problems: readonly string[];
  /** Idempotent. */
  close(): Promise<void>;
}

export const freshNodeId = (): string =>
  `node-${BigInt(`0x${randomBytes(8).toString("hex")}`)
    .toString(36)
    .slice(-8)
    .padStart(8, "0")}`;

/** What of a node's limits can be set: `HOLDFAST_STUCK_AFTER`. */
export const limitsFrom = (env: Environment): Pick<EngineLimits, "stuckAfterMs"> => ({
  stuckAfterMs: env.spanMs("HOLDFAST_STUCK_AFTER", "10m", "10s", "30d"),
});

/**
 * `HOLDFAST_NATS_URL`, `HOLDFAST_DATA` (folder, default ./.holdfast), `HOLDFAST_NODE` (id, default a fresh one),
 * `HOLDFAST_PARTITIONS` (of a new cluster), `HOLDFAST_STUCK_AFTER` (default 10m), `HOLDFAST_METRICS_PORT`, `HOLDFAST_LOG_LEVEL`.
 */
export async function runNode(env: Environment): Promise<NodeProcess> {
  const logger = createLogger({ name: "node", level: env.logLevel() });
  const partitions = env.count("HOLDFAST_PARTITIONS", 0, PARTITIONS_MAX);
  const metricsPort = env.port("HOLDFAST_METRICS_PORT", 0);
  const servers = env.list("HOLDFAST_NATS_URL", NATS_URL_DEFAULT);
  const dataDir = resolve(env.text("HOLDFAST_DATA") ?? ".holdfast");
  const nodeId = env.text("HOLDFAST_NODE") ?? freshNodeId();
  const limits = limitsFrom(env);
  const registry = createRegistry();
  const cluster: NatsCluster = await connectNats({
    servers,
    name: nodeId,
    logger,
    ...(partitions === 0 ? {} : { partitions }),
  });
  let node: RunningNode | undefined;
  let metrics: MetricsServer | undefined;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll());
  const closeAll = async (): Promise<void> => {
    await metrics?.close();
    await node?.stop();
    await cluster.close();
  };
  try {
    node = await startNode({ cluster, dataDir, nodeId, logger, registry, limits });
    const running = node;
    const stopped = () => running.describe().filter((status) => status.problem !== "");
    metrics = await startMetricsServer({
      registry,
      port: metricsPort,
      health: async () => ({
        ok: stopped().length === 0,
        details: {
          node: nodeId,
          warnings: cluster.warnings,
          stopped: stopped().map((status) => status.problem),
        },
      }),
    });
    return { nodeId, metricsUrl: metrics.url, problems: stopped().map((status) => status.problem), close };
  } catch (error) {
    await close();
    throw error;
  }
}
