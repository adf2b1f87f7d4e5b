/**
 * The client: starts runs, waits for them, looks at them, retries and cancels them.
 *
 * 1. A start that resolved is durable. One that failed with `unknown-outcome` may be repeated under the same run id.
 * 2. Everything that is thrown is a `HoldfastError`.
 */
import { partitionOf, runIdProblem } from "@holdfast/core";
import {
  type Bus,
  cancelRunCommand,
  type Clock,
  CommandClient,
  type CommandLog,
  type Counts,
  type DefinitionRegistry,
  type ItemsPage,
  type ListItemsFilter,
  type ListRunsFilter,
  PayloadCodec,
  type PayloadStore,
  QueryClient,
  retryRunCommand,
  type RunsPage,
  startRunCommand,
  type StartTicket,
  systemClock,
} from "@holdfast/engine";
import {
  type Accepted,
  OnConflict,
  type Outcome,
  type Payload,
  RecoveryStrategy,
  RunStatus,
  type RunEnded,
  type RunView,
} from "@holdfast/proto";
import { type Logger, silentLogger } from "@holdfast/telemetry";
import { from, fromRejected, HoldfastError, RunFailedError } from "../errors.js";
import { freshId, RunIds } from "../ids.js";
import type { AnyWorkflow, WorkflowInput, WorkflowOutput } from "../workflow/workflow.js";
import { connectPorts } from "./connect.js";
import { Ends } from "./ends.js";
import { InputChecker } from "./input-checker.js";
import { WorkflowRegistry } from "./registry.js";
import { RunHandle, type RunHost } from "./run-handle.js";

/** What a client stands on: the ports that an adapter (NATS, or memory) implements. */
export interface HoldfastPorts {
  readonly log: CommandLog;
  readonly bus: Bus;
  readonly definitions: DefinitionRegistry;
  readonly payloads: PayloadStore;
  close(): Promise<void>;
}

export interface HoldfastOptions {
  /** For people: shown as where runs come from. */
  readonly name?: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface ConnectOptions extends HoldfastOptions {
  /** Of the NATS server; default: `HOLDFAST_NATS_URL`, else `nats://127.0.0.1:4222`. */
  readonly url?: string;
}

export interface StartOptions {
  /** 1-128 of `A-Z a-z 0-9 _ -`. The same id again is the same run. Default: a fresh one. */
  readonly runId?: string;
  /** Higher goes first. */
  readonly priority?: number;
  /** What to do where a run of this id is there already: return it (default), reject, or retry it if it failed. */
  readonly onConflict?: "return" | "reject" | "retry_if_failed";
  /** Not before this. */
  readonly startAt?: Date;
  /** W3C trace context that the run belongs to. */
  readonly traceparent?: string;
}

export interface RetryOptions {
  readonly strategy?: "RETRY_FAILED" | "RETRY_FROM_CHECKPOINT" | "RETRY_ALL";
  /** Also failures whose mode is terminal; audited. */
  readonly force?: boolean;
  readonly reason?: string;
  /** The same id gets the same answer, never a second retry. Default: a fresh one. */
  readonly requestId?: string;
}

export interface CancelOptions {
  readonly reason?: string;
  readonly requestId?: string;
}

const CONFLICTS: Readonly<Record<NonNullable<StartOptions["onConflict"]>, OnConflict>> = {
  return: OnConflict.UNSPECIFIED,
  reject: OnConflict.REJECT,
  retry_if_failed: OnConflict.RETRY_IF_FAILED,
};

export class Holdfast implements RunHost {
  readonly id: string;
  readonly ports: HoldfastPorts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly payloads: PayloadCodec;
  readonly queries: QueryClient;
  readonly commands: CommandClient;
  readonly #origin: string;
  readonly #registry: WorkflowRegistry;
  readonly #inputs: InputChecker;
  readonly #ends: Ends;
  readonly #runIds = new RunIds();
  readonly #tickets = new WeakMap<RunHandle<unknown>, StartTicket>();

  private constructor(ports: HoldfastPorts, options: HoldfastOptions) {
    this.id = freshId("client");
    this.ports = ports;
    this.clock = options.clock ?? systemClock;
    this.logger = options.logger ?? silentLogger;
    this.#origin = options.name === undefined ? "sdk" : `sdk ${options.name}`;
    const { log, bus } = ports;
    this.commands = new CommandClient({ log, bus, producer: this.id, clock: this.clock });
    this.queries = new QueryClient({ bus, partitions: log.partitions, clock: this.clock });
    this.payloads = new PayloadCodec(ports.payloads);
    this.#registry = new WorkflowRegistry({
      definitions: ports.definitions,
      commands: this.commands,
      partitions: log.partitions,
      clock: this.clock,
    });
    this.#inputs = new InputChecker(this.#registry);
    this.#ends = new Ends(this.queries, this.clock);
  }

  /** Connects to a cluster over NATS. */
  static async connect(options: ConnectOptions = {}): Promise<Holdfast> {
    return guard(async () => new Holdfast(await connectPorts(options), options));
  }

  /** A client over ports that are there already: embedded, or in tests. */
  static over(ports: HoldfastPorts, options: HoldfastOptions = {}): Holdfast {
    return new Holdfast(ports, options);
  }

  /** Makes a workflow's definition the latest of its name, on every partition. Idempotent; workers do it by themselves. */
  register(workflow: AnyWorkflow): Promise<void> {
    return guard(() => this.#registry.register(workflow));
  }

  /** Starts a run of the latest definition of that name; resolves once it is accepted. */
  start(workflow: string, input: unknown, options?: StartOptions): Promise<RunHandle<unknown>>;
  /** Starts a run of exactly this definition (registering it where the cluster does not know it). */
  start<W extends AnyWorkflow>(
    workflow: W,
    input: WorkflowInput<W>,
    options?: StartOptions,
  ): Promise<RunHandle<WorkflowOutput<W>>>;
  start(
    workflow: AnyWorkflow | string,
    input: unknown,
    options: StartOptions = {},
  ): Promise<RunHandle<unknown>> {
    return guard(() => this.#start(workflow, input, options));
  }

  /** Waits for the end of a run that somebody else started. */
  wait(runId: string): Promise<RunEnded> {
    return guard(() => this.#ends.wait(checkedRunId(runId)));
  }

  /** A run as its owner sees it, with input, output and history. */
  get(runId: string): Promise<RunView> {
    return guard(() => this.queries.getRun(checkedRunId(runId), { full: true }));
  }

  /** Runs of the whole cluster, newest first, a page at a time. */
  list(filter: ListRunsFilter = {}): Promise<RunsPage> {
    return guard(() => this.queries.listRuns(filter));
  }

  /** Items of a run's action, a page at a time. */
  items(runId: string, filter: ListItemsFilter = {}): Promise<ItemsPage> {
    return guard(() => this.queries.listItems(checkedRunId(runId), filter));
  }

  counts(workflow = ""): Promise<Counts> {
    return guard(() => this.queries.counts(workflow));
  }

  /** Retries a run's failed parts; says how many items and actions set off again. */
  retry(runId: string, options: RetryOptions = {}): Promise<Accepted> {
    const strategy = options.strategy === undefined ? undefined : RecoveryStrategy[options.strategy];
    return this.#control(
      runId,
      (control) => retryRunCommand({ ...control, strategy, force: options.force }),
      options,
    );
  }

  /** Ends what is open of a run; what had succeeded stays. */
  cancel(runId: string, options: CancelOptions = {}): Promise<Accepted> {
    return this.#control(runId, cancelRunCommand, options);
  }

  /** Sees what was sent into the log, then closes the connection. Stop workers first. */
  async close(): Promise<void> {
    this.#ends.close(
      new HoldfastError(
        "CLOSED",
        "the client was closed while the run was waited for; ask again through another",
      ),
    );
    await this.commands.close();
    await guard(() => this.ports.close());
  }

  /** For handles. */
  ended(handle: RunHandle<unknown>): Promise<RunEnded> {
    return guard(() => this.#ends.wait(handle.runId, this.#tickets.get(handle)));
  }

  /** For handles: what a run ended with; throws `RunFailedError` where it did not complete. */
  async output(ended: RunEnded): Promise<unknown> {
    if (ended.status === RunStatus.FAILED || ended.status === RunStatus.CANCELLED)
      throw new RunFailedError(ended);
    return guard(() =>
      this.payloads.decode(ended.output, `the output of run ${ended.runId}`, () =>
        this.#storedOutput(ended.runId),
      ),
    );
  }

  async #start(
    workflow: AnyWorkflow | string,
    input: unknown,
    options: StartOptions,
  ): Promise<RunHandle<unknown>> {
    const name = typeof workflow === "string" ? workflow : workflow.name;
    const runId =
      options.runId === undefined ? this.#runIds.next(this.clock.nowMs()) : checkedRunId(options.runId);
    const checking = this.#inputs.check(workflow, input);
    if (checking !== undefined) await checking;
    const encoding =
      input === undefined ? undefined : this.payloads.encode(input, `the input of a ${name} run`);
    const payload = encoding instanceof Promise ? await encoding : encoding;
    const ticket = this.#submitStart(workflow, runId, payload, options);
    let outcome = await ticket.accepted;
    let accepted = ticket;
    if (typeof workflow !== "string" && isUnknownWorkflow(outcome)) {
      await this.#registry.register(workflow);
      accepted = this.#submitStart(workflow, runId, payload, options);
      outcome = await accepted.accepted;
    }
    const { existed, status } = acceptedOf(outcome);
    const handle = new RunHandle<unknown>(this, runId, existed, status);
    this.#tickets.set(handle, accepted);
    return handle;
  }

  #submitStart(
    workflow: AnyWorkflow | string,
    runId: string,
    input: Payload | undefined,
    options: StartOptions,
  ): StartTicket {
    const byName = typeof workflow === "string";
    const command = startRunCommand({
      runId,
      workflow: byName ? workflow : workflow.name,
      definitionHash: byName ? "" : workflow.hash,
      input,
      priority: options.priority,
      startAtMs: options.startAt?.getTime(),
      traceparent: options.traceparent,
      onConflict: CONFLICTS[options.onConflict ?? "return"],
      origin: this.#origin,
    });
    return this.commands.submitStart(partitionOf(runId, this.ports.log.partitions), command);
  }

  async #control(
    runId: string,
    make: (fields: Parameters<typeof cancelRunCommand>[0]) => ReturnType<typeof cancelRunCommand>,
    options: CancelOptions,
  ): Promise<Accepted> {
    return guard(async () => {
      const command = make({
        id: options.requestId ?? freshId(this.id),
        runId: checkedRunId(runId),
        who: this.#origin,
        reason: options.reason ?? "",
        nowMs: this.clock.nowMs(),
      });
      return acceptedOf(await this.commands.submit(partitionOf(runId, this.ports.log.partitions), command));
    });
  }

  /** An output too large to be sent along with the end is brought by the run's view. */
  async #storedOutput(runId: string): Promise<Payload> {
    const { output } = await this.queries.getRun(runId, { full: true });
    if (output !== undefined) return output;
    throw new HoldfastError("INTERNAL", `run ${runId} has ended, but its output is not there any more`);
  }
}

/** The boundary: whatever is thrown below becomes a `HoldfastError`. */
async function guard<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw from(error);
  }
}

function checkedRunId(runId: string): string {
  const problem = runIdProblem(runId);
  if (problem !== undefined) throw new HoldfastError("INVALID_ARGUMENT", problem);
  return runId;
}

function isUnknownWorkflow({ result }: Outcome): boolean {
  return result.case === "rejected" && fromRejected(result.value).code === "UNKNOWN_WORKFLOW";
}

function acceptedOf({ result }: Outcome): Accepted {
  if (result.case === "accepted") return result.value;
  if (result.case === "rejected") throw fromRejected(result.value);
  throw new HoldfastError(
    "INTERNAL",
    `a command was answered with ${result.case ?? "nothing"}: its node may be of another version`,
  );
}
