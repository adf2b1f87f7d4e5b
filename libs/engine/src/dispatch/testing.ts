/** For tests: a node on memory ports whose time stands still, and a worker that speaks the bare protocol. */
import { hashDefinition, partitionOf } from "@holdfast/core";
import {
  BatchMarkSchema,
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
import { soleOwner } from "../ports/index.js";
import { ROLL_CALL, WORKER_BEAT } from "../subjects.js";

const PARTITIONS_DEFAULT = 2;
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
  private received = 0n;
  private readonly bus: MemoryBus;
  private readonly commands: CommandClient;

  constructor(
    private readonly world: TestWorld,
    readonly id: string,
    readonly capacity: number,
    private readonly queue = "default",
    private readonly workflows: readonly string[] = [],
  ) {
    const bus = world.network.bus();
    this.bus = bus;
    this.inbox = bus.inbox();
    this.commands = new CommandClient({ log: world.log, bus, producer: id, clock: world.clock });
    bus.subscribe(this.inbox, (message) => this.onMessage(message.data.slice()));
    bus.subscribe(ROLL_CALL, () => this.beat({ rollCallAnswer: true }));
    this.beat();
  }

  /** All tasks it ever got, those sent again once more. */
  get tasks(): Task[] {
    return this.batches.flatMap((batch) => [...batch.tasks]);
  }

  beat(fields: { rollCallAnswer?: boolean; gone?: boolean; draining?: boolean } = {}): void {
    const beat = init(WorkerBeatSchema, {
      worker: this.id,
      inbox: this.inbox,
      queues: [init(QueueCapacitySchema, { queue: this.queue, capacity: this.capacity })],
      draining: fields.draining ?? false,
      received: [init(BatchMarkSchema, { node: this.world.nodeId, batch: this.received })],
      running: this.held.length,
      rollCallAnswer: fields.rollCallAnswer ?? false,
      gone: fields.gone ?? false,
      workflows: [...this.workflows],
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
    if (this.deaf) return;
    const { kind } = decode(WorkerInboxSchema, data);
    if (kind.case === "cancel") this.cancelled.push(...kind.value.tasks.map((task) => task.runId));
    if (kind.case !== "tasks") return;
    const batch = kind.value.batch;
    this.batches.push({ batch: Number(batch), tasks: kind.value.tasks });
    if (batch === this.received + 1n) this.received = batch;
  }
}

export class TestWorld {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork({ clock: this.clock });
  readonly log: MemoryCommandLog;
  store = new MemoryStateStore();
  readonly payloads = new MemoryPayloads(undefined, undefined, this.clock);
  /** Of the last node. */
  registry = createRegistry();
  readonly commands: CommandClient;
  readonly queries: QueryClient;
  nodeId = "";
  node: Node | undefined;
  private starts = 0;

  constructor(
    private readonly limits: Partial<EngineLimits> = {},
    readonly partitions = PARTITIONS_DEFAULT,
  ) {
    this.log = new MemoryCommandLog({
      partitions,
      nowNs: () => BigInt(this.clock.nowMs()) * 1_000_000n,
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

  async startNode(): Promise<void> {
    this.nodeId = `node-${++this.starts}`;
    this.registry = createRegistry();
    this.node = new Node({
      node: this.nodeId,
      log: this.log,
      store: this.store,
      bus: this.network.bus(),
      payloads: this.payloads,
      ownership: soleOwner,
      logger: silentLogger,
      registry: this.registry,
      clock: this.clock,
      limits: this.limits,
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

  async define(definition: WorkflowDefinition): Promise<void> {
    const hash = hashDefinition(definition);
    for (let partition = 0; partition < this.partitions; partition++) {
      await this.until(this.commands.submit(partition, defineWorkflowCommand(definition, hash)));
    }
  }

  async start(workflow: string, runId: string): Promise<Outcome> {
    return await this.until(
      this.commands.submit(partitionOf(runId, this.partitions), startRunCommand({ workflow, runId })),
    );
  }
}
