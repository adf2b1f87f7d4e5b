/**
 * A worker: registers its workflows, takes tasks of their queues, and runs their handlers until it is stopped.
 *
 * 1. It takes tasks only while it says that it is there, and what it takes it reports.
 * 2. It ends in three phases, each whatever befell the one before: publish its end, clean up, persist what was logged.
 */
import { type BusSubscription, CommandClient } from "@holdfast/engine";
import { planOf } from "@holdfast/core";
import { type TaskBatch, WorkerInboxSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import type { Logger } from "@holdfast/telemetry";
import type { Holdfast } from "../client/holdfast.js";
import { type Duration, durationMs } from "../duration.js";
import { HoldfastError } from "../errors.js";
import { handedOut } from "../handed-out.js";
import { freshId } from "../ids.js";
import { checkNames, type Names, namesOf } from "../known-options.js";
import type { Classify } from "../workflow/options.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import { ArgumentReader } from "./arguments.js";
import { BatchMarks } from "./batch-marks.js";
import { Capacity } from "./capacity.js";
import { functionsOf } from "./functions.js";
import { DEFAULT_WORKER_LIMITS, type WorkerLimits } from "./limits.js";
import { Presence } from "./presence.js";
import { endWorker, type WorkerEnd } from "./shutdown.js";
import { watchStray } from "./stray-rejections.js";
import { TaskRunner } from "./task-runner.js";

export interface WorkerOptions {
  readonly connection: Holdfast;
  readonly workflows: readonly AnyWorkflow[];
  /** Handlers that run at once; default 64. */
  readonly concurrency?: number;
  /** The queues it takes tasks of; default: all that its workflows name. */
  readonly queues?: readonly string[];
  /** Tasks it asks for, for each queue; default: its concurrency, and more while its handlers are quick. */
  readonly capacity?: number;
  /** How long `stop` waits for handlers; default 30 s. */
  readonly stopTimeout?: Duration;
  /** Has the word on failures of which the workflow's own `classify` says nothing. */
  readonly classify?: Classify;
  /** Default: the connection's. */
  readonly logger?: Logger;
  readonly limits?: Partial<WorkerLimits>;
}

const OPTIONS = namesOf<WorkerOptions>({
  connection: 1,
  workflows: 1,
  concurrency: 1,
  queues: 1,
  capacity: 1,
  stopTimeout: 1,
  classify: 1,
  logger: 1,
  limits: 1,
});
const LIMITS: Names = new Map(Object.entries(DEFAULT_WORKER_LIMITS));

export const CONCURRENCY_DEFAULT = 64;
const CONCURRENCY_MAX = 100_000;
const STOP_TIMEOUT_DEFAULT = "30s";

export interface WorkerStats {
  readonly held: number;
  readonly running: number;
  /** Since the start. */
  readonly reported: number;
  readonly capacity: number;
}

/** Resolves once its workflows are registered and it has said that it is there. Rejects with a `HoldfastError`. */
export function createWorker(options: WorkerOptions): Promise<Worker> {
  return handedOut(begun(options));
}

async function begun(options: WorkerOptions): Promise<Worker> {
  const worker = new Worker(options);
  await worker.start();
  return worker;
}

export class Worker {
  /** Unique for ever: a worker that starts again is another one. */
  readonly id = freshId("worker");
  readonly queues: readonly string[];
  readonly #options: WorkerOptions;
  readonly #limits: WorkerLimits;
  readonly #logger: Logger;
  readonly #commands: CommandClient;
  readonly #runner: TaskRunner;
  readonly #marks: BatchMarks;
  readonly #capacity: Capacity;
  readonly #presence: Presence;
  readonly #inbox: string;
  readonly #stopTimeoutMs: number;
  #subscription: BusSubscription | undefined;
  #unwatch: (() => void) | undefined;
  #ending: Promise<WorkerEnd> | undefined;

  constructor(options: WorkerOptions) {
    checkNames(options, OPTIONS, "the options of createWorker");
    checkNames(options.limits, LIMITS, "limits in the options of createWorker");
    const { connection } = options;
    const { ports, clock } = connection;
    const concurrency = checkedCount(
      options.concurrency ?? CONCURRENCY_DEFAULT,
      "concurrency",
      CONCURRENCY_MAX,
    );
    this.#options = options;
    this.#limits = { ...DEFAULT_WORKER_LIMITS, ...options.limits };
    this.#stopTimeoutMs = durationMs(options.stopTimeout ?? STOP_TIMEOUT_DEFAULT, "stopTimeout");
    this.#logger = (options.logger ?? connection.logger).child({ worker: this.id });
    this.queues = queuesOf(options);
    this.#inbox = ports.bus.inbox();
    // Reports are sent until the log has them: nobody else can tell what became of a task.
    this.#commands = new CommandClient({
      log: ports.log,
      bus: ports.bus,
      producer: this.id,
      clock,
      limits: { appendDeadlineMs: Number.POSITIVE_INFINITY, maxQueued: this.#limits.maxHeld * 2 },
    });
    this.#runner = new TaskRunner({
      classify: options.classify,
      workflows: new Map(options.workflows.map((workflow) => [workflow.name, workflow])),
      concurrency,
      limits: this.#limits,
      commands: this.#commands,
      payloads: connection.payloads,
      store: ports.payloads,
      args: new ArgumentReader(connection.payloads, connection.queries, this.#limits.maxInputs),
      clock,
      logger: this.#logger,
    });
    this.#marks = new BatchMarks(this.#limits.maxNodes, this.#limits.maxAhead);
    this.#capacity = new Capacity({
      concurrency,
      fixed:
        options.capacity === undefined
          ? undefined
          : checkedCount(options.capacity, "capacity", this.#limits.maxHeld),
      limits: this.#limits,
      nowMs: clock.monotonicMs(),
    });
    this.#presence = new Presence({
      worker: this.id,
      inbox: this.#inbox,
      queues: this.queues,
      workflows: options.workflows.map((workflow) => workflow.name),
      functions: functionsOf(options.workflows),
      bus: ports.bus,
      clock,
      limits: this.#limits,
      marks: this.#marks,
      capacity: this.#capacity,
      counts: () => this.#runner,
      refs: () => this.#runner.refs(),
    });
  }

  get stats(): WorkerStats {
    const { held, running, reported } = this.#runner;
    return { held, running, reported, capacity: this.#capacity.value };
  }

  start(): Promise<void> {
    return handedOut(this.#start());
  }

  async #start(): Promise<void> {
    for (const workflow of this.#options.workflows) await this.#options.connection.register(workflow);
    this.#subscription = this.#options.connection.ports.bus.subscribe(this.#inbox, (message) =>
      this.#onMessage(message.data),
    );
    this.#unwatch = watchStray({ logger: this.#logger, atWork: () => this.#runner.atWork() });
    this.#presence.start();
    this.#logger.info("worker started", {
      queues: this.queues,
      workflows: this.#options.workflows.map((workflow) => workflow.name),
    });
  }

  /**
   * Takes no more tasks, waits for those it has (at most `stopTimeout`, then aborts them), sees their reports into the log, and
   * says goodbye. Never rejects: what went wrong is in the answer, and logged.
   */
  stop(): Promise<WorkerEnd> {
    this.#ending ??= endWorker({
      presence: this.#presence,
      runner: this.#runner,
      commands: this.#commands,
      logger: this.#logger,
      timeoutMs: this.#stopTimeoutMs,
      unsubscribe: () => {
        this.#subscription?.unsubscribe();
        this.#unwatch?.();
      },
    });
    return this.#ending;
  }

  #onMessage(data: Uint8Array): void {
    let inbox: ReturnType<typeof decode<typeof WorkerInboxSchema>>;
    try {
      inbox = decode(WorkerInboxSchema, data);
    } catch (err) {
      this.#logger.error(
        "a message on the worker's inbox can't be read; its sender may be of another version",
        { err },
      );
      return;
    }
    const { kind } = inbox;
    if (kind.case === "tasks") this.#onTasks(kind.value);
    else if (kind.case === "cancel") this.#runner.cancel(kind.value);
    else if (kind.case === "tellFunctions") this.#presence.tellFunctions();
  }

  #onTasks({ node, batch, tasks }: TaskBatch): void {
    // What is refused here counts as lost on the way, and is sent again.
    if (this.#ending !== undefined || this.#runner.held + tasks.length > this.#limits.maxHeld) return;
    // Tasks of a batch that came before are known by themselves, so they are never lost to a number.
    if (this.#marks.receive(node, Number(batch)) !== "beyond") this.#runner.take(tasks);
    if (tasks.length === 0) this.#presence.isAsked();
  }
}

function queuesOf({ workflows, queues }: WorkerOptions): readonly string[] {
  if (workflows.length === 0) {
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      "a worker needs at least one workflow: pass them as `workflows`",
    );
  }
  const names = workflows.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) {
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `workflow "${twice}" is there twice in \`workflows\`, and only one's handlers could run: leave one out, or start a worker for each`,
    );
  }
  const named = new Set(
    workflows.flatMap((workflow) => planOf(workflow.definition).actions.map((action) => action.queue)),
  );
  if (queues === undefined) return [...named].toSorted();
  const strange = queues.filter((queue) => !named.has(queue));
  if (strange.length > 0 || queues.length === 0) {
    const which =
      queues.length === 0
        ? "no queues are given"
        : `no action of its workflows is on queue ${strange.join(", ")}`;
    throw new HoldfastError("INVALID_ARGUMENT", `${which}; choose among ${[...named].join(", ")}`);
  }
  return [...new Set(queues)];
}

function checkedCount(given: number, what: string, most: number): number {
  if (Number.isInteger(given) && given >= 1 && given <= most) return given;
  throw new HoldfastError("INVALID_ARGUMENT", `${what} is ${given}: give a whole number from 1 to ${most}`);
}
