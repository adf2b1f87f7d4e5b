/** The ports in memory, for tests and simulations. */
export { ManualClock } from "./manual-clock.js";
export { SkippingClock } from "./skipping-clock.js";
export { MemoryBus, MemoryNetwork, type MemoryNetworkOptions } from "./memory-bus.js";
export { MemoryCommandLog, type MemoryCommandLogOptions } from "./memory-command-log.js";
export { MemoryDefinitions, MemoryPayloads } from "./memory-registry.js";
export { MemoryStateStore } from "./memory-state-store.js";
export { MemoryWorkQueue, type MemoryWorkQueueOptions, type PublishedWork } from "./memory-work-queue.js";
