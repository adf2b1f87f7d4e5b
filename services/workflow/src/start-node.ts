/**
 * Composition root of a node: the engine on NATS and LevelDB. Wires, and shuts down in order; decides nothing.
 */
import { join } from "node:path";
import { type Clock, type EngineLimits, Node, soleOwner, systemClock } from "@holdfast/engine";
import type { NatsCluster } from "@holdfast/nats";
import type { PartitionStatus } from "@holdfast/proto";
import { LevelStateStore } from "@holdfast/store";
import { createRegistry, type Logger, type MetricsRegistry } from "@holdfast/telemetry";

export interface StartNodeOptions {
  readonly cluster: NatsCluster;
  /** Where the node keeps its partitions; lost, it is rebuilt from the log. */
  readonly dataDir: string;
  readonly nodeId: string;
  readonly logger: Logger;
  readonly registry?: MetricsRegistry;
  readonly clock?: Clock;
  readonly limits?: Partial<EngineLimits>;
}

export interface RunningNode {
  readonly nodeId: string;
  /** Each partition's state; one with a `problem` is stopped and its runs are not served. */
  describe(): PartitionStatus[];
  /** Stores what is folded and stops; work that was accepted goes on at the next start. */
  stop(): Promise<void>;
}

/** Resolves when every partition acts or has said why it can't. */
export async function startNode(options: StartNodeOptions): Promise<RunningNode> {
  const { cluster, dataDir, nodeId, logger } = options;
  const node = new Node({
    node: nodeId,
    log: cluster.log,
    store: new LevelStateStore({ dataDir: join(dataDir, "partitions") }),
    bus: cluster.bus,
    payloads: cluster.payloads,
    ownership: soleOwner,
    logger,
    registry: options.registry ?? createRegistry(),
    clock: options.clock ?? systemClock,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const statuses = await node.start();
  const stopped = statuses.filter((status) => status.problem !== "");
  logger.info("node started", { node: nodeId, partitions: statuses.length, stopped: stopped.length });
  return { nodeId, describe: () => node.status(), stop: () => node.stop() };
}
