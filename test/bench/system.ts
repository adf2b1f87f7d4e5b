/**
 * What is measured: a nats-server that syncs each append, a node, a worker and a client, each in a process of its own, on a fresh folder.
 * Everything ends with `stop`, and with the bench, however that ends.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ManagedNatsServer, startNatsServer } from "@holdfast/nats/managed-server";
import { Child } from "./child.js";
import type { NodeSettings } from "./node-process.js";
import { folderBytes, type ProcessUsage, usageOf } from "./usage.js";

export const ROLES = ["nats-server", "node", "worker", "client"] as const;
export type Role = (typeof ROLES)[number];
export type Usage = Readonly<Record<Role, ProcessUsage | undefined>>;

export interface SystemOptions {
  /** Where folders are made. */
  readonly folder: string;
  readonly partitions: number;
  /** Flags for the three Node processes. */
  readonly nodeFlags: readonly string[];
}

export interface DiskUse {
  readonly jetStreamBytes: number;
  readonly levelDbBytes: number;
}

export class System {
  private constructor(
    private readonly folder: string,
    private readonly server: ManagedNatsServer,
    readonly node: Child,
    readonly worker: Child,
    readonly client: Child,
  ) {}

  /** Resolves once it takes work. Leaves nothing running where it rejects. */
  static async start({ folder: base, partitions, nodeFlags }: SystemOptions): Promise<System> {
    const folder = await mkdtemp(join(base, "holdfast-bench-"));
    const children: Child[] = [];
    const start = async (module: string, settings: unknown): Promise<Child> => {
      const child = await Child.start({ module, settings, nodeFlags });
      children.push(child);
      return child;
    };
    let server: ManagedNatsServer | undefined;
    try {
      server = await startNatsServer({ storeDir: join(folder, "nats") });
      const { url } = server;
      const node = await start("node-process", {
        url,
        dataDir: join(folder, "node"),
        partitions,
      } satisfies NodeSettings);
      const worker = await start("worker-process", { url });
      const client = await start("client-process", { url });
      return new System(folder, server, node, worker, client);
    } catch (error) {
      for (const child of children) await child.end();
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async usage(): Promise<Usage> {
    const [server, node, worker, client] = await Promise.all(
      [this.server.pid, this.node.pid, this.worker.pid, this.client.pid].map(usageOf),
    );
    return { "nats-server": server, node, worker, client };
  }

  async disk(): Promise<DiskUse> {
    const [jetStreamBytes, levelDbBytes] = await Promise.all([
      folderBytes(join(this.folder, "nats", "jetstream")),
      folderBytes(join(this.folder, "node")),
    ]);
    return { jetStreamBytes, levelDbBytes };
  }

  async stop(): Promise<void> {
    // The node before its worker, which it would miss.
    for (const child of [this.client, this.node, this.worker]) await child.end();
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
