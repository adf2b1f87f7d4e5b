/** What composition roots and adapters use of the engine. */
export * from "./client/index.js";
export * from "./ports/index.js";
export * from "./subjects.js";
