/**
 * For this folder's tests: a real node, worker and client on ports in memory, and the admin service on a real gRPC port. Nothing
 * outside of tests imports it.
 */
import {
  CommandClient,
  Node,
  PayloadCodec,
  PendingRuns,
  QueryClient,
  soleOwner,
  systemClock,
} from "@holdfast/engine";
import {
  MemoryCommandLog,
  MemoryDefinitions,
  MemoryNetwork,
  MemoryPayloads,
  MemoryStateStore,
  MemoryWorkQueue,
} from "@holdfast/engine/memory";
import { AdminService } from "@holdfast/proto";
import { createClient } from "@holdfast/rpc";
import { type AnyWorkflow, createWorker, Holdfast } from "@holdfast/sdk";
import { createRegistry, silentLogger } from "@holdfast/telemetry";
import { SchemaValidator } from "@holdfast/schema";
import { serveAdmin } from "./serve-admin.js";

export const PARTITIONS = 4;
export type AdminCalls = ReturnType<typeof createClient<typeof AdminService>>["call"];

export interface MemorySystem {
  readonly admin: AdminCalls;
  close(): Promise<void>;
}

export async function memorySystem(workflows: readonly AnyWorkflow[]): Promise<MemorySystem> {
  const closing: (() => Promise<unknown> | void)[] = [];
  const network = new MemoryNetwork();
  const log = new MemoryCommandLog({ partitions: PARTITIONS, nowNs: () => BigInt(Date.now()) * 1_000_000n });
  const [definitions, payloads, work] = [
    new MemoryDefinitions(),
    new MemoryPayloads(),
    new MemoryWorkQueue(),
  ];
  const node = new Node({
    node: "node-1",
    log,
    store: new MemoryStateStore(),
    bus: network.bus(),
    payloads,
    ownership: soleOwner,
    logger: silentLogger,
    registry: createRegistry(),
  });
  await node.start();
  closing.push(() => node.stop());
  const connection = Holdfast.over({ log, bus: network.bus(), definitions, payloads, close: async () => {} });
  const worker = await createWorker({ connection, workflows: [...workflows] });
  closing.push(
    () => worker.stop(),
    () => connection.close(),
  );

  const bus = network.bus();
  const commands = new CommandClient({ log, bus, producer: "admin-1" });
  closing.push(() => commands.close());
  const server = await serveAdmin({
    address: "127.0.0.1:0",
    logger: silentLogger,
    parts: {
      commands,
      queries: new QueryClient({ bus, partitions: PARTITIONS }),
      definitions,
      work,
      pending: new PendingRuns(work, systemClock),
      payloads: new PayloadCodec(payloads),
      store: payloads,
      validator: new SchemaValidator(),
      clusterInfo: { version: "0.1.0", natsServerVersion: "none", warnings: [] },
      bus,
      clock: systemClock,
    },
  });
  closing.push(() => server.close());
  const client = createClient(AdminService, server.address, { user: "ann" });
  closing.push(() => client.close());
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).toReversed()) await each();
  };
  return { admin: client.call, close };
}
