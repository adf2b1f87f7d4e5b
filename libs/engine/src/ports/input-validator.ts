/** Holds inputs against the JSON Schemas that workflows declare. */
import type { RegisteredDefinition } from "./registry.js";

export type InputVerdict = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** Checks a run's input against the schema its workflow declares. Must not throw, reject, or take long on the caller's thread: what could, comes as a promise. */
export interface InputValidator {
  validate(definition: RegisteredDefinition, input: unknown): InputVerdict | Promise<InputVerdict>;
}
