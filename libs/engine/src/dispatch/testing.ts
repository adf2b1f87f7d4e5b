/** For tests: a node on memory ports whose time stands still, and a worker that speaks the bare protocol. */
import { hashDefinition, partitionOf } from "@holdfast/core";
import {
  ActionFunctionsSchema,
  AnnounceOwnerSchema,
  BatchMarkSchema,
  CommandBatchSchema,
  CommandSchema,
  Effect,
  type FailureMode,
  FailureSchema,
  type Outcome,
  PayloadSchema,
  QueueCapacitySchema,
  type Task,
  TaskRefSchema,
  type TaskReport,
  TaskReportSchema,
  TaskSuccessSchema,
  WorkerBeatSchema,
  WorkerInboxSchema,
  type WorkflowDefinition,
  WorkflowFunctionsSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import { createRegistry, silentLogger } from "@holdfast/telemetry";
import { CommandClient, defineWorkflowCommand, QueryClient, startRunCommand } from "../client/index.js";
import {
  ManualClock,
  type MemoryBus,
  MemoryCommandLog,
  MemoryNetwork,
  MemoryPayloads,
  MemoryStateStore,
} from "../memory/index.js";
import { Node } from "../node/node.js";
import type { EngineLimits } from "../partition/limits.js";
import type { Processor } from "../partition/processor.js";
import { type Ownership, soleOwner } from "../ports/index.js";
import { ROLL_CALL, WORKER_BEAT } from "../subjects.js";

const PARTITIONS_DEFAULT = 2;
const LEASE_MS = 10_000;
const STEP_MS = 50;
const STEPS_MAX = 2_000;

export class TestWorker {
  readonly inbox: string;
  readonly batches: { readonly batch: number; readonly tasks: readonly Task[] }[] = [];
  readonly cancelled: string[] = [];
  /** Set to lose what is sent. */
  deaf = false;
  /** What it says it runs when a node asks. */
  held: readonly Task[] = [];
  /** For how long it says it has run them. */
  runningMs = 0;
  /** How often it was asked for its functions. */
  asked = 0;
  /** The process that it says it is. */
  process = { host: "", pid: 0 };
  /** What came while its thread was blocked; undefined: it is not. */
  private unread: Uint8Array[] | undefined;
  private stopListening: () => void = () => undefined;
  private gone = false;
  /** The last batch of each node. */
  private readonly received = new Map<string, bigint>();
  private readonly bus: MemoryBus;
  private readonly commands: CommandClient;

  constructor(
    world: TestWorld,
    readonly id: string,
    readonly capacity: number,
    private readonly queue = "default",
    private readonly workflows: readonly string[] = [],
    /** Its functions, by workflow and action; absent: it says nothing of them. */
    private readonly functions?: Readonly<Record<string, Readonly<Record<string, number>>>>,
  ) {
    const bus = world.network.bus();
    this.bus = bus;
    this.inbox = bus.inbox();
    this.commands = new CommandClient({ log: world.log, bus, producer: id, clock: world.clock });
    const inbox = bus.subscribe(this.inbox, (message) => this.onMessage(message.data.slice()));
    this.stopListening = () => inbox.unsubscribe();
    bus.subscribe(ROLL_CALL, () => this.beat({ rollCallAnswer: true }));
    this.beat();
  }

  /** Its thread is blocked: it says nothing, and hears all when it goes on. */
  block(): void {
    this.unread = [];
  }

  goOn(): void {
    const unread = this.unread ?? [];
    this.unread = undefined;
    for (const data of unread) this.onMessage(data);
    this.beat();
  }

  /** Its process is gone, and with it its connection. */
  disconnect(): void {
    this.gone = true;
    this.stopListening();
  }

  /** All tasks it ever got, those sent again once more. */
  get tasks(): Task[] {
    return this.batches.flatMap((batch) => [...batch.tasks]);
  }

  beat(fields: { rollCallAnswer?: boolean; gone?: boolean; draining?: boolean; tells?: boolean } = {}): void {
    if (this.gone || this.unread !== undefined) return;
    this.gone = fields.gone ?? false;
    const { functions = {} } = this;
    const beat = init(WorkerBeatSchema, {
      worker: this.id,
      inbox: this.inbox,
      queues: [init(QueueCapacitySchema, { queue: this.queue, capacity: this.capacity })],
      draining: fields.draining ?? false,
      received: [...this.received].map(([node, batch]) => init(BatchMarkSchema, { node, batch })),
      running: this.held.length,
      host: this.process.host,
      pid: this.process.pid,
      rollCallAnswer: fields.rollCallAnswer ?? false,
      gone: fields.gone ?? false,
      workflows: [...this.workflows],
      functionsDigest: this.functions === undefined ? new Uint8Array(0) : Buffer.from(this.id),
      functions:
        fields.tells === true
          ? Object.entries(functions).map(([workflow, roles]) =>
              init(WorkflowFunctionsSchema, {
                workflow,
                actions: Object.entries(roles).map(([action, of]) =>
                  init(ActionFunctionsSchema, { action, roles: of }),
                ),
              }),
            )
          : [],
      tasks: (fields.rollCallAnswer === true ? this.held : []).map(({ runId, action, item, attempt }) =>
        init(TaskRefSchema, { runId, action, item, attempt, runningMs: this.runningMs }),
      ),
    });
    this.bus.publish(WORKER_BEAT, encode(WorkerBeatSchema, beat));
  }

  /** `output`: as JSON. */
  succeed(task: Task, output?: unknown): Promise<number> {
    const inline =
      output === undefined
        ? undefined
        : init(PayloadSchema, {
            body: { case: "inline", value: new TextEncoder().encode(JSON.stringify(output)) },
          });
    return this.report(task, {
      case: "success",
      value: init(TaskSuccessSchema, { effect: Effect.VALUE, output: inline }),
    });
  }

  fail(task: Task, mode: FailureMode, message: string): Promise<number> {
    return this.report(task, { case: "failure", value: init(FailureSchema, { mode, message }) });
  }

  report(task: Task, outcome: TaskReport["outcome"]): Promise<number> {
    const { runId, action, item, attempt } = task;
    const value = init(TaskReportSchema, { runId, action, item, attempt, outcome });
    return this.commands.send(task.partition, init(CommandSchema, { kind: { case: "taskReport", value } }));
  }

  private onMessage(data: Uint8Array): void {
    if (this.deaf || this.gone) return;
    if (this.unread !== undefined) {
      this.unread.push(data);
      return;
    }
    const { kind } = decode(WorkerInboxSchema, data);
    if (kind.case === "tellFunctions") {
      this.asked += 1;
      this.beat({ tells: true });
    }
    if (kind.case === "cancel") this.cancelled.push(...kind.value.tasks.map((task) => task.runId));
    if (kind.case !== "tasks") return;
    const { node, batch, tasks } = kind.value;
    if (batch === (this.received.get(node) ?? 0n) + 1n) this.received.set(node, batch);
    // An empty one asks whether it is there.
    if (tasks.length === 0) this.beat();
    if (batch > 1n) this.batches.push({ batch: Number(batch), tasks });
  }
}

export class TestWorld {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork({ clock: this.clock });
  readonly log: MemoryCommandLog;
  store = new MemoryStateStore();
  /** By the server's clock, as the log's. */
  readonly payloads = new MemoryPayloads(undefined, undefined, { nowMs: () => this.clock.monotonicMs() });
  /** Of the last node. */
  registry = createRegistry();
  readonly commands: CommandClient;
  readonly queries: QueryClient;
  nodeId = "";
  /** The last node's. */
  bus: MemoryBus = this.network.bus();
  node: Node | undefined;
  ownership: Ownership = soleOwner;
  private starts = 0;

  constructor(
    private readonly limits: Partial<EngineLimits> = {},
    readonly partitions = PARTITIONS_DEFAULT,
  ) {
    this.log = new MemoryCommandLog({
      partitions,
      // The log is on another machine: a step of this one's clock is none of its.
      nowNs: () => BigInt(Math.floor(this.clock.monotonicMs())) * 1_000_000n,
    });
    const producer = "client-1";
    const { clock, log } = this;
    this.commands = new CommandClient({ log, bus: this.network.bus(), producer, clock });
    this.queries = new QueryClient({ bus: this.network.bus(), partitions, clock });
  }

  /** The node's data folder is gone. */
  loseState(): void {
    this.store = new MemoryStateStore();
  }

  /** `cutOff`: it hears nothing until its bus is restored. */
  async startNode({ cutOff = false } = {}): Promise<void> {
    this.nodeId = `node-${++this.starts}`;
    this.registry = createRegistry();
    this.bus = this.network.bus();
    if (cutOff) this.bus.cutOff();
    this.node = new Node({
      node: this.nodeId,
      log: this.log,
      store: this.store,
      bus: this.bus,
      payloads: this.payloads,
      ownership: this.ownership,
      logger: silentLogger,
      registry: this.registry,
      clock: this.clock,
      // A test that does not speak of blocked workers has none: who is silent is lost.
      limits: {
        ...this.limits,
        blockedLeaseMs: this.limits.blockedLeaseMs ?? this.limits.workerLeaseMs ?? LEASE_MS,
      },
    });
    await this.until(this.node.start());
  }

  /** Lets time pass until a promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    const state = { settled: false };
    const done = promise.finally(() => {
      state.settled = true;
    });
    done.catch(() => undefined);
    for (let step = 0; step < STEPS_MAX && !state.settled; step++) await this.clock.advance(STEP_MS);
    if (!state.settled) throw new Error(`nothing came of it in ${STEPS_MAX * STEP_MS} ms of the test's time`);
    return await done;
  }

  processor(partition: number): Processor {
    const found = this.node?.["processors"][partition];
    if (found === undefined) throw new Error("the node has no such processor");
    return found;
  }

  /** Another node says that it is the owner now. It never acts. */
  async loseOwnership(partition: number, epoch = this.processor(partition).epoch + 1n): Promise<void> {
    const value = init(AnnounceOwnerSchema, { node: "other", epoch });
    const commands = [init(CommandSchema, { kind: { case: "announceOwner", value } })];
    const batch = init(CommandBatchSchema, { producer: "other", commands });
    await this.log.append(partition, encode(CommandBatchSchema, batch));
    await this.clock.advance(100);
  }

  async define(definition: WorkflowDefinition): Promise<void> {
    const hash = hashDefinition(definition);
    for (let partition = 0; partition < this.partitions; partition++) {
      await this.until(this.commands.submit(partition, defineWorkflowCommand(definition, hash)));
    }
  }

  /** A start as anybody may write it to the log, without waiting for anything. */
  async appendStart(workflow: string, runId: string, replyInbox: string): Promise<number> {
    const command = { ...startRunCommand({ workflow, runId }), correlation: 1n };
    const batch = init(CommandBatchSchema, { producer: "anybody", replyInbox, commands: [command] });
    return await this.log.append(partitionOf(runId, this.partitions), encode(CommandBatchSchema, batch));
  }

  async start(workflow: string, runId: string): Promise<Outcome> {
    return await this.until(
      this.commands.submit(partitionOf(runId, this.partitions), startRunCommand({ workflow, runId })),
    );
  }
}
