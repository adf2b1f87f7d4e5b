/** gRPC for Holdfast: typed servers and clients from protobuf-es descriptors. The only importer of @grpc/*. */
export { type CallContext, METADATA_VALUE_MAX, REQUEST_ID_KEY, USER_KEY } from "./call-context.js";
export {
  type ClientOptions,
  type ClientTls,
  createClient,
  DEFAULT_STREAM_TIMEOUT_MS,
  DEFAULT_UNARY_TIMEOUT_MS,
  type RpcClient,
} from "./client.js";
export {
  ERROR_DETAILS_BYTES_MAX,
  ERROR_MESSAGE_MAX,
  type ErrorTranslator,
  type RpcCode,
  RpcError,
} from "./errors.js";
export type { Health, ServingStatus } from "./health.js";
export { DEFAULT_LIMITS, type ServerLimits } from "./limits.js";
export type { CallOptions, ClientMethods, Handler, ServiceHandlers } from "./method-types.js";
export type { CallObserver, CallRecord } from "./serve-call.js";
export {
  DEFAULT_ADDRESS,
  type RpcServer,
  type RpcServerOptions,
  serve,
  type ServedService,
  startServer,
  type TlsFiles,
} from "./server.js";
