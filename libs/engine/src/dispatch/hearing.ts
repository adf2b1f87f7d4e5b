/**
 * Whether this node hears: what it takes for somebody's silence may be its own deafness. Whoever judges others asks here first.
 *
 * 1. Heard is what arrived over the bus: a worker's beat, or this node's own echo, which it sends to itself for this alone. A connection that is
 *    open proves nothing.
 * 2. Time counts only while this node hears. It stands still from `DEAF_AFTER_MS` after what was heard last, whatever the reason: no
 *    connection, a server that hangs, or a thread that stood still.
 * 3. After a time without hearing everybody begins anew: listeners are told, and `forMs` counts from 0.
 */
import type { Logger, MetricsRegistry } from "@holdfast/telemetry";
import type { Bus, BusSubscription } from "../ports/bus.js";
import type { Clock } from "../ports/clock.js";

/** The pause between two echoes. */
const ECHO_MS = 500;
/** A node that has heard nothing for so long takes itself for deaf: several echoes, and less than a beat and its pause. */
export const DEAF_AFTER_MS = 2_500;
/** While it is deaf, echoes are seldom: a connection that is away keeps them all. */
const DEAF_ECHO_MS = 2_000;
const NOTHING = new Uint8Array(0);

/** What those who judge others need to know. */
export type Hears = Pick<Hearing, "isDeaf" | "forMs">;

export interface HearingDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
}

export class Hearing {
  private readonly subscriptions: BusSubscription[] = [];
  private readonly listeners: (() => void)[] = [];
  private inbox = "";
  private cancelEcho: (() => void) | undefined;
  private waiting: (() => void)[] = [];
  private stopped = false;
  /** On the clock. Undefined: nothing was heard yet. */
  private lastMs: number | undefined;
  /** Heard time up to `lastMs`. */
  private countedMs = 0;
  /** Heard time at which this node began to hear without a break. */
  private sinceMs = 0;
  private cut = false;
  private saidDeaf = false;
  private readonly deafSeconds: { inc(by?: number): void };

  constructor(private readonly deps: HearingDeps) {
    this.deafSeconds = deps.registry.counter({
      name: "holdfast_node_deaf_seconds_total",
      help: "How long this node heard nothing over NATS, itself included, and judged nobody; where it grows, look at NATS and at this machine's load",
    });
  }

  start(): void {
    const { bus } = this.deps;
    this.inbox = bus.inbox();
    this.subscriptions.push(
      bus.subscribe(this.inbox, () => this.heard()),
      bus.onReconnect(() => {
        // What was sent meanwhile is lost, however short it was.
        this.cut = true;
        this.echo();
      }),
    );
    this.tick();
  }

  /** Resolves once this node hears, or was stopped. */
  hears(): Promise<void> {
    if (!this.isDeaf || this.stopped) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  stop(): void {
    this.stopped = true;
    this.cancelEcho?.();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    this.release();
  }

  /** Called each time that this node hears again after it could not. */
  onRegained(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Something arrived. */
  heard(): void {
    const nowMs = this.deps.clock.monotonicMs();
    const { lastMs } = this;
    this.lastMs = nowMs;
    if (this.waiting.length > 0) this.release();
    if (lastMs === undefined) return;
    const gapMs = nowMs - lastMs;
    this.countedMs += Math.min(gapMs, DEAF_AFTER_MS);
    if (gapMs > DEAF_AFTER_MS || this.cut) this.regained(gapMs);
  }

  /** Heard nothing for so long that nobody else's silence can be told from its own. */
  get isDeaf(): boolean {
    return this.lastMs === undefined || this.deps.clock.monotonicMs() - this.lastMs > DEAF_AFTER_MS;
  }

  /** Time that passes only while this node hears; never runs backwards. */
  get nowMs(): number {
    if (this.lastMs === undefined) return 0;
    return this.countedMs + Math.min(this.deps.clock.monotonicMs() - this.lastMs, DEAF_AFTER_MS);
  }

  /** For how long it has heard without a break; 0 while it is deaf. */
  get forMs(): number {
    return this.isDeaf ? 0 : this.nowMs - this.sinceMs;
  }

  /** It has never been deaf since it began. */
  get heardFromTheStart(): boolean {
    return this.lastMs !== undefined && this.sinceMs === 0 && !this.isDeaf;
  }

  private release(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private regained(gapMs: number): void {
    this.cut = false;
    this.saidDeaf = false;
    this.planEcho(ECHO_MS);
    this.sinceMs = this.countedMs;
    if (gapMs > DEAF_AFTER_MS) {
      this.deafSeconds.inc(gapMs / 1_000);
      this.deps.logger.warn(
        "this node hears again; while it did not it judged nobody, and leases begin anew",
        {
          deafMs: Math.round(gapMs),
        },
      );
    }
    for (const listener of this.listeners) listener();
  }

  private tick(): void {
    this.echo();
    const { isDeaf } = this;
    if (isDeaf && !this.saidDeaf && this.lastMs !== undefined) {
      this.saidDeaf = true;
      this.deps.logger.warn(
        "this node hears nothing over NATS, not even itself: it takes no worker for lost until it hears again; look at the NATS server and the network, and at what keeps this process from running",
        { silentMs: Math.round(this.deps.clock.monotonicMs() - this.lastMs) },
      );
    }
    this.planEcho(isDeaf ? DEAF_ECHO_MS : ECHO_MS);
  }

  private planEcho(pauseMs: number): void {
    this.cancelEcho?.();
    this.cancelEcho = this.deps.clock.after(pauseMs, () => {
      if (!this.stopped) this.tick();
    });
  }

  private echo(): void {
    try {
      this.deps.bus.publish(this.inbox, NOTHING);
    } catch (error) {
      // A connection that is closed for good: it stays deaf.
      this.deps.logger.debug("an echo could not be sent", { err: error });
    }
  }
}
