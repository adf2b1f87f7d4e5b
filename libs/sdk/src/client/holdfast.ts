/**
 * The client: starts runs, waits for them, looks at them, retries and cancels them.
 *
 * 1. A start that resolved is durable. One that failed with `unknown-outcome` may be repeated under the same run id.
 * 2. Everything that is thrown is a `HoldfastError`.
 */
import { partitionOf } from "@holdfast/core";
import {
  cancelRunCommand,
  pauseRunCommand,
  resumeRunCommand,
  decideApprovalCommand,
  type DeadLettersPage,
  discardDeadLettersCommand,
  type ListDeadLettersFilter,
  moveToDeadLettersCommand,
  signalRunCommand,
  type Clock,
  CommandClient,
  type Counts,
  type FailureSignature,
  type FailureSignatures,
  type ItemsPage,
  type ListItemsFilter,
  type ListSignaturesFilter,
  type ListRunsFilter,
  PayloadCodec,
  QueryClient,
  retryRunCommand,
  type RunsPage,
  startRunCommand,
  type StartTicket,
  systemClock,
} from "@holdfast/engine";
import {
  type Accepted,
  type Command,
  OnConflict,
  type Payload,
  RecoveryStrategy,
  RunStatus,
  type RunEnded,
  type RunView,
} from "@holdfast/proto";
import { type Logger, silentLogger } from "@holdfast/telemetry";
import {
  type Artifact,
  type ArtifactOptions,
  type ArtifactSource,
  type JsonLines,
  openArtifact,
  storeArtifact,
} from "../artifact.js";
import { durationMs } from "../duration.js";
import { from, HoldfastError, RunFailedError } from "../errors.js";
import { freshId, RunIds } from "../ids.js";
import type { Jsonified } from "../workflow/types.js";
import type { AnyWorkflow, WorkflowInput, WorkflowOutput } from "../workflow/workflow.js";
import { acceptedOf } from "./accepted.js";
import { Bulk } from "./bulk.js";
import { checkedRunId, checkedTime, guard, isUnknownWorkflow } from "./boundary.js";
import { connectPorts } from "./connect.js";
import type {
  CancelOptions,
  ChangeOptions,
  ControlOptions,
  DeadLetterOptions,
  DecisionOptions,
  ConnectOptions,
  HoldfastOptions,
  HoldfastPorts,
  RetryOptions,
  StartOptions,
} from "./options.js";
import { Ends } from "./ends.js";
import { InputChecker } from "./input-checker.js";
import { WorkflowRegistry } from "./registry.js";
import { Schedules } from "./schedules.js";
import { RunHandle, type RunHost } from "./run-handle.js";

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
  /** Runs that begin by themselves. */
  readonly schedules: Schedules;
  /** Operations on many runs at once. */
  readonly bulk: Bulk;
  readonly #origin: string;
  readonly #registry: WorkflowRegistry;
  readonly #inputs: InputChecker;
  readonly #ends: Ends;
  readonly #runIds = new RunIds();

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
    const { commands, queries, payloads, clock } = this;
    const deps = { commands, queries, registry: this.#registry, clock, who: this.#origin };
    this.schedules = new Schedules({ ...deps, payloads, inputs: this.#inputs });
    this.bulk = new Bulk(deps);
  }

  /** Connects to a cluster over NATS. */
  static async connect(options: ConnectOptions = {}): Promise<Holdfast> {
    return guard(async () => new Holdfast(await connectPorts(options), options));
  }

  /** A client over ports that are there already: embedded, or in tests. */
  static over(ports: HoldfastPorts, options: HoldfastOptions = {}): Holdfast {
    return new Holdfast(ports, options);
  }

  /** How many ends of runs, and news of bulk operations, somebody waits for through this client. */
  get awaitedEnds(): number {
    return this.#ends.size + this.bulk.awaited;
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
    return this.#start(workflow, input, options);
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

  /** Failures alike over the whole cluster: those that most runs are failed with now first. */
  failures(filter: ListSignaturesFilter = {}): Promise<FailureSignatures> {
    return guard(() => this.queries.signatures(filter));
  }

  /** One failure signature, with examples and the newest runs that are failed so now. */
  failure(id: string): Promise<FailureSignature> {
    return guard(() => this.queries.signature(id));
  }

  /** Retries a run's failed parts, or single items; says how many items and actions set off again. */
  retry(runId: string, { strategy, reason, requestId, ...what }: RetryOptions = {}): Promise<Accepted> {
    const of = { ...what, strategy: strategy && RecoveryStrategy[strategy] };
    const options = { ...(reason && { reason }), ...(requestId && { requestId }) };
    return this.#control(runId, (control) => retryRunCommand({ ...control, ...of }), options);
  }

  /** What is in the dead-letter set, the last moved first, a page at a time. */
  deadLetters(filter: ListDeadLettersFilter = {}): Promise<DeadLettersPage> {
    return guard(() => this.queries.listDeadLetters(filter));
  }

  /** Puts a run that failed, or failed items of it, aside: nothing prunes it until it is retried, discarded, or was there long enough. */
  moveToDeadLetters(runId: string, options: DeadLetterOptions = {}): Promise<Accepted> {
    const { action = "", items = [] } = options;
    return this.#control(runId, (fields) => moveToDeadLettersCommand({ ...fields, action, items }), options);
  }

  /** Gives up what is in the dead-letter set of a run. There has to be a reason; it stays in the run's history. */
  discard(runId: string, options: DeadLetterOptions & { readonly reason: string }): Promise<Accepted> {
    const { action = "", items = [] } = options;
    return this.#control(runId, (fields) => discardDeadLettersCommand({ ...fields, action, items }), options);
  }

  /** Ends what is open of a run, attempts under way after a grace; what had succeeded stays. */
  cancel(runId: string, options: CancelOptions = {}): Promise<Accepted> {
    const graceMs = options.grace === undefined ? undefined : durationMs(options.grace, "grace");
    return this.#control(runId, (fields) => cancelRunCommand({ ...fields, graceMs }), options);
  }

  /** Nothing of the run is dispatched and nothing of it begins until it is resumed; what is under way goes on and counts. */
  pause(runId: string, options: ChangeOptions = {}): Promise<Accepted> {
    return this.#control(runId, pauseRunCommand, options);
  }

  resume(runId: string, options: ChangeOptions = {}): Promise<Accepted> {
    return this.#control(runId, resumeRunCommand, options);
  }

  /** Tells a run that something has happened; kept with the run where it does not wait for it yet. */
  signal(runId: string, name: string, payload?: unknown, options: ControlOptions = {}): Promise<Accepted> {
    return guard(async () => {
      const what = `the payload of signal ${name}`;
      const body = payload === undefined ? undefined : await this.payloads.encode(payload, what);
      return this.#control(runId, (fields) => signalRunCommand({ ...fields, name, payload: body }), options);
    });
  }

  /** Approves what a run waits for: the only action that does, or the one that is named. */
  approve(runId: string, options: DecisionOptions = {}): Promise<Accepted> {
    return this.#decide(runId, true, options);
  }

  /** Rejects what a run waits for; that action fails. */
  reject(runId: string, options: DecisionOptions = {}): Promise<Accepted> {
    return this.#decide(runId, false, options);
  }

  #decide(runId: string, approved: boolean, options: DecisionOptions): Promise<Accepted> {
    const { action = "", comment = "" } = options;
    return this.#control(
      runId,
      (fields) => decideApprovalCommand({ ...fields, action, approved, comment }),
      options,
    );
  }

  /**
   * Stores a file for runs to refer to: a path, pieces of bytes or text, or `jsonLines(rows)`; streamed, so of any size (at most 16
   * GiB). Resolves once it is durable, with its reference. Kept for as long as the cluster is.
   */
  putArtifact<Row>(source: JsonLines<Row>, options?: ArtifactOptions): Promise<Artifact<Jsonified<Row>>>;
  putArtifact<Line = unknown>(source: ArtifactSource, options?: ArtifactOptions): Promise<Artifact<Line>>;
  putArtifact(source: ArtifactSource, options: ArtifactOptions = {}): Promise<Artifact> {
    return guard(() => storeArtifact(this.ports.payloads, source, options));
  }

  /** An artifact in pieces. What was read may be relied on once the loop has ended: size and digest are known to be right then. */
  async *readArtifact(artifact: Artifact): AsyncGenerator<Uint8Array> {
    try {
      yield* openArtifact(this.ports.payloads, artifact);
    } catch (error) {
      throw from(error);
    }
  }

  /** Sees what was sent into the log, then closes the connection. Stop workers first. */
  async close(): Promise<void> {
    const error = (what: string): HoldfastError =>
      new HoldfastError(
        "CLOSED",
        `the client was closed while the ${what} was waited for; ask again through another`,
      );
    this.#ends.close(error("run"));
    this.bulk.close(error("operation"));
    await this.commands.close();
    await guard(() => this.ports.close());
  }

  /** For tests whose time skips: how many waits ever began. */
  get waitsBegun(): number {
    return this.#ends.begun + this.bulk.waitsBegun;
  }

  /** For tests whose time skips: has all asked at once that is asked for now and then. */
  async askNow(): Promise<void> {
    await Promise.all([this.#ends.askNow(), this.bulk.askNow()]);
  }

  /** For handles. */
  ended(runId: string, ticket: StartTicket): Promise<RunEnded> {
    return guard(() => this.#ends.wait(runId, ticket));
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
    // The hottest call of all: no closure and no promise more than it needs.
    try {
      const name = typeof workflow === "string" ? workflow : workflow.name;
      const runId =
        options.runId === undefined ? this.#runIds.next(this.clock.nowMs()) : checkedRunId(options.runId);
      const checking = this.#inputs.check(workflow, input);
      if (checking !== undefined) await checking;
      const encoding =
        input === undefined ? undefined : this.payloads.encode(input, `the input of a ${name} run`);
      const payload = encoding instanceof Promise ? await encoding : encoding;
      let ticket = this.#submitStart(workflow, runId, payload, options);
      let outcome = await ticket.accepted;
      if (typeof workflow !== "string" && isUnknownWorkflow(outcome)) {
        await this.#registry.register(workflow);
        ticket = this.#submitStart(workflow, runId, payload, options);
        outcome = await ticket.accepted;
      }
      const { existed, status } = acceptedOf(outcome);
      return new RunHandle<unknown>(this, ticket, runId, existed, status);
    } catch (error) {
      throw from(error);
    }
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
      startAtMs: options.startAt && checkedTime(options.startAt),
      traceparent: options.traceparent,
      onConflict: CONFLICTS[options.onConflict ?? "return"],
      origin: this.#origin,
      notifyEnd: true,
    });
    return this.commands.submitStart(partitionOf(runId, this.ports.log.partitions), command);
  }

  async #control(
    runId: string,
    make: (fields: Parameters<typeof pauseRunCommand>[0]) => Command,
    options: ChangeOptions,
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
    const { output } = await this.queries.getRun(runId);
    if (output !== undefined) return output;
    throw new HoldfastError("INTERNAL", `run ${runId} has ended, but its output is not there any more`);
  }
}
