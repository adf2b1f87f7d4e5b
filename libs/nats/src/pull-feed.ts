/**
 * Messages of one JetStream consumer, pulled ahead within bounds, kept alive by a supervisor.
 *
 * 1. What was received and not yet taken, plus what was asked for, stays within the bounds: a busy reader stops the flow.
 * 2. Two pull requests (lanes) overlap, so that the flow never waits for a round trip.
 * 3. After a reconnect, silence, a refusal or a doubt of the owner's, everything is torn down and attached anew.
 * 4. What a message is, and what must hold before the next may be taken, is the owner's business.
 */
import type { PortError } from "@holdfast/engine";
import { createInbox, type Msg, type Subscription } from "nats";
import type { Connection } from "./connection.js";
import type { PullOwner } from "./pull-owner.js";

const LANES = 2;
const PULL_EXPIRES_MS = 30_000;
const PULL_OVERDUE_MS = PULL_EXPIRES_MS + 5_000;
const HEARTBEAT_MS = 2_000;
/** No heartbeat for this long: the consumer, or the way to it, is gone. */
const SILENCE_MS_MAX = 5_000;
const WATCH_EVERY_MS = 1_000;
const RETRY_MS_FIRST = 50;
const RETRY_MS_MAX = 2_000;

interface Lane {
  readonly subscription: Subscription;
  /** Messages come on it, and the status of each pull request under its number. */
  readonly inbox: string;
  /** Number of the newest pull request: a server may still speak of an older one. */
  request: number;
  open: boolean;
  /** Asked for and not received, while open. */
  messages: number;
  bytes: number;
  received: number;
  openedMs: number;
}

export class PullFeed<T> {
  private items: T[] = [];
  private bufferedBytes = 0;
  private lanes: Lane[] = [];
  private consumer = "";
  private lastHeardMs = 0;
  private lastItemMs = 0;
  private failure: PortError | undefined;
  private stopped = false;
  private wake: (() => void) | undefined;
  private reattach: (() => void) | undefined;
  private readonly laneMessages: number;
  private readonly laneBytes: number;

  constructor(
    private readonly connection: Connection,
    private readonly owner: PullOwner<T>,
    private readonly signal: AbortSignal,
  ) {
    this.laneMessages = Math.max(1, Math.floor(owner.bounds.messages / LANES));
    this.laneBytes = Math.max(1, Math.floor(owner.bounds.bytes / LANES));
  }

  /** All that arrives, until the signal aborts. Throws the `PortError` that ended the feed. */
  async *batches(): AsyncGenerator<readonly T[]> {
    const stop = (): void => this.stop();
    this.signal.addEventListener("abort", stop);
    if (this.signal.aborted) this.stop();
    // Not awaited at the end: it may be within a call to a server that is gone, and has nothing left to say.
    void this.supervise();
    try {
      while (!this.stopped) {
        if (this.items.length > 0) {
          yield this.take();
        } else if (this.failure !== undefined) {
          throw this.failure;
        } else {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
        }
      }
    } finally {
      this.signal.removeEventListener("abort", stop);
      this.stop();
      for (const item of this.items.splice(0)) this.owner.giveBack?.(item);
    }
  }

  private take(): readonly T[] {
    const taken = this.items;
    this.items = [];
    this.bufferedBytes = 0;
    this.pull();
    return taken;
  }

  private stop(): void {
    this.stopped = true;
    this.wakeUp();
    this.reattach?.();
  }

  private wakeUp(): void {
    const wake = this.wake;
    this.wake = undefined;
    wake?.();
  }

  private async supervise(): Promise<void> {
    const unlisten = this.connection.onReconnect(() => this.reattach?.());
    const watch = setInterval(() => void this.watch(), WATCH_EVERY_MS);
    let retryMs = RETRY_MS_FIRST;
    while (!this.stopped && this.failure === undefined) {
      const doubted = new Promise<void>((resolve) => {
        this.reattach = resolve;
      });
      try {
        this.consumer = await this.owner.attach();
        this.openLanes();
        retryMs = RETRY_MS_FIRST;
        await doubted;
      } catch (thrown) {
        if (isFinal(thrown)) {
          this.failure = thrown;
          this.wakeUp();
        } else if (!this.stopped) {
          const fields = { err: thrown, what: this.owner.what, retryMs };
          this.connection.logger.warn("could not attach to a stream; trying again", fields);
          await this.pause(retryMs, doubted);
          retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
        }
      }
      this.closeLanes();
    }
    clearInterval(watch);
    unlisten();
  }

  private openLanes(): void {
    this.lastHeardMs = performance.now();
    this.lastItemMs = this.lastHeardMs;
    for (let i = 0; i < LANES; i++) {
      const inbox = `${createInbox()}.`;
      const subscription = this.connection.nc.subscribe(`${inbox}*`, {
        callback: (error, message) => {
          if (error !== null) this.doubt("the subscription was refused", { err: error });
          else this.receive(lane, message);
        },
      });
      const lane: Lane = {
        subscription,
        inbox,
        request: 0,
        open: false,
        messages: 0,
        bytes: 0,
        received: 0,
        openedMs: 0,
      };
      this.lanes.push(lane);
    }
    this.pull();
  }

  private closeLanes(): void {
    const lanes = this.lanes;
    this.lanes = [];
    if (!this.connection.isClosed) for (const lane of lanes) lane.subscription.unsubscribe();
    if (this.consumer !== "") this.owner.detach(this.consumer);
    this.consumer = "";
  }

  /** Asks for more on every closed lane, as far as the bounds allow. */
  private pull(): void {
    let messages = this.items.length;
    let bytes = this.bufferedBytes;
    for (const lane of this.lanes) {
      messages += lane.messages;
      bytes += lane.bytes;
    }
    for (const lane of this.lanes) {
      if (lane.open) continue;
      if (messages + this.laneMessages > this.owner.bounds.messages) return;
      if (bytes + this.laneBytes > this.owner.bounds.bytes) return;
      this.openLane(lane);
      messages += lane.messages;
      bytes += lane.bytes;
    }
  }

  private openLane(lane: Lane): void {
    const nowMs = performance.now();
    // After a pause with nothing asked for, silence starts to count now.
    if (this.lanes.every((one) => !one.open)) this.lastHeardMs = nowMs;
    lane.open = true;
    lane.request++;
    lane.messages = this.laneMessages;
    lane.bytes = this.laneBytes;
    lane.received = 0;
    lane.openedMs = nowMs;
    const request = {
      batch: this.laneMessages,
      max_bytes: this.laneBytes,
      expires: PULL_EXPIRES_MS * 1e6,
      idle_heartbeat: HEARTBEAT_MS * 1e6,
    };
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.owner.stream}.${this.consumer}`;
    try {
      this.connection.nc.publish(subject, JSON.stringify(request), { reply: lane.inbox + lane.request });
    } catch (thrown) {
      this.doubt("a pull request could not be sent", { err: thrown });
    }
  }

  private receive(lane: Lane, message: Msg): void {
    if (!this.lanes.includes(lane)) return;
    this.lastHeardMs = performance.now();
    if (message.subject.startsWith(lane.inbox)) {
      const current = message.subject === lane.inbox + lane.request;
      if (current && lane.open) this.status(lane, message.headers?.code ?? 0);
      return;
    }
    const accepted = this.owner.accept(message);
    if (accepted === undefined) {
      this.doubt("what arrived does not follow what came before", {});
      return;
    }
    this.lastItemMs = this.lastHeardMs;
    this.items.push(accepted.item);
    this.bufferedBytes += accepted.bytes;
    lane.received++;
    lane.messages--;
    lane.bytes = Math.max(0, lane.bytes - accepted.bytes);
    if (lane.messages === 0) this.laneEnded(lane);
    this.wakeUp();
  }

  /** A pull request's end, or a sign of life. */
  private status(lane: Lane, code: number): void {
    if (code === 100) return;
    // 404 and 408 end a request that found nothing; 409 one that ran into its byte limit, or something worse:
    // only one that brought messages is known to be the former.
    const ordinary = code === 404 || code === 408 || (code === 409 && lane.received > 0);
    if (ordinary) this.laneEnded(lane);
    else this.doubt("the server ended a pull request", { code });
  }

  private laneEnded(lane: Lane): void {
    lane.open = false;
    lane.messages = 0;
    lane.bytes = 0;
    this.pull();
  }

  private async watch(): Promise<void> {
    if (!this.connection.isUp || !this.lanes.some((lane) => lane.open)) return;
    const nowMs = performance.now();
    if (nowMs - this.lastHeardMs > SILENCE_MS_MAX) {
      this.doubt("no heartbeat came", { silentMs: Math.round(nowMs - this.lastHeardMs) });
      return;
    }
    for (const lane of this.lanes) {
      if (lane.open && nowMs - lane.openedMs > PULL_OVERDUE_MS) this.laneEnded(lane);
    }
    const { reattach } = this;
    const stalled = (await this.owner.idle?.(nowMs - this.lastItemMs).catch(() => false)) ?? false;
    if (stalled && reattach === this.reattach) this.doubt("the stream holds more than arrives", {});
  }

  private doubt(why: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.lanes.length === 0) return;
    this.connection.logger.warn("reading a stream anew", { ...fields, what: this.owner.what, why });
    const lanes = this.lanes;
    this.lanes = [];
    if (!this.connection.isClosed) for (const lane of lanes) lane.subscription.unsubscribe();
    this.reattach?.();
  }

  private async pause(ms: number, cutShort: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([over, cutShort]);
    clearTimeout(timer);
  }
}

function isFinal(thrown: unknown): thrown is PortError {
  return (
    thrown instanceof Error && thrown.name === "PortError" && "retry" in thrown && thrown.retry === "never"
  );
}
