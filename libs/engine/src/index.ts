/** What composition roots and adapters use of the engine. */
export * from "./ports/index.js";
export * from "./subjects.js";
