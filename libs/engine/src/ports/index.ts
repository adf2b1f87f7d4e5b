export type { Bus, BusMessage, BusSubscription } from "./bus.js";
export { type Clock, systemClock, TIMER_MAX_MS } from "./clock.js";
export type { CommandLog, LogEntry, LogInfo } from "./command-log.js";
export { onlyNode, type Ownership, soleOwner } from "./ownership.js";
export { checkDecided, type Decided } from "./decided.js";
export { PortError, type PortErrorCode, type Retryability } from "./errors.js";
export { Guard } from "./guard.js";
export { logFullText, logRatioText } from "./log-full.js";
export { NamedObjects, namesIn } from "./object-names.js";
export { isBody, payloadCorrupt, payloadNotFound, payloadTooLarge } from "./payload-errors.js";
export type {
  ClusterConfig,
  DefinitionRegistry,
  PayloadStore,
  PublishedMessage,
  RegisteredDefinition,
  Decider,
  RejectedDecision,
  RejectedWorkEntry,
  ReplayedAs,
  StoredObject,
  WaitingWork,
  WorkMessage,
  WorkQueue,
} from "./registry.js";
export type { PartitionStore, RangeOptions, StateStore, WriteBatch } from "./state-store.js";
