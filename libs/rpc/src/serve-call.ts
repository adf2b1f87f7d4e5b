/**
 * One call on the server: context in, handler run, errors translated, observed, flow control kept.
 *
 * 1. Every call ends exactly once, with OK or with one `RpcError`, and is observed exactly once.
 * 2. A streaming handler is not asked for more while the caller does not read; it is closed when the caller goes away.
 */
import { type EventEmitter, once } from "node:events";
import type { DescMethod, Message, MessageInitShape, DescMessage } from "@bufbuild/protobuf";
import type {
  sendUnaryData,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  StatusObject,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import { type AnyServerCall, type CallContext, contextOf } from "./call-context.js";
import { type ErrorTranslator, RpcError, type RpcCode, toGrpcStatus, toRpcError } from "./errors.js";
import { type Decoded, encodeMessage } from "./wire.js";

/** One call that ended, for a log line or a metric. */
export interface CallRecord {
  readonly method: string;
  readonly code: RpcCode | "OK";
  /** Empty when the call succeeded. */
  readonly message: string;
  readonly durationMs: number;
  readonly who: string;
  readonly requestId: string;
  readonly peer: string;
  /** Messages sent to the caller. */
  readonly sent: number;
  /** What was thrown, where the caller was told only INTERNAL. */
  readonly bug?: unknown;
}

/** Told of each call once it has ended. */
export type CallObserver = (record: CallRecord) => void;

export interface CallEnvironment {
  readonly translate?: ErrorTranslator | undefined;
  readonly observe?: CallObserver | undefined;
}

type Init = MessageInitShape<DescMessage>;
type UnaryAnswer = (request: Message, context: CallContext) => Promise<Init>;
/** Handlers without their message types, which `ServiceHandlers` has checked. */
export type UntypedHandler = (request: Message | AsyncIterable<Message>, context: CallContext) => unknown;

/** grpc-js's handler for a method. */
export function serveMethod(
  method: DescMethod,
  handler: UntypedHandler,
  env: CallEnvironment,
): UntypedHandleCall {
  switch (method.methodKind) {
    case "unary":
      return (call: ServerUnaryCall<Decoded, Buffer>, callback: sendUnaryData<Buffer>) => {
        const answer = handler as UnaryAnswer;
        void serveOne(method, env, call, callback, async (context) =>
          answer(messageOf(call.request), context),
        );
      };
    case "server_streaming":
      return (call: ServerWritableStream<Decoded, Buffer>) => {
        const answer = handler as (request: Message, context: CallContext) => AsyncIterable<Init>;
        void serveStream(method, call, env, (context) => answer(messageOf(call.request), context));
      };
    case "bidi_streaming":
      return (call: ServerDuplexStream<Decoded, Buffer>) => {
        const answer = handler as (
          requests: AsyncIterable<Message>,
          context: CallContext,
        ) => AsyncIterable<Init>;
        void serveStream(method, call, env, (context) => answer(messagesOf(call, context), context));
      };
    case "client_streaming":
      return (call: ServerReadableStream<Decoded, Buffer>, callback: sendUnaryData<Buffer>) => {
        const answer = handler as (requests: AsyncIterable<Message>, context: CallContext) => Promise<Init>;
        void serveOne(method, env, call, callback, (context) => answer(messagesOf(call, context), context));
      };
    default:
      throw new Error(`${String(method)} is of a kind that libs/rpc does not know.`);
  }
}

/** A call with one answer. */
async function serveOne(
  method: DescMethod,
  env: CallEnvironment,
  call: AnyServerCall,
  callback: sendUnaryData<Buffer>,
  answer: (context: CallContext) => Promise<Init>,
): Promise<void> {
  const ended = observation(call, env);
  let bytes: Buffer;
  try {
    bytes = encodeMessage(method.output, await answer(ended.context));
  } catch (thrown) {
    callback(toGrpcStatus(ended.failed(thrown, 0)));
    return;
  }
  ended.ok(1);
  callback(null, bytes);
}

/** The writing side that both kinds of stream have. */
interface AnswerStream extends AnyServerCall {
  write(bytes: Buffer): boolean;
  end(): unknown;
  emit(event: "error", status: StatusObject): boolean;
}

async function serveStream(
  method: DescMethod,
  call: AnswerStream & EventEmitter,
  env: CallEnvironment,
  answers: (context: CallContext) => AsyncIterable<Init>,
): Promise<void> {
  const ended = observation(call, env);
  const { signal } = ended.context;
  let sent = 0;
  try {
    for await (const answer of answers(ended.context)) {
      if (signal.aborted) break;
      sent += 1;
      if (!call.write(encodeMessage(method.output, answer))) await once(call, "drain", { signal });
    }
    signal.throwIfAborted();
    ended.ok(sent);
    call.end();
  } catch (thrown) {
    call.emit("error", toGrpcStatus(ended.failed(thrown, sent)));
  }
}

function messageOf(decoded: Decoded): Message {
  if (!decoded.ok) throw decoded.error;
  return decoded.message;
}

async function* messagesOf(
  call: ServerDuplexStream<Decoded, Buffer> | ServerReadableStream<Decoded, Buffer>,
  { signal }: CallContext,
): AsyncIterable<Message> {
  // A caller that goes away ends its stream for the server in no other way.
  signal.addEventListener("abort", () => call.destroy(), { once: true });
  // Without the option the end of the reading side would destroy the writing side too.
  const requests: AsyncIterable<Decoded> = call.iterator({ destroyOnReturn: false });
  for await (const decoded of requests) yield messageOf(decoded);
}

function observation(call: AnyServerCall, env: CallEnvironment) {
  const context = contextOf(call);
  const began = performance.now();
  const record = (code: RpcCode | "OK", message: string, sent: number, bug?: unknown): void => {
    const { method, who, requestId, peer } = context;
    const durationMs = performance.now() - began;
    env.observe?.({
      method,
      code,
      message,
      durationMs,
      who,
      requestId,
      peer,
      sent,
      ...(bug === undefined ? {} : { bug }),
    });
  };
  return {
    context,
    ok: (sent: number): void => record("OK", "", sent),
    failed(thrown: unknown, sent: number): RpcError {
      const error = context.signal.aborted ? gone(context, thrown) : toRpcError(thrown, env.translate);
      record(
        error.code,
        error.message,
        sent,
        error.code === "INTERNAL" ? (error.cause ?? thrown) : undefined,
      );
      return error;
    },
  };
}

/** Once the caller has gone, whatever the handler then threw has that one cause. */
function gone(context: CallContext, cause: unknown): RpcError {
  const late = context.deadlineAtMs !== undefined && Date.now() >= context.deadlineAtMs;
  return late
    ? new RpcError("DEADLINE_EXCEEDED", "The call's deadline passed before it was answered.", {}, { cause })
    : new RpcError("CANCELLED", "The caller cancelled the call, or its connection broke.", {}, { cause });
}
