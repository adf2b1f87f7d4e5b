/**
 * Publishes to streams and matches the acknowledgements: one subscription for all, a map, and one timer.
 * (The client's own `js.publish` costs about ten times as much for each message.)
 *
 * 1. A publish resolves only with the stream's acknowledgement.
 * 2. Publishes leave in the order of the calls, also those that had to wait for a connection.
 * 3. One that never left rejects with `unavailable`; one that left and was not acknowledged with `unknown-outcome`.
 */
import { PortError } from "@holdfast/engine";
import type { Msg, MsgHdrs, Subscription } from "nats";
import type { Connection } from "./connection.js";
import { fromAppendRefusal, fromNats, type JsApiErrorBody } from "./errors.js";

export const PUBLISH_TIMEOUT_MS = 5_000;
/** Publishes that wait for an acknowledgement or a connection at once. */
export const PENDING_PUBLISHES_MAX = 20_000;
const SWEEP_EVERY_MS = 250;

export interface Acknowledgement {
  readonly seq: number;
  readonly duplicate: boolean;
}

interface Pending {
  readonly stream: string;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  readonly deadlineMs: number;
  readonly resolve: (ack: Acknowledgement) => void;
  readonly reject: (error: PortError) => void;
}

interface RawAck {
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: JsApiErrorBody;
}

export class StreamPublisher {
  private readonly inbox: string;
  private readonly subscription: Subscription;
  /** Sent, not acknowledged. Oldest first, as all have the same time-out. */
  private readonly sent = new Map<number, Pending>();
  /** Not sent: there is no connection. */
  private waiting: Pending[] = [];
  private nextToken = 1;
  private timer: NodeJS.Timeout | undefined;
  private readonly unlisten: readonly (() => void)[];

  constructor(
    private readonly connection: Connection,
    inbox: string,
  ) {
    this.inbox = `${inbox}.`;
    this.subscription = connection.nc.subscribe(`${this.inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.acknowledged(message);
      },
    });
    this.unlisten = [
      connection.onReconnect(() => this.sendWaiting()),
      connection.onLost(() => this.connectionLost()),
    ];
  }

  /** The bytes may be changed again once this returns control to the event loop, not before. */
  publish(stream: string, subject: string, data: Uint8Array, headers?: MsgHdrs): Promise<Acknowledgement> {
    return new Promise((resolve, reject) => {
      if (this.connection.isClosed) {
        reject(closed(subject));
        return;
      }
      if (this.sent.size + this.waiting.length >= PENDING_PUBLISHES_MAX) {
        reject(
          new PortError(
            "unavailable",
            `${PENDING_PUBLISHES_MAX} publishes already wait for NATS, so the one to ${subject} was not sent; try again later`,
          ),
        );
        return;
      }
      const deadlineMs = performance.now() + PUBLISH_TIMEOUT_MS;
      const pending: Pending = { stream, subject, data, headers, deadlineMs, resolve, reject };
      if (this.connection.isUp && this.waiting.length === 0) this.send(pending);
      else this.waiting.push(pending);
      this.timer ??= setTimeout(() => this.sweep(), SWEEP_EVERY_MS);
    });
  }

  /** Whatever still waits rejects. */
  close(): void {
    for (const stop of this.unlisten) stop();
    clearTimeout(this.timer);
    this.connectionLost();
    for (const pending of this.waiting.splice(0)) pending.reject(closed(pending.subject));
    if (!this.connection.isClosed) this.subscription.unsubscribe();
  }

  private send(pending: Pending): void {
    const token = this.nextToken++;
    const reply = this.inbox + token;
    try {
      this.connection.nc.publish(
        pending.subject,
        pending.data,
        pending.headers === undefined ? { reply } : { reply, headers: pending.headers },
      );
    } catch (thrown) {
      pending.reject(fromNats(thrown, `publish to ${pending.subject}`));
      return;
    }
    this.sent.set(token, pending);
  }

  private acknowledged(message: Msg): void {
    const token = Number(message.subject.slice(this.inbox.length));
    const pending = this.sent.get(token);
    if (pending === undefined) return;
    this.sent.delete(token);
    const ack = message.data.length === 0 ? undefined : parseAck(message);
    if (ack?.error !== undefined) {
      pending.reject(fromAppendRefusal(ack.error, `the stream ${pending.stream}`));
    } else if (ack?.seq === undefined || ack.stream !== pending.stream) {
      // Nobody listens (the stream has no leader now, or is gone), or somebody who is not the stream answered.
      pending.reject(
        unknownOutcome(pending, "no stream acknowledged it; check that JetStream runs and the stream exists"),
      );
    } else {
      pending.resolve({ seq: ack.seq, duplicate: ack.duplicate === true });
    }
  }

  private sendWaiting(): void {
    for (const pending of this.waiting.splice(0)) this.send(pending);
  }

  private connectionLost(): void {
    const lost = [...this.sent.values()];
    this.sent.clear();
    for (const pending of lost) {
      pending.reject(unknownOutcome(pending, "the connection was lost before its acknowledgement"));
    }
  }

  private sweep(): void {
    this.timer = undefined;
    const nowMs = performance.now();
    for (const [token, pending] of this.sent) {
      if (pending.deadlineMs > nowMs) break;
      this.sent.delete(token);
      pending.reject(unknownOutcome(pending, `no acknowledgement came within ${PUBLISH_TIMEOUT_MS} ms`));
    }
    while (this.waiting[0] !== undefined && this.waiting[0].deadlineMs <= nowMs) {
      const pending = this.waiting.shift();
      pending?.reject(
        new PortError(
          "unavailable",
          `nothing was published to ${pending.subject}: there was no connection to NATS for ${PUBLISH_TIMEOUT_MS} ms; try again`,
        ),
      );
    }
    if (this.sent.size + this.waiting.length > 0) {
      this.timer = setTimeout(() => this.sweep(), SWEEP_EVERY_MS);
    }
  }
}

function parseAck(message: Msg): RawAck | undefined {
  try {
    return message.json<RawAck>();
  } catch {
    return undefined;
  }
}

function unknownOutcome({ subject, stream }: Pending, why: string): PortError {
  return new PortError(
    "unknown-outcome",
    `a publish to ${subject} may be stored or not: ${why}; send the same again`,
    { stream },
  );
}

function closed(subject: string): PortError {
  return new PortError("closed", `nothing was published to ${subject}: the connection to NATS was closed`);
}
