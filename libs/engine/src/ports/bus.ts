/**
 * Port: messages that may be lost, between processes. Nothing durable ever depends on one of them alone.
 */

export interface BusMessage {
  readonly subject: string;
  /** Valid only during the handler's synchronous part; copy what is kept. */
  readonly data: Uint8Array;
  /** Answers a request; does nothing where none is expected. */
  respond(data: Uint8Array): void;
}

export interface BusSubscription {
  unsubscribe(): void;
}

export interface Bus {
  /** The largest message in bytes. */
  readonly maxMessageBytes: number;
  /** A fresh subject that nobody else uses. */
  inbox(): string;
  /** Queues a message; messages of one sender on one subject arrive in order. */
  publish(subject: string, data: Uint8Array): void;
  /** A handler that throws is logged and never ends the subscription. `queue`: one of the group gets each message. */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): BusSubscription;
  /** One answer. Rejects with a `PortError`: `no-responders`, `timeout`, `closed`. */
  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Resolves when all that was published before has reached the server. */
  flush(): Promise<void>;
  /** Called after each reconnect. */
  onReconnect(handler: () => void): BusSubscription;
}
