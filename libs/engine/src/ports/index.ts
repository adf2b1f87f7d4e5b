export type { Bus, BusMessage, BusSubscription } from "./bus.js";
export { type Clock, systemClock } from "./clock.js";
export type { CommandLog, LogEntry, LogInfo } from "./command-log.js";
export { type Ownership, soleOwner } from "./ownership.js";
export { PortError, type PortErrorCode, type Retryability } from "./errors.js";
export { NamedObjects, namesIn } from "./object-names.js";
export { isBody, payloadCorrupt, payloadNotFound, payloadTooLarge } from "./payload-errors.js";
export type {
  ClusterConfig,
  DefinitionRegistry,
  PayloadStore,
  RegisteredDefinition,
  RejectedWorkEntry,
  StoredObject,
  WorkMessage,
  WorkQueue,
} from "./registry.js";
export type { PartitionStore, RangeOptions, StateStore, WriteBatch } from "./state-store.js";
