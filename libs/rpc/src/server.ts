/**
 * A gRPC server of typed services, with health, reflection, limits and an orderly end.
 *
 * 1. Listens on the loopback address unless told otherwise; without TLS the wire is open to who can reach it.
 * 2. `close` first says NOT_SERVING, lets calls finish for a grace time, then ends what is left.
 */
import { readFile } from "node:fs/promises";
import type { DescService } from "@bufbuild/protobuf";
import {
  logVerbosity,
  Server,
  ServerCredentials,
  setLogVerbosity,
  type MethodDefinition,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { Health as HealthDesc, ServerReflection } from "@holdfast/proto/grpc";
import type { ErrorTranslator } from "./errors.js";
import { Health } from "./health.js";
import { DEFAULT_LIMITS, type ServerLimits } from "./limits.js";
import type { ServiceHandlers } from "./method-types.js";
import { Reflection } from "./reflection.js";
import { type CallObserver, serveMethod, type UntypedHandler } from "./serve-call.js";
import { type Decoded, serverMethod } from "./wire.js";

// grpc-js writes its own lines to stderr beside the errors it gives; callers report the errors.
setLogVerbosity(logVerbosity.NONE);

export const DEFAULT_ADDRESS = "127.0.0.1:0";

/** PEM files. With `clientCa` only clients with a certificate of that authority are let in. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
}

export interface ServedService {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, UntypedHandler>>;
}

/** Binds handlers to the service they implement; the types check that each method has its own. */
export function serve<S extends DescService>(service: S, handlers: ServiceHandlers<S>): ServedService {
  return { service, handlers: handlers as unknown as Record<string, UntypedHandler> };
}

export interface RpcServerOptions {
  readonly services: readonly ServedService[];
  /** `host:port`; port 0 takes a free one. */
  readonly address?: string;
  readonly tls?: TlsFiles;
  readonly limits?: Partial<ServerLimits>;
  readonly translate?: ErrorTranslator;
  readonly observe?: CallObserver;
}

export interface RpcServer {
  /** Where it listens, with the port that was taken. */
  readonly address: string;
  readonly health: Health;
  /** Idempotent; resolves when no connection is left. */
  close(): Promise<void>;
}

/** Starts listening. Rejects where the address can't be had or a TLS file can't be read, naming it. */
export async function startServer(options: RpcServerOptions): Promise<RpcServer> {
  const limits: ServerLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const server = new Server({
    "grpc.max_receive_message_length": limits.maxMessageBytes,
    "grpc.max_send_message_length": limits.maxMessageBytes,
    "grpc.max_concurrent_streams": limits.maxConcurrentStreams,
    "grpc.keepalive_time_ms": limits.keepaliveMs,
    "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
  });
  const health = new Health(options.services.map(({ service }) => service.typeName));
  const reflection = new Reflection([
    ...options.services.map(({ service }) => service),
    HealthDesc,
    ServerReflection,
  ]);
  const env = { translate: options.translate, observe: options.observe };
  for (const served of options.services) register(server, served, env);
  register(server, serve(HealthDesc, health.handlers), {});
  register(server, serve(ServerReflection, reflection.handlers), {});
  register(server, serve(ServerReflection, reflection.handlers), {}, REFLECTION_V1ALPHA);

  const address = options.address ?? DEFAULT_ADDRESS;
  const credentials = await credentialsFrom(options.tls);
  const port = await bind(server, address, credentials);
  health.setAll("SERVING");
  let closed: Promise<void> | undefined;
  return {
    address: `${address.slice(0, address.lastIndexOf(":"))}:${port}`,
    health,
    close: () => (closed ??= shutDown(server, health, limits.closeGraceMs)),
  };
}

/** Older tools ask under this name; its messages are the same on the wire. */
const REFLECTION_V1ALPHA = "grpc.reflection.v1alpha.ServerReflection";

function register(
  server: Server,
  { service, handlers }: ServedService,
  env: Parameters<typeof serveMethod>[2],
  typeName?: string,
): void {
  const definitions: Record<string, MethodDefinition<Decoded, Buffer>> = {};
  const implementation: Record<string, UntypedHandleCall> = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName];
    if (handler === undefined) throw new Error(`No handler was given for ${method.toString()}.`);
    definitions[method.localName] = serverMethod(method, typeName);
    implementation[method.localName] = serveMethod(method, handler, env);
  }
  server.addService(definitions, implementation);
}

async function credentialsFrom(tls: TlsFiles | undefined): Promise<ServerCredentials> {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const [cert, key] = await Promise.all([readFile(tls.cert), readFile(tls.key)]);
  const clientCa = tls.clientCa === undefined ? null : await readFile(tls.clientCa);
  return ServerCredentials.createSsl(clientCa, [{ cert_chain: cert, private_key: key }], clientCa !== null);
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (cause, port) => {
      if (cause === null) resolve(port);
      else
        reject(
          new Error(
            `The gRPC server can't listen on ${address}: ${cause.message}. Free the port or choose another address.`,
            { cause },
          ),
        );
    });
  });
}

async function shutDown(server: Server, health: Health, graceMs: number): Promise<void> {
  health.setAll("NOT_SERVING");
  health.close();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
