/** A bus within one process, for this folder's tests: delivers at the end of the turn, to exact subjects only. */
import type { Bus, BusMessage, BusSubscription } from "../ports/bus.js";
import { PortError } from "../ports/errors.js";

type Handler = (message: BusMessage) => void;

export class LocalBus implements Bus {
  readonly maxMessageBytes = 1024 * 1024;
  readonly #handlers = new Map<string, Set<Handler>>();
  #inboxes = 0;

  inbox(): string {
    return `inbox.${++this.#inboxes}`;
  }

  publish(subject: string, data: Uint8Array): void {
    const copy = data.slice();
    setImmediate(() => this.#deliver({ subject, data: copy, respond: () => {} }));
  }

  subscribe(subject: string, handler: Handler): BusSubscription {
    const handlers = this.#handlers.get(subject) ?? new Set();
    this.#handlers.set(subject, handlers.add(handler));
    return { unsubscribe: () => void handlers.delete(handler) };
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if ((this.#handlers.get(subject)?.size ?? 0) === 0) {
      return Promise.reject(new PortError("no-responders", `nobody listens on ${subject}`));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new PortError("timeout", `no answer on ${subject}`)), timeoutMs);
      this.#deliver({
        subject,
        data: data.slice(),
        respond: (answer) => {
          clearTimeout(timer);
          resolve(answer.slice());
        },
      });
    });
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  onReconnect(): BusSubscription {
    return { unsubscribe: () => {} };
  }

  #deliver(message: BusMessage): void {
    for (const handler of this.#handlers.get(message.subject) ?? []) handler(message);
  }
}
