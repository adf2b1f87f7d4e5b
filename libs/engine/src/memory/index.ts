/** The ports in memory, for tests and simulations. */
export { MemoryStateStore } from "./memory-state-store.js";
