/** The state store on LevelDB. */
export { DEFAULT_LIMITS, type LevelLimits } from "./level-database.js";
export { LevelStateStore, type LevelStateStoreOptions } from "./level-state-store.js";
