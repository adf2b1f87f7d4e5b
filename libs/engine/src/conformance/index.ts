/** One suite for each port, run by every implementation of it. Imported by tests only. */
export { busConformance, type FreshBus } from "./bus.js";
export { commandLogConformance, type FreshCommandLog } from "./command-log.js";
export { type FreshRegistry, registryConformance } from "./registry.js";
export { type FreshStateStore, stateStoreConformance } from "./state-store.js";
export { type FreshWorkQueue, workQueueConformance } from "./work-queue.js";
