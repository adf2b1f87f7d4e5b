/**
 * A node: the partitions it works on, one dispatcher for all of them, and the answers to queries. Talks to ports only.
 *
 * 1. A partition that can't be opened is stopped and says why; the others work. It is opened again once that may help.
 * 2. Where other nodes can be there, nothing is announced before it is known that none of them lives that owns the same.
 */
import { randomUUID } from "node:crypto";
import { partitionOf } from "@holdfast/core";
import {
  type PartitionStatus,
  QueryErrorCode,
  QueryErrorSchema,
  type QueryRequest,
  QueryRequestSchema,
  type QueryResponse,
  QueryResponseSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import type { Logger, MetricsRegistry } from "@holdfast/telemetry";
import { Dispatcher } from "../dispatch/dispatcher.js";
import { Hearing } from "../dispatch/hearing.js";
import { DEFAULT_ENGINE_LIMITS, type EngineLimits, shareOf } from "../partition/limits.js";
import type { PendingTimer } from "../partition/timers.js";
import { Processor } from "../partition/processor.js";
import { QueryClient } from "../client/query-client.js";
import { LogWatch } from "./log-watch.js";
import { metricsOf, showNode } from "./metrics.js";
import { ObjectKeeper } from "./object-keeper.js";
import { OwnershipKeeper } from "./ownership-keeper.js";
import { Reopener } from "./reopener.js";
import type { Bus, BusMessage, BusSubscription } from "../ports/bus.js";
import { type Clock, systemClock } from "../ports/clock.js";
import { Guard } from "../ports/guard.js";
import type { CommandLog } from "../ports/command-log.js";
import type { InputValidator } from "../ports/input-validator.js";
import type { PayloadStore } from "../ports/registry.js";
import type { StateStore } from "../ports/state-store.js";
import type { Ownership } from "../ports/ownership.js";
import { querySubject } from "../subjects.js";

/** Of each partition. */
const TIMERS_SHOWN = 1_000;
/** Questions that are being answered; more are asked to come again. */
const QUERIES_AT_ONCE_MAX = 2_048;
/** A start does not wait longer for partitions whose logs take their time. */
const OWN_MS_MAX = 15_000;

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
  private readonly hearing: Hearing;
  private readonly objectKeeper: ObjectKeeper;
  private readonly subscriptions: BusSubscription[] = [];
  private readonly candidates: readonly number[];
  private readonly limits: EngineLimits;
  private readonly clock: Clock;
  private readonly bus: Bus;
  private readonly guard: Guard;
  private answering = 0;
  private readonly process = randomUUID();
  private readonly keeper: OwnershipKeeper | undefined;
  private readonly reopener: Reopener;
  private readonly logWatch: LogWatch;
  private stopping: Promise<void> | undefined;
  private saySuperseded: (reason: string) => void = () => undefined;
  /** Resolves with the reason where another node lives and owns what this one wants: it has to be stopped then. */
  readonly superseded = new Promise<string>((resolve) => {
    this.saySuperseded = resolve;
  });

  constructor(private readonly deps: NodeDeps) {
    const candidates = deps.ownership.candidates(deps.log.partitions);
    this.candidates = candidates;
    this.limits = shareOf({ ...DEFAULT_ENGINE_LIMITS, ...deps.limits }, candidates.length);
    const { log, logger, payloads, registry } = deps;
    this.guard = new Guard(logger, registry);
    this.clock = this.guard.clock(deps.clock ?? systemClock);
    const bus = this.guard.bus(deps.bus);
    this.bus = bus;
    this.objectKeeper = new ObjectKeeper({
      payloads,
      queries: new QueryClient({ bus, partitions: log.partitions, clock: this.clock }),
      clock: this.clock,
      logger,
      limits: this.limits,
      nowMs: () =>
        this.processors.find(({ partition }) => partition === 0)?.logTime.nowMs() ?? this.clock.nowMs(),
      isMine: () => this.status().some(({ partition, state }) => partition === 0 && state === "acting"),
      removed: registry.counter({
        name: "holdfast_objects_removed_total",
        help: "Objects that nothing referred to and that were removed from the object store, as they should be",
      }),
    });
    this.hearing = new Hearing({ bus, clock: this.clock, logger, registry });
    const { clock } = this;
    this.logWatch = new LogWatch(log, candidates, clock);
    this.reopener = new Reopener({
      clock,
      logger: this.guard.logger,
      reopened: (processor) => this.reopened(processor),
    });
    if (deps.ownership.contested) {
      this.keeper = new OwnershipKeeper({
        node: deps.node,
        process: this.process,
        bus,
        clock,
        logger: this.guard.logger,
        processors: () => this.processors,
        superseded: (reason) => this.saySuperseded(reason),
      });
    }
    this.dispatcher = new Dispatcher({
      node: deps.node,
      bus,
      clock: this.clock,
      hearing: this.hearing,
      logger,
      guard: this.guard,
      registry,
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
    await this.keeper?.begin();
    const metrics = metricsOf(deps.registry);
    this.show();
    for (const partition of this.candidates) {
      const { node, log, store, payloads, inputs, logger } = deps;
      const processor: Processor = new Processor({
        partition,
        node,
        process: this.process,
        log,
        store,
        bus: this.bus,
        guard: this.guard,
        payloads,
        inputs,
        sink: this.dispatcher,
        hearing: this.hearing,
        clock,
        logger,
        limits,
        metrics,
        onStopped: (error) => this.reopener.onStopped(processor, error),
      });
      this.processors.push(processor);
    }
    this.logWatch.begin();
    await Promise.all(this.processors.map((processor) => processor.start().catch(() => undefined)));
    for (const processor of this.processors) this.answer(processor);
    try {
      await this.keeper?.admit();
    } catch (error) {
      await this.stop();
      throw error;
    }
    await this.dispatcher.start();
    await this.ownAll();
    this.objectKeeper.begin();
    return this.status();
  }

  /** Resolves once each partition acts or could not be owned; one that takes its time does not hold up the others. */
  private async ownAll(): Promise<void> {
    const owned = Promise.all(
      this.processors.map((processor) =>
        processor.own().catch((error: unknown) => {
          const { partition } = processor;
          this.deps.logger.error("the partition could not be owned; it is tried again", {
            partition,
            err: error,
          });
        }),
      ),
    );
    let cancel: (() => void) | undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.clock.after(OWN_MS_MAX, resolve);
    });
    await Promise.race([owned, late]);
    cancel?.();
  }

  private show(): void {
    const { registry } = this.deps;
    showNode(registry, {
      dispatcher: this.dispatcher,
      processors: this.processors,
      problems: () => this.status().filter(({ problem }) => problem !== "").length,
      ownerless: () =>
        this.keeper?.ownerless ?? this.processors.filter(({ phase }) => phase !== "acting").length,
      logBytes: () => this.candidates.reduce((sum, partition) => sum + this.logWatch.of(partition).bytes, 0),
      clockOffsetMs: () => this.clockOffsetMs,
    });
  }

  private reopened(processor: Processor): void {
    if (this.keeper !== undefined) {
      this.keeper.look();
      return;
    }
    processor.own().catch((error: unknown) => {
      const { partition } = processor;
      this.deps.logger.error("the partition could not be owned", { partition, err: error });
    });
  }

  /** By how much the log's clock is ahead of this machine's wall clock (less than 0: behind), about. Nothing depends on the latter but what people read. */
  get clockOffsetMs(): number {
    return this.clockOffsets.reduce((most, each) => (Math.abs(each) > Math.abs(most) ? each : most), 0);
  }

  /** The same by the partition whose entries come the fastest: what a late entry looks like is left out, and so is a server among several that is wrong alone. */
  get clockOffsetLeastMs(): number {
    const offsets = this.clockOffsets;
    return offsets.length === 0 ? 0 : Math.max(...offsets);
  }

  private get clockOffsets(): number[] {
    return this.processors.filter(({ phase }) => phase === "acting").map(({ logTime }) => logTime.offsetMs);
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

  /** What people should know, though every partition does its work. */
  warnings(): string[] {
    return [
      ...this.processors.flatMap(({ foreign }) => foreign.warning ?? []),
      ...this.dispatcher.workerWarnings(),
    ];
  }

  status(): PartitionStatus[] {
    return this.processors.map((processor) => this.statusOf(processor));
  }

  /** It is about to stop, and says so to the others. */
  drain(): void {
    this.keeper?.drain();
  }

  /** Stores what is folded and stops. Tasks that workers have are reported to the log, and found there at the next start. */
  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    this.drain();
    this.objectKeeper.stop();
    this.logWatch.stop();
    await this.reopener.stop();
    this.dispatcher.stop();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    await Promise.all(this.processors.map((processor) => processor.stop()));
    this.keeper?.stop();
  }

  /** Its workers are told of by the first partition that this node acts for: one sentence each. */
  private warnedBy(processor: Processor): string[] {
    const first = this.processors.find(({ phase }) => phase === "acting");
    return first === processor ? this.dispatcher.workerWarnings() : [];
  }

  private statusOf(processor: Processor): PartitionStatus {
    const { ready, inFlight } = this.dispatcher.loadOf(processor);
    const standing = this.keeper?.standing(processor);
    const log = this.logWatch.of(processor.partition);
    return processor.status(ready, inFlight, {
      besideProblem: standing?.problem || log.problem,
      ownerSilentMs: standing?.ownerSilentMs ?? 0,
      logBytes: log.bytes,
      logBytesMax: log.maxBytes,
      workerWarnings: this.warnedBy(processor),
    });
  }

  private answer(processor: Processor): void {
    const subject = querySubject(processor.partition);
    const subscription = this.bus.subscribe(subject, (message) => {
      if (this.answering >= QUERIES_AT_ONCE_MAX) {
        this.respond(message, busy(processor.partition));
        return;
      }
      this.answering += 1;
      const answered = this.answerOne(processor, message.data.slice())
        .then((response) => this.respond(message, response))
        .finally(() => {
          this.answering -= 1;
        });
      this.guard.settle("answer", subject, answered);
    });
    this.subscriptions.push(subscription);
  }

  private respond(message: BusMessage, response: QueryResponse): void {
    const bytes = this.encoded(response);
    if (typeof bytes !== "string" && bytes.length <= this.bus.maxMessageBytes) message.respond(bytes);
    else {
      const text =
        typeof bytes === "string"
          ? bytes
          : `the answer is ${bytes.length} bytes, more than a message can hold; ask for less at once`;
      message.respond(encode(QueryResponseSchema, errorResponse(QueryErrorCode.INVALID, text)));
    }
  }

  /** A sentence where it can't be: a number of the question has led to one that no message can hold. */
  private encoded(response: QueryResponse): Uint8Array | string {
    try {
      return encode(QueryResponseSchema, response);
    } catch (error) {
      this.guard.logger.warn("the answer to a query can't be written", { err: error });
      const why = error instanceof Error ? error.message : String(error);
      return `the answer can't be written (${why}): a number of the question is out of range`;
    }
  }

  private async answerOne(processor: Processor, data: Uint8Array): Promise<QueryResponse> {
    let request: QueryRequest;
    try {
      request = decode(QueryRequestSchema, data);
    } catch (error) {
      this.guard.logger.warn("a query can't be read", { partition: processor.partition, err: error });
      return errorResponse(QueryErrorCode.INVALID, "the question is no holdfast.v1.QueryRequest");
    }
    try {
      if (request.kind.case === "status") {
        return init(QueryResponseSchema, { result: { case: "status", value: this.statusOf(processor) } });
      }
      return await processor.query(request);
    } catch (error) {
      this.guard.logger.error("a query failed", { partition: processor.partition, err: error });
      return errorResponse(
        QueryErrorCode.INTERNAL,
        `partition ${processor.partition} could not answer; its log says why`,
      );
    }
  }
}

const busy = (partition: number): QueryResponse =>
  errorResponse(
    QueryErrorCode.UNAVAILABLE,
    `the node of partition ${partition} answers ${QUERIES_AT_ONCE_MAX} questions already; ask again in a moment`,
  );

const errorResponse = (code: QueryErrorCode, message: string): QueryResponse =>
  init(QueryResponseSchema, { result: { case: "error", value: init(QueryErrorSchema, { code, message }) } });
