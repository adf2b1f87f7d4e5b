/** What composition roots and adapters use of the engine. */
export * from "./client/index.js";
export * from "./intake/index.js";
export { Node, type NodeDeps } from "./node/node.js";
export { DEFAULT_ENGINE_LIMITS, type EngineLimits } from "./partition/limits.js";
export * from "./ports/index.js";
export * from "./subjects.js";
