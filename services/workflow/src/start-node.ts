/**
 * Composition root of a node: the engine on NATS and LevelDB. Wires, and shuts down in order; decides nothing.
 */
import { join } from "node:path";
import {
  type Clock,
  CommandClient,
  type EngineLimits,
  Intake,
  Node,
  onlyNode,
  systemClock,
} from "@holdfast/engine";
import type { NatsCluster } from "@holdfast/nats";
import type { PartitionStatus } from "@holdfast/proto";
import { SchemaValidator } from "@holdfast/schema";
import { LevelStateStore } from "@holdfast/store";
import { createRegistry, type Logger, type MetricsRegistry } from "@holdfast/telemetry";
import { clockWarnings } from "./clock-warnings.js";

const INTAKE_HELP = {
  accepted: "Published work that became a run, or was one already",
  rejected: "Published work that could not become a run; `holdfast rejected` says why",
  retried:
    "Published work that could not be moved and comes again; where it grows, a log is full or does not answer",
} as const;

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
  /** What people should see to, though the node works. */
  warnings(): string[];
  /** Resolves with the reason where this node can't go on: another one took its place. It has to be stopped then. */
  readonly failed: Promise<string>;
  /** Stores what is folded and stops; work that was accepted goes on at the next start. */
  stop(): Promise<void>;
}

/**
 * Resolves when every partition acts or has said why it can't, and published work is taken in. Rejects with `locked` where
 * another node of the cluster lives.
 */
export async function startNode(options: StartNodeOptions): Promise<RunningNode> {
  const { cluster, dataDir, nodeId, logger } = options;
  const clock = options.clock ?? systemClock;
  const registry = options.registry ?? createRegistry();
  const node = new Node({
    node: nodeId,
    log: cluster.log,
    store: new LevelStateStore({ dataDir: join(dataDir, "partitions") }),
    bus: cluster.bus,
    payloads: cluster.payloads,
    inputs: new SchemaValidator(),
    ownership: onlyNode,
    logger,
    registry,
    clock,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const statuses = await node.start();
  const stopped = statuses.filter((status) => status.problem !== "");
  const intake = startIntake(options, clock, registry);
  logger.info("node started", { node: nodeId, partitions: statuses.length, stopped: stopped.length });
  return {
    nodeId,
    describe: () => node.status(),
    warnings: () => [...clockWarnings(node.clockOffsetMs, node.clockOffsetLeastMs), ...node.warnings()],
    failed: node.superseded,
    async stop() {
      node.drain();
      await intake.stop();
      await node.stop();
    },
  };
}

/** Takes published work in until it is stopped; what is under way then is finished or comes again. */
function startIntake(
  options: StartNodeOptions,
  clock: Clock,
  registry: MetricsRegistry,
): { stop(): Promise<void> } {
  const { cluster, nodeId, logger } = options;
  const commands = new CommandClient({ log: cluster.log, bus: cluster.bus, producer: nodeId, clock });
  const intake = new Intake({
    work: cluster.work,
    definitions: cluster.definitions,
    payloads: cluster.payloads,
    submitter: commands,
    validator: new SchemaValidator(),
    partitions: cluster.config.partitions,
    logger,
  });
  for (const [name, help] of Object.entries(INTAKE_HELP) as [keyof typeof INTAKE_HELP, string][])
    registry.observeTotal({ name: `holdfast_intake_${name}_total`, help }, () => intake.stats[name]);
  registry.observeTotal(
    {
      name: "holdfast_intake_bad_traceparents_total",
      help: "Published messages whose traceparent was none: a new trace was begun; look at who publishes",
    },
    () => intake.stats.badTraceparents,
  );
  const abort = new AbortController();
  const running = superviseIntake(intake, abort.signal, clock, logger);
  return {
    async stop() {
      abort.abort();
      await running;
      await commands.close();
    },
  };
}

const INTAKE_RESTART_MS = 1_000;

/** Intake goes on whatever befalls its connection. */
async function superviseIntake(
  intake: Intake,
  signal: AbortSignal,
  clock: Clock,
  logger: Logger,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await intake.run(signal);
    } catch (error) {
      if (signal.aborted) return;
      logger.error("taking in published work failed; it is begun again", { err: error });
      await new Promise<void>((resolve) => clock.after(INTAKE_RESTART_MS, resolve));
    }
  }
}
