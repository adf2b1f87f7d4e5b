/** What intake needs beyond the cluster's ports. */
import type { Command, Outcome } from "@holdfast/proto";

export type { InputValidator, InputVerdict } from "../ports/input-validator.js";

/** Appends a command and resolves with what the fold said of it; `CommandClient` is one. */
export interface CommandSubmitter {
  submit(partition: number, command: Command): Promise<Outcome>;
}
