/** A cluster of three nats-servers on free ports of this machine, each of which can be killed and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer } from "@holdfast/nats/managed-server";
import { connect } from "nats";
import { until } from "./wait.js";

const SERVERS = [0, 1, 2] as const;

export class ThreeServers {
  readonly #servers = new Map<number, ChildProcess>();

  private constructor(
    private readonly folder: string,
    private readonly ports: readonly number[],
    private readonly routes: readonly number[],
  ) {}

  /** Resolves once streams of three copies can be made. */
  static async start(): Promise<ThreeServers> {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-three-"));
    const free = await freePorts(2 * SERVERS.length);
    const three = new ThreeServers(folder, free.slice(0, SERVERS.length), free.slice(SERVERS.length));
    for (const n of SERVERS) await three.startOne(n);
    await three.ready();
    return three;
  }

  /** All of them, with commas between. */
  get url(): string {
    return this.ports.map((port) => `nats://127.0.0.1:${port}`).join();
  }

  /** On the folder and ports that it had. */
  async startOne(n: number): Promise<void> {
    const file = join(this.folder, `${n}.conf`);
    const routes = this.routes.map((port) => `"nats-route://127.0.0.1:${port}"`).join();
    await writeFile(
      file,
      `host: "127.0.0.1"
port: ${this.ports[n]}
server_name: "server-${n}"
jetstream { store_dir: ${JSON.stringify(join(this.folder, String(n)))} }
cluster { name: three, listen: "127.0.0.1:${this.routes[n]}", routes: [${routes}] }
`,
    );
    this.#servers.set(n, spawn(findNatsServer().path, ["-c", file], { stdio: "ignore" }));
  }

  /** SIGKILL. */
  async killOne(n: number): Promise<void> {
    const server = this.#servers.get(n);
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGKILL");
    await ended;
  }

  /** The number of the server that leads a stream. */
  async leaderOf(stream: string): Promise<number> {
    const nc = await connect({ servers: this.url.split(",") });
    try {
      const { cluster } = await (await nc.jetstreamManager()).streams.info(stream);
      return Number(cluster?.leader?.split("-")[1] ?? 0);
    } finally {
      await nc.close();
    }
  }

  async stop(): Promise<void> {
    for (const n of SERVERS) await this.killOne(n);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async ready(): Promise<void> {
    await until("three servers to be one JetStream", async () => {
      const nc = await connect({ servers: this.url.split(","), timeout: 2_000 }).catch(() => undefined);
      if (nc === undefined) return false;
      try {
        const { streams } = await nc.jetstreamManager();
        await streams.add({ name: "ready", subjects: ["ready"], num_replicas: SERVERS.length });
        return await streams.delete("ready");
      } catch {
        return false;
      } finally {
        await nc.close();
      }
    });
  }
}

/** Asked for at once, so that they are different ones. */
async function freePorts(count: number): Promise<number[]> {
  const probes = await Promise.all(
    Array.from({ length: count }, async () => {
      const probe = createServer();
      await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
      return probe;
    }),
  );
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port);
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}
