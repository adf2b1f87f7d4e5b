/**
 * A whole Holdfast in this process and in memory, for tests of workflows: the real engine, without a server and without a disk.
 * Nothing of it outlives the process, and it says nothing about speed or durability.
 */
import { Node, soleOwner, systemClock } from "@holdfast/engine";
import {
  MemoryCommandLog,
  MemoryDefinitions,
  MemoryNetwork,
  MemoryPayloads,
  MemoryStateStore,
} from "@holdfast/engine/memory";
import { createRegistry, type Logger, silentLogger } from "@holdfast/telemetry";
import { Holdfast } from "../client/holdfast.js";
import type { HoldfastPorts } from "../client/options.js";
import { freshId } from "../ids.js";

export interface TestClusterOptions {
  /** Default 4. */
  readonly partitions?: number;
  /** Default: silent. */
  readonly logger?: Logger;
}

const PARTITIONS_DEFAULT = 4;
/** Nobody answers a roll call in a cluster that has just begun. */
const ROLL_CALL_MS = 1;
const NS_PER_MS = 1_000_000;

export interface TestCluster {
  /** A client; workers take it as their connection. */
  readonly holdfast: Holdfast;
  /** Another client of the same cluster, as another process would have. */
  client(): Holdfast;
  /** Kills the node and starts another on the same log and state. */
  restartNode(): Promise<void>;
  /** Stop workers first. */
  close(): Promise<void>;
}

export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const logger = options.logger ?? silentLogger;
  const log = new MemoryCommandLog({
    partitions: options.partitions ?? PARTITIONS_DEFAULT,
    nowNs: () => BigInt(Math.floor(Date.now() * NS_PER_MS)),
  });
  const network = new MemoryNetwork();
  const store = new MemoryStateStore();
  const definitions = new MemoryDefinitions();
  const payloads = new MemoryPayloads();
  const startNode = async (): Promise<Node> => {
    const node = new Node({
      node: freshId("node"),
      log,
      store,
      bus: network.bus(),
      payloads,
      ownership: soleOwner,
      logger,
      registry: createRegistry(),
      clock: systemClock,
      limits: { rollCallMs: ROLL_CALL_MS },
    });
    await node.start();
    return node;
  };
  const clients: Holdfast[] = [];
  const client = (): Holdfast => {
    const ports: HoldfastPorts = {
      log,
      bus: network.bus(),
      definitions,
      payloads,
      close: () => Promise.resolve(),
    };
    const made = Holdfast.over(ports, { logger });
    clients.push(made);
    return made;
  };
  let node = await startNode();
  return {
    holdfast: client(),
    client,
    async restartNode() {
      await node.stop();
      node = await startNode();
    },
    async close() {
      await Promise.all(clients.map((one) => one.close()));
      await node.stop();
    },
  };
}
