/** One suite for each port, run by every implementation of it. Imported by tests only. */
export { type FreshStateStore, stateStoreConformance } from "./state-store.js";
