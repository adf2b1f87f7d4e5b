/** What intake needs beyond the cluster's ports. */
import type { Command, Outcome } from "@holdfast/proto";
import type { RegisteredDefinition } from "../ports/index.js";

export type InputVerdict = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** Checks a run's input against the schema its workflow declares. Must not throw. */
export interface InputValidator {
  validate(definition: RegisteredDefinition, input: unknown): InputVerdict;
}

/** Appends a command and resolves with what the fold said of it; `CommandClient` is one. */
export interface CommandSubmitter {
  submit(partition: number, command: Command): Promise<Outcome>;
}
