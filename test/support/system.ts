/**
 * A whole Holdfast for a test: a nats-server that syncs each append, and nodes, workers and the admin service as processes of
 * their own, all on one fresh folder. `stop` leaves nothing running and nothing on disk.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ManagedNatsServer, startNatsServer } from "@holdfast/nats/managed-server";
import { AdminService } from "@holdfast/proto";
import { createClient, type RpcClient } from "@holdfast/rpc";
import { Holdfast } from "@holdfast/sdk";
import { Child } from "./child.js";

/** Measured as good on two cores, and enough to have several of everything. */
export const PARTITIONS = 4;

export type Admin = RpcClient<typeof AdminService>;

export interface WorkerOptions {
  /** Modules of the repository that export workflows. */
  readonly modules: readonly string[];
  readonly concurrency?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export class System {
  readonly children: Child[] = [];
  readonly #closing: (() => Promise<void> | void)[] = [];
  #server: ManagedNatsServer;
  #node: Child | undefined;

  private constructor(
    readonly folder: string,
    server: ManagedNatsServer,
  ) {
    this.#server = server;
  }

  /** A server and, unless told otherwise, a node on it. */
  static async start(options: { readonly node?: boolean } = {}): Promise<System> {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
    const server = await startNatsServer({ storeDir: join(folder, "nats") });
    const system = new System(folder, server);
    try {
      if (options.node ?? true) await system.startNode();
      return system;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  get url(): string {
    return this.#server.url;
  }

  get natsDir(): string {
    return join(this.folder, "nats");
  }

  get dataDir(): string {
    return join(this.folder, "node");
  }

  /** The last node that was started. */
  get node(): Child {
    if (this.#node === undefined) throw new Error("the test started no node");
    return this.#node;
  }

  /** `ready[1]` is its id, `ready[2]` where its metrics and health are. */
  async startNode(env: Readonly<Record<string, string>> = {}): Promise<Child> {
    this.#node = await this.#start({
      name: "node",
      module: "services/workflow/src/main.ts",
      env: { HOLDFAST_DATA: this.dataDir, HOLDFAST_PARTITIONS: String(PARTITIONS), ...env },
      readyLine: /^node (\S+) works, metrics on (\S+)\/metrics/,
    });
    return this.#node;
  }

  /** `ready[1]` is the worker's id. */
  startWorker({ modules, concurrency, env = {} }: WorkerOptions): Promise<Child> {
    return this.#start({
      name: "worker",
      module: "services/worker/src/main.ts",
      args: modules,
      env: { ...env, ...(concurrency === undefined ? {} : { HOLDFAST_CONCURRENCY: String(concurrency) }) },
      readyLine: /^worker (\S+) works/,
    });
  }

  /** The admin service in its own process, and a client of it. */
  async startAdmin(): Promise<Admin> {
    const child = await this.#start({
      name: "admin",
      module: "services/admin/src/main.ts",
      env: { HOLDFAST_ADMIN_ADDRESS: "127.0.0.1:0" },
      readyLine: /^admin service on ([^,\s]+)/,
    });
    const admin = createClient(AdminService, child.ready[1] ?? "", { user: "a test" });
    this.#closing.push(() => admin.close());
    return admin;
  }

  /** A client in the test's own process. */
  async connect(name = "test"): Promise<Holdfast> {
    const client = await Holdfast.connect({ url: this.url, name });
    this.#closing.push(() => client.close());
    return client;
  }

  /** Called in reverse order at the end, before the processes are ended. */
  onStop(close: () => Promise<void> | void): void {
    this.#closing.push(close);
  }

  /** SIGKILL. */
  async killServer(): Promise<void> {
    this.#server.kill();
    await this.#server.exited;
  }

  /** To the server's process, such as SIGSTOP, with which it hangs and its connections stay open. */
  signalServer(signal: NodeJS.Signals): void {
    process.kill(this.#server.pid, signal);
  }

  /** It stands still: nothing is answered, and no connection is closed. */
  pauseServer(): void {
    process.kill(this.#server.pid, "SIGSTOP");
  }

  goOnServer(): void {
    process.kill(this.#server.pid, "SIGCONT");
  }

  stopServer(): Promise<void> {
    return this.#server.stop();
  }

  /** On the same folder and port as before. */
  async startServer(): Promise<void> {
    this.#server = await startNatsServer({ storeDir: this.natsDir, port: this.#server.port });
  }

  async stop(): Promise<void> {
    const problems: unknown[] = [];
    for (const close of this.#closing.toReversed()) {
      try {
        await close();
      } catch (error) {
        problems.push(error);
      }
    }
    await Promise.all(this.children.map((child) => child.kill()));
    await this.#server.stop();
    await rm(this.folder, { recursive: true, force: true });
    if (problems.length > 0) throw new AggregateError(problems, "the system did not close cleanly");
  }

  /** The last log lines of every process, for a failed test. */
  tail(): string {
    return this.children.map((child) => `--- ${child.pid}\n${child.tail(25)}`).join("\n");
  }

  async #start(options: Parameters<typeof Child.start>[0]): Promise<Child> {
    const env = { HOLDFAST_NATS_URL: this.url, HOLDFAST_LOG_LEVEL: "info", ...options.env };
    const child = await Child.start({ ...options, env });
    this.children.push(child);
    return child;
  }
}
