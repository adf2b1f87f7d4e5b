/** What a service's descriptor says of its methods, as types: for handlers and for clients. Types only. */
import type { DescMessage, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { CallContext } from "./call-context.js";

/** The parts of a method's descriptor that types are made from. */
export interface MethodShape<I extends DescMessage, O extends DescMessage> {
  readonly methodKind: string;
  readonly input: I;
  readonly output: O;
}

/**
 * One method's handler. A streaming handler is an async generator: it is asked for the next message only when there is
 * room for it (flow control), and its `finally` runs when the caller goes away. Streamed requests just end where their caller is cut
 * off: a method for which that matters has a message that says that all was sent.
 */
export type Handler<M> =
  M extends MethodShape<infer I, infer O>
    ? M["methodKind"] extends "unary"
      ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
      : M["methodKind"] extends "server_streaming"
        ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
        : M["methodKind"] extends "bidi_streaming"
          ? (
              requests: AsyncIterable<MessageShape<I>>,
              context: CallContext,
            ) => AsyncIterable<MessageInitShape<O>>
          : M["methodKind"] extends "client_streaming"
            ? (requests: AsyncIterable<MessageShape<I>>, context: CallContext) => Promise<MessageInitShape<O>>
            : never
    : never;

/** A handler for every method of a service. */
export type ServiceHandlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: Handler<S["method"][K]>;
};

export interface CallOptions {
  /** Default: the client's. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Goes into the server's log beside the call; default: the server makes one. */
  readonly requestId?: string;
}

/** One method as a client calls it. Unary calls reject, and streams throw, with an `RpcError`. */
export type ClientMethod<M> =
  M extends MethodShape<infer I, infer O>
    ? M["methodKind"] extends "unary"
      ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
      : M["methodKind"] extends "server_streaming"
        ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
        : M["methodKind"] extends "bidi_streaming"
          ? (
              requests: AsyncIterable<MessageInitShape<I>>,
              options?: CallOptions,
            ) => AsyncIterable<MessageShape<O>>
          : M["methodKind"] extends "client_streaming"
            ? (
                requests: AsyncIterable<MessageInitShape<I>>,
                options?: CallOptions,
              ) => Promise<MessageShape<O>>
            : never
    : never;

export type ClientMethods<S extends DescService> = {
  readonly [K in keyof S["method"]]: ClientMethod<S["method"][K]>;
};
