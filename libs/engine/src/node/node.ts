/**
 * A node: the partitions it works on, one dispatcher for all of them, and the answers to queries. Talks to ports only.
 *
 * 1. A partition that can't be opened stays stopped and says why; the others work.
 */
import { partitionOf } from "@holdfast/core";
import {
  type PartitionStatus,
  QueryErrorCode,
  QueryErrorSchema,
  QueryRequestSchema,
  type QueryResponse,
  QueryResponseSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import type { Logger, MetricsRegistry } from "@holdfast/telemetry";
import { Dispatcher } from "../dispatch/dispatcher.js";
import { DEFAULT_ENGINE_LIMITS, type EngineLimits, shareOf } from "../partition/limits.js";
import type { ProcessorMetrics } from "../partition/deps.js";
import type { PendingTimer } from "../partition/timers.js";
import { Processor } from "../partition/processor.js";
import { QueryClient } from "../client/query-client.js";
import { ObjectKeeper } from "./object-keeper.js";
import type { Bus, BusMessage, BusSubscription } from "../ports/bus.js";
import { type Clock, systemClock } from "../ports/clock.js";
import type { CommandLog } from "../ports/command-log.js";
import type { InputValidator } from "../ports/input-validator.js";
import type { PayloadStore } from "../ports/registry.js";
import type { StateStore } from "../ports/state-store.js";
import type { Ownership } from "../ports/ownership.js";
import { querySubject } from "../subjects.js";

/** Of each partition. */
const TIMERS_SHOWN = 1_000;

export interface NodeDeps {
  readonly node: string;
  readonly log: CommandLog;
  readonly store: StateStore;
  readonly bus: Bus;
  readonly payloads: PayloadStore;
  /** Holds the inputs of child runs against what their workflows declare; absent: they are not checked. */
  readonly inputs?: InputValidator;
  readonly ownership: Ownership;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  readonly clock?: Clock;
  readonly limits?: Partial<EngineLimits>;
}

export class Node {
  private readonly processors: Processor[] = [];
  private readonly dispatcher: Dispatcher;
  private readonly objectKeeper: ObjectKeeper;
  private readonly subscriptions: BusSubscription[] = [];
  private readonly candidates: readonly number[];
  private readonly limits: EngineLimits;
  private readonly clock: Clock;

  constructor(private readonly deps: NodeDeps) {
    const candidates = deps.ownership.candidates(deps.log.partitions);
    this.candidates = candidates;
    this.limits = shareOf({ ...DEFAULT_ENGINE_LIMITS, ...deps.limits }, candidates.length);
    this.clock = deps.clock ?? systemClock;
    const { bus, log, logger, payloads, registry } = deps;
    this.objectKeeper = new ObjectKeeper({
      payloads,
      queries: new QueryClient({ bus, partitions: log.partitions, clock: this.clock }),
      clock: this.clock,
      logger,
      limits: this.limits,
      isMine: () => this.status().some(({ partition, state }) => partition === 0 && state === "acting"),
      removed: registry.counter({
        name: "holdfast_objects_removed_total",
        help: "Objects that nothing referred to and that were removed from the object store",
      }),
    });
    this.dispatcher = new Dispatcher({
      node: deps.node,
      bus: deps.bus,
      clock: this.clock,
      logger: deps.logger,
      registry: deps.registry,
      limits: this.limits,
      partitionOf: (runId) =>
        this.processors.find((p) => p.partition === partitionOf(runId, deps.log.partitions)),
    });
  }

  /**
   * Opens its partitions, folds what the log has beyond their state, becomes their owner and begins to act. Resolves with
   * every partition's state, also of those that stay stopped.
   */
  async start(): Promise<PartitionStatus[]> {
    const { deps, clock, limits } = this;
    const metrics = metricsOf(deps.registry);
    deps.registry.observe(
      { name: "holdfast_ready_tasks", help: "Due tasks that wait for a worker" },
      () => this.dispatcher.readyCount,
    );
    deps.registry.observe(
      { name: "holdfast_in_flight_tasks", help: "Tasks that workers have" },
      () => this.dispatcher.inFlightCount,
    );
    deps.registry.observe(
      {
        name: "holdfast_retention_behind_seconds",
        help: "How long the oldest ended run that should be pruned has been due",
      },
      () => Math.max(0, ...this.processors.map((processor) => processor.retentionBehindMs / 1_000)),
    );
    deps.registry.observe(
      { name: "holdfast_open_breakers", help: "Circuit breakers that are not closed, over partitions" },
      () => this.processors.reduce((sum, processor) => sum + processor.breakers.open, 0),
    );
    deps.registry.observe(
      { name: "holdfast_breaker_held_actions", help: "Actions whose attempts open circuit breakers hold" },
      () => this.processors.reduce((sum, processor) => sum + processor.breakers.held, 0),
    );
    for (const partition of this.candidates) {
      const { node, log, store, bus, payloads, inputs, logger } = deps;
      this.processors.push(
        new Processor({
          partition,
          node,
          log,
          store,
          bus,
          payloads,
          inputs,
          sink: this.dispatcher,
          clock,
          logger,
          limits,
          metrics,
        }),
      );
    }
    await Promise.all(this.processors.map((processor) => processor.start().catch(() => undefined)));
    for (const processor of this.processors) this.answer(processor);
    await this.dispatcher.start();
    await Promise.all(
      this.processors.map((processor) =>
        processor.own().catch((error: unknown) => {
          deps.logger.error("the partition could not be owned", {
            partition: processor.partition,
            err: error,
          });
        }),
      ),
    );
    this.objectKeeper.begin();
    return this.status();
  }

  /** When the next timer of any of its partitions is due, Unix milliseconds; undefined: none is set. */
  get nextTimerMs(): number | undefined {
    const due = this.processors.flatMap((processor) => processor.nextTimerMs ?? []);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** The timers of all its partitions, the first of each. */
  async pendingTimers(): Promise<PendingTimer[]> {
    return (await Promise.all(this.processors.map(({ timers }) => timers(TIMERS_SHOWN)))).flat();
  }

  status(): PartitionStatus[] {
    return this.processors.map((processor) => this.statusOf(processor));
  }

  /** Stores what is folded and stops. Tasks that workers have are reported to the log, and found there at the next start. */
  async stop(): Promise<void> {
    this.objectKeeper.stop();
    this.dispatcher.stop();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    await Promise.all(this.processors.map((processor) => processor.stop()));
  }

  private statusOf(processor: Processor): PartitionStatus {
    const { ready, inFlight } = this.dispatcher.loadOf(processor);
    return processor.status(ready, inFlight);
  }

  private answer(processor: Processor): void {
    const subscription = this.deps.bus.subscribe(querySubject(processor.partition), (message) => {
      const data = message.data.slice();
      void this.answerOne(processor, data).then((response) => this.respond(message, response));
    });
    this.subscriptions.push(subscription);
  }

  private respond(message: BusMessage, response: QueryResponse): void {
    const bytes = encode(QueryResponseSchema, response);
    if (bytes.length <= this.deps.bus.maxMessageBytes) message.respond(bytes);
    else {
      const text = `the answer is ${bytes.length} bytes, more than a message can hold; ask for less at once`;
      message.respond(encode(QueryResponseSchema, errorResponse(QueryErrorCode.INVALID, text)));
    }
  }

  private async answerOne(processor: Processor, data: Uint8Array): Promise<QueryResponse> {
    try {
      const request = decode(QueryRequestSchema, data);
      if (request.kind.case === "status") {
        return init(QueryResponseSchema, { result: { case: "status", value: this.statusOf(processor) } });
      }
      return await processor.query(request);
    } catch (error) {
      this.deps.logger.error("a query failed", { partition: processor.partition, err: error });
      return errorResponse(
        QueryErrorCode.INTERNAL,
        `partition ${processor.partition} could not answer; its log says why`,
      );
    }
  }
}

const errorResponse = (code: QueryErrorCode, message: string): QueryResponse =>
  init(QueryResponseSchema, { result: { case: "error", value: init(QueryErrorSchema, { code, message }) } });

function metricsOf(registry: MetricsRegistry): ProcessorMetrics {
  const counter = (name: string, help: string) => registry.counter({ name, help });
  return {
    commands: counter("holdfast_commands_folded_total", "Commands folded"),
    entries: counter("holdfast_entries_folded_total", "Log entries folded"),
    commits: counter("holdfast_commits_total", "State commits"),
    stale: counter("holdfast_stale_reports_total", "Reports of attempts that were not the current ones"),
    breakerTransitions: counter("holdfast_breaker_transitions_total", "Circuit breakers that changed state"),
    breaches: counter("holdfast_check_breaches_total", "Breaches of the rules that checks found"),
    instants: registry.counter({
      name: "holdfast_schedule_instants_total",
      help: "Instants of schedules that were planned, started, skipped or missed",
      labels: ["outcome"],
    }),
    instantsLateS: counter(
      "holdfast_schedule_late_seconds_total",
      "How late the instants were that started, together",
    ),
    messagesSent: counter("holdfast_messages_sent_total", "Messages brought to a partition's log"),
    messagesLost: counter(
      "holdfast_messages_lost_total",
      "Messages of another partition that can't be applied any more",
    ),
    unreadable: counter("holdfast_unreadable_entries_total", "Log entries that could not be read"),
  };
}
