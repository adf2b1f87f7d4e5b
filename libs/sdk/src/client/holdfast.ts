/**
 * The client: starts runs, waits for them, looks at them, retries and cancels them.
 *
 * 1. A start that resolved is durable. One that failed with `unknown-outcome` may be repeated under the same run id.
 * 2. Everything that is thrown is a `HoldfastError`.
 */
import {
  type Clock,
  CommandClient,
  type Counts,
  type DeadLettersPage,
  type FailureSignature,
  type FailureSignatures,
  Guard,
  type ItemsPage,
  type ListDeadLettersFilter,
  type ListItemsFilter,
  type ListRunsFilter,
  type ListSignaturesFilter,
  PayloadCodec,
  PendingRuns,
  QueryClient,
  type RunsPage,
  type StartTicket,
  systemClock,
} from "@holdfast/engine";
import { type Accepted, type Payload, RunStatus, type RunEnded, type RunView } from "@holdfast/proto";
import { type Logger, silentLogger } from "@holdfast/telemetry";
import {
  type Artifact,
  type ArtifactOptions,
  type ArtifactSource,
  type JsonLines,
  openArtifact,
  storeArtifact,
} from "../artifact.js";
import { from, HoldfastError } from "../errors.js";
import { handedOut, handedOutEach } from "../handed-out.js";
import { freshId } from "../ids.js";
import type { Jsonified } from "../workflow/types.js";
import type { AnyWorkflow, WorkflowInput, WorkflowOutput } from "../workflow/workflow.js";
import { Bulk } from "./bulk.js";
import { checkedRunId, guard } from "./boundary.js";
import { connectPorts } from "./connect.js";
import { checkCallOptions } from "./option-names.js";
import type {
  CancelOptions,
  ChangeOptions,
  ControlOptions,
  DeadLetterOptions,
  DecisionOptions,
  ConnectOptions,
  HoldfastOptions,
  HoldfastPorts,
  RestartOptions,
  RetryOptions,
  StartOptions,
} from "./options.js";
import { Ends } from "./ends.js";
import { failedRun } from "./failed-run.js";
import { InputChecker } from "./input-checker.js";
import { WorkflowRegistry } from "./registry.js";
import { Rejected } from "./rejected.js";
import { Starts } from "./starts.js";
import { Schedules } from "./schedules.js";
import { RunControls } from "./run-controls.js";
import type { RunHandle, RunHost } from "./run-handle.js";

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
  /** Published work that could not become a run. */
  readonly rejected: Rejected;
  readonly #origin: string;
  readonly #registry: WorkflowRegistry;
  readonly #ends: Ends;
  readonly #pending: PendingRuns;
  readonly #controls: RunControls;
  readonly #starts: Starts;

  private constructor(ports: HoldfastPorts, options: HoldfastOptions) {
    this.id = freshId("client");
    this.logger = options.logger ?? silentLogger;
    // Whatever arrives, or falls due, can't end the process that this client is a part of.
    const guarded = new Guard(this.logger);
    this.ports = { ...ports, bus: guarded.bus(ports.bus) };
    this.clock = guarded.clock(options.clock ?? systemClock);
    this.#origin = options.name === undefined ? "sdk" : `sdk ${options.name}`;
    const { log, bus } = this.ports;
    this.commands = new CommandClient({ log, bus, producer: this.id, clock: this.clock });
    this.queries = new QueryClient({ bus, partitions: log.partitions, clock: this.clock });
    this.payloads = new PayloadCodec(ports.payloads);
    this.#registry = new WorkflowRegistry({
      definitions: ports.definitions,
      commands: this.commands,
      partitions: log.partitions,
      clock: this.clock,
    });
    const inputs = new InputChecker(this.#registry);
    this.#ends = new Ends(this.queries, this.clock);
    this.#pending = new PendingRuns(ports.work, this.clock);
    const { commands, queries, payloads, clock, id } = this;
    const deps = { commands, queries, registry: this.#registry, clock, who: this.#origin };
    this.schedules = new Schedules({ ...deps, payloads, inputs });
    this.bulk = new Bulk(deps);
    this.rejected = new Rejected({ work: ports.work, definitions: ports.definitions, who: this.#origin });
    const { partitions } = log;
    this.#starts = new Starts({ ...deps, payloads, inputs, partitions, host: this });
    this.#controls = new RunControls({
      commands,
      queries: this.queries,
      payloads,
      partitions,
      clock,
      who: this.#origin,
      id,
    });
  }

  /** Connects to a cluster over NATS. */
  static connect(options: ConnectOptions = {}): Promise<Holdfast> {
    return guard(async () => {
      checkCallOptions("connect", options, "Holdfast.connect");
      return new Holdfast(await connectPorts(options), options);
    });
  }

  /** A client over ports that are there already: embedded, or in tests. */
  static over(ports: HoldfastPorts, options: HoldfastOptions = {}): Holdfast {
    checkCallOptions("over", options, "Holdfast.over");
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
    return handedOut(this.#starts.start(workflow, input, options));
  }

  /** Begins another run in the place of one that has ended: of the same workflow, with the same input or the one given. Each names the other. */
  restart(runId: string, options?: RestartOptions): Promise<RunHandle<unknown>>;
  /** With exactly this definition, which must be of the same workflow. */
  restart<W extends AnyWorkflow>(
    runId: string,
    options: RestartOptions<WorkflowInput<W>> & { readonly workflow: W },
  ): Promise<RunHandle<WorkflowOutput<W>>>;
  restart(
    runId: string,
    options: RestartOptions & { readonly workflow?: AnyWorkflow } = {},
  ): Promise<RunHandle<unknown>> {
    return handedOut(this.#starts.restart(runId, options));
  }

  /** Waits for the end of a run that somebody else started. */
  wait(runId: string): Promise<RunEnded> {
    return guard(() =>
      this.#pending.whilePending(
        checkedRunId(runId),
        () => this.#ends.wait(runId),
        () => this.queries.getRun(runId),
      ),
    );
  }

  /** A run as its owner sees it, with input, output and history. */
  get(runId: string): Promise<RunView> {
    return guard(() =>
      this.#pending.orPending(checkedRunId(runId), () => this.queries.getRun(runId, { full: true })),
    );
  }

  /** Runs of the whole cluster, newest first, a page at a time. */
  list(filter: ListRunsFilter = {}): Promise<RunsPage> {
    return guard(() => {
      checkCallOptions("runs", filter, "list");
      return this.queries.listRuns(filter);
    });
  }

  /** Items of a run's action, a page at a time. */
  items(runId: string, filter: ListItemsFilter = {}): Promise<ItemsPage> {
    return guard(() => {
      checkCallOptions("items", filter, "items");
      return this.queries.listItems(checkedRunId(runId), filter);
    });
  }

  counts(workflow = ""): Promise<Counts> {
    return guard(() => this.queries.counts(workflow));
  }

  /** Failures alike over the whole cluster: those that most runs are failed with now first. */
  failures(filter: ListSignaturesFilter = {}): Promise<FailureSignatures> {
    return guard(() => {
      checkCallOptions("failures", filter, "failures");
      return this.queries.signatures(filter);
    });
  }

  /** One failure signature, with examples and the newest runs that are failed so now. */
  failure(id: string): Promise<FailureSignature> {
    return guard(() => this.queries.signature(id));
  }

  /** Retries a run's failed parts, or single items; says how many items and actions set off again. */
  retry(runId: string, options: RetryOptions = {}): Promise<Accepted> {
    return this.#controls.retry(runId, options);
  }

  /** What is in the dead-letter set, the last moved first, a page at a time. */
  deadLetters(filter: ListDeadLettersFilter = {}): Promise<DeadLettersPage> {
    return guard(() => {
      checkCallOptions("deadLetters", filter, "deadLetters");
      return this.queries.listDeadLetters(filter);
    });
  }

  /** Puts a run that failed, or failed items of it, aside: nothing prunes it until it is retried, discarded, or was there long enough. */
  moveToDeadLetters(runId: string, options: DeadLetterOptions = {}): Promise<Accepted> {
    return this.#controls.moveToDeadLetters(runId, options);
  }

  /** Gives up what is in the dead-letter set of a run. There has to be a reason; it stays in the run's history. */
  discard(runId: string, options: DeadLetterOptions & { readonly reason: string }): Promise<Accepted> {
    return this.#controls.discard(runId, options);
  }

  /** Ends what is open of a run, attempts under way after a grace; what had succeeded stays. */
  cancel(runId: string, options: CancelOptions = {}): Promise<Accepted> {
    return this.#controls.cancel(runId, options);
  }

  /** Nothing of the run is dispatched and nothing of it begins until it is resumed; what is under way goes on and counts. */
  pause(runId: string, options: ChangeOptions = {}): Promise<Accepted> {
    return this.#controls.pause(runId, options);
  }

  resume(runId: string, options: ChangeOptions = {}): Promise<Accepted> {
    return this.#controls.resume(runId, options);
  }

  /** Tells a run that something has happened; kept with the run where it does not wait for it yet. */
  signal(runId: string, name: string, payload?: unknown, options: ControlOptions = {}): Promise<Accepted> {
    return this.#controls.signal(runId, name, payload, options);
  }

  /** Approves what a run waits for: the only action that does, or the one that is named. */
  approve(runId: string, options: DecisionOptions = {}): Promise<Accepted> {
    return this.#controls.decide(runId, true, options);
  }

  /** Rejects what a run waits for; that action fails. */
  reject(runId: string, options: DecisionOptions = {}): Promise<Accepted> {
    return this.#controls.decide(runId, false, options);
  }

  /**
   * Stores a file for runs to refer to: a path, pieces of bytes or text, or `jsonLines(rows)`; streamed, so of any size (at most 16
   * GiB). Resolves once it is durable, with its reference. Kept for as long as the cluster is.
   */
  putArtifact<Row>(source: JsonLines<Row>, options?: ArtifactOptions): Promise<Artifact<Jsonified<Row>>>;
  putArtifact<Line = unknown>(source: ArtifactSource, options?: ArtifactOptions): Promise<Artifact<Line>>;
  putArtifact(source: ArtifactSource, options: ArtifactOptions = {}): Promise<Artifact> {
    return guard(() => {
      checkCallOptions("artifact", options, "putArtifact");
      return storeArtifact(this.ports.payloads, source, options);
    });
  }

  /** An artifact in pieces. What was read may be relied on once the loop has ended: size and digest are known to be right then. */
  readArtifact(artifact: Artifact): AsyncGenerator<Uint8Array, void, undefined> {
    return handedOutEach(this.#readArtifact(artifact));
  }

  async *#readArtifact(artifact: Artifact): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* openArtifact(this.ports.payloads, artifact);
    } catch (error) {
      throw from(error);
    }
  }

  /** Sees what was sent into the log, then closes the connection. Stop workers first. */
  close(): Promise<void> {
    return guard(() => this.#close());
  }

  async #close(): Promise<void> {
    const error = (what: string): HoldfastError =>
      new HoldfastError(
        "CLOSED",
        `the client was closed while the ${what} was waited for; ask again through another`,
      );
    this.#ends.close(error("run"));
    this.bulk.close(error("operation"));
    await this.commands.close();
    await this.ports.close();
  }

  /** For tests whose time skips: how many waits ever began. */
  get waitsBegun(): number {
    return this.#ends.begun + this.bulk.waitsBegun;
  }

  /** For tests whose time skips: has all asked at once that is asked for now and then. */
  askNow(): Promise<void> {
    return guard(async () => void (await Promise.all([this.#ends.askNow(), this.bulk.askNow()])));
  }

  /** For handles. */
  ended(runId: string, ticket: StartTicket): Promise<RunEnded> {
    return guard(() => this.#ends.wait(runId, ticket));
  }

  /** For handles: what a run ended with; throws `RunFailedError` where it did not complete. */
  output(ended: RunEnded): Promise<unknown> {
    return guard(() => {
      if (ended.status === RunStatus.FAILED || ended.status === RunStatus.CANCELLED)
        return failedRun(this.queries, ended);
      return this.payloads.decode(ended.output, `the output of run ${ended.runId}`, () =>
        this.#storedOutput(ended.runId),
      );
    });
  }

  /** An output too large to be sent along with the end is brought by the run's view. */
  async #storedOutput(runId: string): Promise<Payload> {
    const { output } = await this.queries.getRun(runId);
    if (output !== undefined) return output;
    throw new HoldfastError("INTERNAL", `run ${runId} has ended, but its output is not there any more`);
  }
}
