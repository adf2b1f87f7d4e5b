/**
 * A typed gRPC client made from a service's descriptor: promises for single answers, async iterables for streams.
 *
 * 1. Every call has a deadline, its own or the client's.
 * 2. Every failure is an `RpcError`.
 * 3. Leaving a stream's loop early cancels the call.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type DescMethod, type DescService, fromBinary, type Message } from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  Metadata,
} from "@grpc/grpc-js";
import { REQUEST_ID_KEY, toMetadataText, USER_KEY } from "./call-context.js";
import { fromServiceError } from "./errors.js";
import { DEFAULT_LIMITS } from "./limits.js";
import type { CallOptions, ClientMethods } from "./method-types.js";
import { encodeMessage, methodPath } from "./wire.js";

/** Unary calls without a deadline of their own. */
export const DEFAULT_UNARY_TIMEOUT_MS = 30_000;
/** Streams without a deadline of their own: a bulk operation may take its time, but not for ever. */
export const DEFAULT_STREAM_TIMEOUT_MS = 24 * 60 * 60 * 1_000;

/** PEM files: of the authority to trust (those that Node trusts, if absent), and the client's own certificate with its key. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface ClientOptions {
  /** For unary calls. */
  readonly timeoutMs?: number;
  /** Who calls, for the server's log and for what it writes of a retry or a cancel. */
  readonly user?: string;
  /** Absent: no TLS. */
  readonly tls?: ClientTls;
}

export interface RpcClient<S extends DescService> {
  /** The service's methods. */
  readonly call: ClientMethods<S>;
  /** Resolves once connected; rejects with UNAVAILABLE or DEADLINE_EXCEEDED. */
  ready(timeoutMs: number): Promise<void>;
  /** Closes the connection once running calls are done. */
  close(): void;
}

/** Connects on the first call, and again by itself after a break. Throws only where a TLS file can't be read or used, naming it. */
export function createClient<S extends DescService>(
  service: S,
  address: string,
  options: ClientOptions = {},
): RpcClient<S> {
  const client = new Client(address, credentialsFrom(options.tls), {
    "grpc.max_receive_message_length": DEFAULT_LIMITS.maxMessageBytes,
    "grpc.max_send_message_length": DEFAULT_LIMITS.maxMessageBytes,
    "grpc.enable_http_proxy": 0,
  });
  const methods = service.methods.map(
    (method) => [method.localName, callerOf(client, method, options)] as const,
  );
  return {
    call: Object.fromEntries(methods) as unknown as ClientMethods<S>,
    ready: (timeoutMs) =>
      new Promise((resolve, reject) => {
        client.waitForReady(Date.now() + timeoutMs, (error) => {
          if (error === undefined) resolve();
          else reject(fromServiceError(error));
        });
      }),
    close: () => client.close(),
  };
}

function credentialsFrom(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { ca, cert, key } = tls;
  const [authority, own, ownKey] = [ca, cert, key].map((path) => (path === undefined ? null : pemOf(path)));
  try {
    return credentials.createSsl(authority, ownKey, own);
  } catch (cause) {
    const files = [ca, cert, key].filter((path) => path !== undefined).join(", ");
    throw new Error(`TLS can't use ${files}: ${messageOf(cause)}`, { cause });
  }
}

function pemOf(path: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new Error(`${path} can't be read: ${messageOf(cause)}`, { cause });
  }
  if (bytes.includes("-----BEGIN ")) return bytes;
  throw new Error(`${path} is no PEM file: it holds no line that begins with "-----BEGIN"`);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

type Init = Parameters<typeof encodeMessage>[1];

/** A method's caller without its message types, which `ClientMethods` has. */
function callerOf(client: Client, method: DescMethod, own: ClientOptions) {
  const path = methodPath(method);
  const encode = (value: Init): Buffer => encodeMessage(method.input, value);
  const decode = (bytes: Buffer): Message => fromBinary(method.output, bytes);
  switch (method.methodKind) {
    case "unary":
      return (request: Init, options: CallOptions = {}): Promise<Message> => {
        const timeoutMs = options.timeoutMs ?? own.timeoutMs ?? DEFAULT_UNARY_TIMEOUT_MS;
        return new Promise((resolve, reject) => {
          const answered = (error: unknown, value?: Message): void => {
            stop();
            if (value === undefined) reject(fromServiceError(error));
            else resolve(value);
          };
          const deadline = { deadline: Date.now() + timeoutMs };
          const metadata = metadataOf(own, options);
          const call = client.makeUnaryRequest(path, encode, decode, request, metadata, deadline, answered);
          const stop = cancelOn(options.signal, call);
        });
      };
    case "server_streaming":
      return (request: Init, options: CallOptions = {}): AsyncIterable<Message> =>
        stream(options.signal, () => {
          const metadata = metadataOf(own, options);
          return client.makeServerStreamRequest(
            path,
            encode,
            decode,
            request,
            metadata,
            streamDeadline(options),
          );
        });
    case "bidi_streaming":
      return (requests: AsyncIterable<Init>, options: CallOptions = {}): AsyncIterable<Message> =>
        stream(options.signal, () => {
          const metadata = metadataOf(own, options);
          const call = client.makeBidiStreamRequest(path, encode, decode, metadata, streamDeadline(options));
          void send(requests, call);
          return call;
        });
    case "client_streaming":
      return (requests: AsyncIterable<Init>, options: CallOptions = {}): Promise<Message> =>
        sendAll(requests, (answered) => {
          const metadata = metadataOf(own, options);
          const call = client.makeClientStreamRequest(
            path,
            encode,
            decode,
            metadata,
            streamDeadline(options),
            answered,
          );
          return { call, stop: cancelOn(options.signal, call) };
        });
    default:
      throw new Error(`${String(method)} is of a kind that libs/rpc does not know.`);
  }
}

type Answered = (error: unknown, value?: Message) => void;

/** Sends as fast as the server reads, until it answers. Where the requests themselves fail, that is what the call fails with. */
function sendAll(
  requests: AsyncIterable<Init>,
  open: (answered: Answered) => { readonly call: ClientWritableStream<Init>; readonly stop: () => void },
): Promise<Message> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const { call, stop } = open((error, value) => {
      over.abort();
      stop();
      if (value === undefined) reject(fromServiceError(error));
      else resolve(value);
    });
    const { signal } = over;
    const write = async (): Promise<void> => {
      for await (const request of requests) {
        if (signal.aborted) return;
        if (!call.write(request)) await once(call, "drain", { signal });
      }
      call.end();
    };
    write().catch((error: unknown) => {
      // Once the server has answered, whatever is still to be sent is of no interest.
      if (signal.aborted) return;
      reject(error instanceof Error ? error : new Error(String(error)));
      call.cancel();
    });
  });
}

const streamDeadline = (options: CallOptions): { deadline: number } => ({
  deadline: Date.now() + (options.timeoutMs ?? DEFAULT_STREAM_TIMEOUT_MS),
});

/** Writes as fast as the server reads. A call that broke is reported by its reading side. */
async function send(requests: AsyncIterable<Init>, call: ClientDuplexStream<Init, Message>): Promise<void> {
  try {
    for await (const request of requests) {
      if (!call.write(request)) await once(call, "drain");
    }
    call.end();
  } catch {
    call.cancel();
  }
}

/** Opens the call when the loop begins; ends it when the loop does. */
async function* stream(
  signal: AbortSignal | undefined,
  open: () => ClientReadableStream<Message>,
): AsyncGenerator<Message> {
  const call = open();
  const stop = cancelOn(signal, call);
  try {
    for await (const message of call) yield message as Message;
  } catch (error) {
    throw fromServiceError(error);
  } finally {
    stop();
    call.cancel();
  }
}

/** Cancels the call when the signal aborts; returns what stops listening for it. */
function cancelOn(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  if (signal === undefined) return () => {};
  const cancel = (): void => call.cancel();
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  return () => signal.removeEventListener("abort", cancel);
}

function metadataOf(own: ClientOptions, options: CallOptions): Metadata {
  const metadata = new Metadata();
  if (own.user !== undefined) metadata.set(USER_KEY, toMetadataText(own.user));
  if (options.requestId !== undefined) metadata.set(REQUEST_ID_KEY, toMetadataText(options.requestId));
  return metadata;
}
