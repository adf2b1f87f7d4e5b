/** Why a command never reached the log: what happened, to what, and what to do now. */
import type { Command } from "@holdfast/proto";
import { PortError } from "../ports/errors.js";

export function tooLarge(command: Command, bytes: number, maxBytes: number): PortError {
  return new PortError(
    "too-large",
    `a ${command.kind.case ?? "command"} of ${bytes} bytes does not fit into a log entry of at most ${maxBytes}; put large values into the payload store and send a reference`,
    { bytes, maxBytes },
  );
}

export function notEncodable(command: Command, cause: unknown): PortError {
  return new PortError(
    "schema",
    `a ${command.kind.case ?? "command"} can't be encoded: ${cause instanceof Error ? cause.message : String(cause)}; mend the value it names`,
    {},
    { cause },
  );
}

export function noPartition(partition: number, partitions: number): PortError {
  return new PortError(
    "not-found",
    `there is no partition ${partition}; this cluster has 0 to ${partitions - 1}`,
    {
      partition,
      partitions,
    },
  );
}
