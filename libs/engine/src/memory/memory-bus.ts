/**
 * The bus in memory: every `Bus` of one `MemoryNetwork` hears the others. For tests and simulations.
 *
 * 1. Delivery is asynchronous, in the order of publishing, on the network's scheduler.
 * 2. Subjects match as on NATS: `*` stands for one token, `>` for the rest.
 */
import {
  type Bus,
  type BusMessage,
  type BusSubscription,
  type Clock,
  PortError,
  systemClock,
} from "../ports/index.js";

export interface MemoryNetworkOptions {
  readonly clock?: Clock;
  /** Default 1 MiB. */
  readonly maxMessageBytes?: number;
  /** Runs a delivery later, never at once; default: as a microtask. Deliveries must keep their order. */
  readonly schedule?: (deliver: () => void) => void;
  /** Told of handlers that throw. */
  readonly onHandlerError?: (thrown: unknown, subject: string) => void;
}

interface Subscriber {
  readonly tokens: readonly string[];
  readonly queue: string | undefined;
  readonly handler: (message: BusMessage) => void;
}

/** White space would end a subject. */
const NOT_A_SUBJECT = /[\s\0]|^$/;

export class MemoryNetwork {
  readonly clock: Clock;
  readonly maxMessageBytes: number;
  readonly #schedule: (deliver: () => void) => void;
  readonly #onHandlerError: (thrown: unknown, subject: string) => void;
  readonly #subscribers = new Set<Subscriber>();
  #inboxes = 0;
  #turn = 0;

  constructor(options: MemoryNetworkOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.maxMessageBytes = options.maxMessageBytes ?? 1024 * 1024;
    this.#schedule = options.schedule ?? queueMicrotask;
    this.#onHandlerError = options.onHandlerError ?? (() => undefined);
  }

  /** One process' bus. */
  bus(): MemoryBus {
    return new MemoryBus(this);
  }

  nextInbox(): string {
    return `_INBOX.memory.${++this.#inboxes}`;
  }

  add(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** Resolves (through `onCounted`) with how many subscribers got it. */
  deliver(subject: string, data: Uint8Array, reply: string, onCounted: (count: number) => void): void {
    const copy = data.slice();
    this.#schedule(() => {
      const receivers = this.#receivers(subject.split("."));
      onCounted(receivers.length);
      for (const receiver of receivers) this.#call(receiver, subject, copy, reply);
    });
  }

  #call({ handler }: Subscriber, subject: string, data: Uint8Array, reply: string): void {
    const respond = (answer: Uint8Array): void => {
      if (reply !== "") this.deliver(reply, answer, "", () => undefined);
    };
    try {
      handler({ subject, data, respond });
    } catch (thrown) {
      this.#onHandlerError(thrown, subject);
    }
  }

  #receivers(tokens: readonly string[]): Subscriber[] {
    const receivers: Subscriber[] = [];
    const groups = new Map<string, Subscriber[]>();
    for (const subscriber of this.#subscribers) {
      if (!matches(subscriber.tokens, tokens)) continue;
      if (subscriber.queue === undefined) receivers.push(subscriber);
      else groups.set(subscriber.queue, [...(groups.get(subscriber.queue) ?? []), subscriber]);
    }
    for (const group of groups.values()) {
      const chosen = group[this.#turn++ % group.length];
      if (chosen !== undefined) receivers.push(chosen);
    }
    return receivers;
  }
}

export class MemoryBus implements Bus {
  readonly maxMessageBytes: number;
  readonly #network: MemoryNetwork;
  readonly #reconnect = new Set<() => void>();
  /** What it sends while it is cut off, in order; undefined: it is not. */
  #kept: (() => void)[] | undefined;

  constructor(network: MemoryNetwork) {
    this.#network = network;
    this.maxMessageBytes = network.maxMessageBytes;
  }

  inbox(): string {
    return this.#network.nextInbox();
  }

  publish(subject: string, data: Uint8Array): void {
    this.#check(subject, data);
    const copy = data.slice();
    const send = (): void => this.#network.deliver(subject, copy, "", () => undefined);
    if (this.#kept === undefined) send();
    else this.#kept.push(send);
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): BusSubscription {
    this.#check(subject, new Uint8Array(0));
    const heard = (message: BusMessage): void => {
      if (this.#kept === undefined) handler(message);
    };
    return {
      unsubscribe: this.#network.add({ tokens: subject.split("."), queue: options.queue, handler: heard }),
    };
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#check(subject, data);
      const reply = this.inbox();
      const settle = (action: () => void): void => {
        stop();
        cancel();
        action();
      };
      const fail = (code: "no-responders" | "timeout", why: string): void => {
        settle(() =>
          reject(new PortError(code, `could not get an answer from ${subject}: ${why}; try again`)),
        );
      };
      const stop = this.#network.add({
        tokens: reply.split("."),
        queue: undefined,
        handler: (message) => settle(() => resolve(message.data)),
      });
      const cancel = this.#network.clock.after(timeoutMs, () => {
        fail("timeout", `none came within ${timeoutMs} ms`);
      });
      this.#network.deliver(subject, data, reply, (count) => {
        if (count === 0) fail("no-responders", "nobody listens there now");
      });
    });
  }

  async flush(): Promise<void> {
    await Promise.resolve();
  }

  onReconnect(handler: () => void): BusSubscription {
    this.#reconnect.add(handler);
    return { unsubscribe: () => this.#reconnect.delete(handler) };
  }

  /** From now on it hears nothing that comes to its subscriptions, and what it publishes is kept until it is whole again. */
  cutOff(): void {
    this.#kept ??= [];
  }

  /** What it published meanwhile arrives; what was sent to it is lost. */
  restore(): void {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    for (const send of kept) send();
  }

  /** Tells its listeners that the connection was lost and is back. */
  reconnected(): void {
    for (const handler of [...this.#reconnect]) handler();
  }

  #check(subject: string, data: Uint8Array): void {
    if (NOT_A_SUBJECT.test(subject)) {
      const shown = JSON.stringify(subject.slice(0, 60));
      throw new PortError("not-found", `${shown} is no subject: it is empty or holds white space`);
    }
    if (data.length > this.maxMessageBytes) {
      throw new PortError(
        "too-large",
        `a message of ${data.length} bytes to ${subject} is over the limit of ${this.maxMessageBytes}`,
      );
    }
  }
}

function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  for (const [at, token] of pattern.entries()) {
    if (token === ">" && at === pattern.length - 1) return tokens.length > at;
    const given = tokens[at];
    if (given === undefined || (token !== "*" && token !== given)) return false;
  }
  return pattern.length === tokens.length;
}
