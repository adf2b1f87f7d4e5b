/** A `nats-server` that this process manages, for one machine without a NATS of its own. */
export * from "./errors.js";
export { type FoundNatsServer, findNatsServer } from "./find-nats-server.js";
export { FETCHED_SERVER_PATH, MIN_SERVER_VERSION } from "./locate.mjs";
export {
  type ManagedNatsServer,
  type ManagedNatsServerOptions,
  type ServerExit,
  type ServerLogLevel,
  startNatsServer,
} from "./start-nats-server.js";
