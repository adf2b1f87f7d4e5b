/** A node as a process of its own: NATS below, LevelDB beside it, metrics and health above. */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import type { EngineLimits } from "@holdfast/engine";
import { connectNats, type NatsCluster, natsSettings, PARTITIONS_MAX } from "@holdfast/nats";
import {
  createLogger,
  createRegistry,
  type Environment,
  outliveStrayRejections,
  startMetricsServer,
} from "@holdfast/telemetry";
import { healthOf, type NodeHealth, type Phase, problemsOf, readinessOf } from "./health.js";
import { type RunningNode, startNode } from "./start-node.js";

/** Nobody else's business, unless told otherwise. */
export const METRICS_HOST_DEFAULT = "127.0.0.1";

export interface NodeProcess {
  readonly nodeId: string;
  readonly metricsUrl: string;
  /** What is the matter with partitions, one sentence each. */
  readonly problems: readonly string[];
  /** Resolves with the reason where the node can't go on; it has to be closed then. */
  readonly failed: Promise<string>;
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
 * How NATS is reached (`natsSettings`), `HOLDFAST_DATA` (folder, default ./.holdfast), `HOLDFAST_NODE` (id, default a fresh one),
 * `HOLDFAST_PARTITIONS` (of a new cluster), `HOLDFAST_STUCK_AFTER` (default 10m), `HOLDFAST_METRICS_HOST` and `_PORT`, `HOLDFAST_LOG_LEVEL`.
 */
export async function runNode(env: Environment): Promise<NodeProcess> {
  const logger = createLogger({ name: "node", level: env.logLevel() });
  const partitions = env.count("HOLDFAST_PARTITIONS", 0, PARTITIONS_MAX);
  const metricsPort = env.port("HOLDFAST_METRICS_PORT", 0);
  const metricsHost = env.text("HOLDFAST_METRICS_HOST") ?? METRICS_HOST_DEFAULT;
  const { servers, access, replicas, waitMs } = natsSettings(env);
  const dataDir = resolve(env.text("HOLDFAST_DATA") ?? ".holdfast");
  const nodeId = env.text("HOLDFAST_NODE") ?? freshNodeId();
  const limits = limitsFrom(env);
  const registry = createRegistry();
  outliveStrayRejections(logger, registry);
  let phase: Phase = "connecting to NATS";
  let cluster: NatsCluster | undefined;
  let node: RunningNode | undefined;
  let closing: Promise<void> | undefined;
  const health = (): NodeHealth => ({
    node: nodeId,
    phase,
    isConnected: cluster?.isConnected ?? false,
    warnings: [...(cluster?.warnings ?? []), ...(node?.warnings() ?? [])],
    partitions: node?.describe() ?? [],
  });
  // First there and last to go: who asks sees the node start, work and drain.
  const metrics = await startMetricsServer({
    registry,
    port: metricsPort,
    host: metricsHost,
    health: () => healthOf(health()),
    ready: () => readinessOf(health()),
  });
  const close = (): Promise<void> => (closing ??= closeAll());
  const closeAll = async (): Promise<void> => {
    phase = "draining";
    await node?.stop();
    await cluster?.close();
    await metrics.close();
  };
  try {
    cluster = await connectNats({
      servers,
      access,
      waitMs,
      name: nodeId,
      logger,
      ...(replicas === undefined ? {} : { replicas }),
      ...(partitions === 0 ? {} : { partitions }),
    });
    phase = "starting";
    node = await startNode({ cluster, dataDir, nodeId, logger, registry, limits });
    phase = "working";
    return { nodeId, metricsUrl: metrics.url, problems: problemsOf(health()), failed: node.failed, close };
  } catch (error) {
    await close();
    throw error;
  }
}
