/**
 * One partition in the bench's own process: a whole node on LevelDB, with its log in memory and a clock that can be put forward. For what is
 * about the state alone.
 */
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { hashDefinition } from "@holdfast/core";
import {
  type Clock,
  CommandClient,
  defineWorkflowCommand,
  Node,
  QueryClient,
  soleOwner,
  systemClock,
} from "@holdfast/engine";
import { MemoryCommandLog, MemoryNetwork, MemoryPayloads } from "@holdfast/engine/memory";
import { type WorkflowDefinition } from "@holdfast/proto";
import { LevelStateStore } from "@holdfast/store";
import { createRegistry, silentLogger } from "@holdfast/telemetry";

const MS = 1_000_000n;
const LOOK_MS = 5;

/** The machine's clock, put forward. */
export class ForwardClock implements Clock {
  offsetMs = 0;
  nowMs(): number {
    return Math.floor(systemClock.nowMs()) + this.offsetMs;
  }

  monotonicMs(): number {
    return systemClock.monotonicMs();
  }

  after(delayMs: number, callback: () => void): () => void {
    return systemClock.after(delayMs, callback);
  }
}

export class OnePartition {
  readonly clock = new ForwardClock();
  readonly log = new MemoryCommandLog({ partitions: 1, nowNs: () => BigInt(this.clock.nowMs()) * MS });
  readonly commands: CommandClient;
  readonly queries: QueryClient;
  readonly store: LevelStateStore;
  private readonly node: Node;

  /** What a kill leaves no time for. */
  private readonly leave = (): void => rmSync(this.folder, { recursive: true, force: true });

  private constructor(private readonly folder: string) {
    process.once("exit", this.leave);
    const { clock, log } = this;
    const network = new MemoryNetwork({ clock });
    const bus = network.bus();
    this.store = new LevelStateStore({ dataDir: folder });
    this.commands = new CommandClient({ log, bus, producer: "bench", clock });
    this.queries = new QueryClient({ bus, partitions: 1, clock });
    this.node = new Node({
      node: "bench",
      log,
      store: this.store,
      bus: network.bus(),
      payloads: new MemoryPayloads(),
      ownership: soleOwner,
      logger: silentLogger,
      registry: createRegistry(),
      clock,
    });
  }

  static async start(base: string): Promise<OnePartition> {
    const partition = new OnePartition(await mkdtemp(join(base, "holdfast-bench-")));
    await partition.node.start();
    return partition;
  }

  async define(definition: WorkflowDefinition): Promise<void> {
    await this.commands.submit(0, defineWorkflowCommand(definition, hashDefinition(definition)));
  }

  /** Resolves once all that is in the log was folded; what was folded is not kept in the log's memory. */
  async folded(): Promise<void> {
    const { lastSeq } = await this.log.info(0);
    await untilTrue(() => Number(this.node.status()[0]?.appliedSeq ?? 0n) >= lastSeq);
    this.log.trim(0, lastSeq);
  }

  /** Stores what is folded. */
  async stop(): Promise<void> {
    await this.node.stop();
  }

  async remove(): Promise<void> {
    process.off("exit", this.leave);
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function untilTrue(look: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await look())) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
