/** Retry and cancel of one run: the command's identity, its submission, and what a refusal becomes. */
import { createHash, randomUUID } from "node:crypto";
import { partitionOf } from "@holdfast/core";
import type { Accepted, Command, Outcome, Rejected } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import type { AdminParts } from "./parts.js";

/**
 * The same call about the same run with the same request id is the same command for ever, whichever admin service it reaches.
 * Hashed, since a request id and a run id together may be longer than a command's id.
 */
export function commandId(
  kind:
    | "start"
    | "restart"
    | "retry"
    | "cancel"
    | "pause"
    | "resume"
    | "retention"
    | "signal"
    | "decide"
    | "dead-letter"
    | "discard"
    | "breaker-open"
    | "breaker-reset"
    | "schedule-put"
    | "schedule-pause"
    | "schedule-resume"
    | "schedule-trigger"
    | "schedule-delete"
    | "bulk-start"
    | "bulk-abort",
  /** Or a workflow's or a schedule's name. */
  runId: string,
  requestId: string,
): string {
  if (requestId === "") return `admin-${randomUUID()}`;
  return `admin-${createHash("sha256").update(`${kind}\0${runId}\0${requestId}`).digest("base64url")}`;
}

export type Answer =
  | { readonly accepted: Accepted; readonly rejected?: undefined }
  | { readonly rejected: Rejected; readonly accepted?: undefined };

/** Rejects with what `CommandClient.submit` does. */
export async function submit(
  { commands, queries }: AdminParts,
  /** Or a schedule's name: both live where their name says. */
  runId: string,
  command: Command,
): Promise<Answer> {
  const { result }: Outcome = await commands.submit(partitionOf(runId, queries.partitions), command);
  if (result.case === "accepted") return { accepted: result.value };
  if (result.case === "rejected") return { rejected: result.value };
  throw new RpcError(
    "UNAVAILABLE",
    `${runId}: its partition answered with ${result.case ?? "nothing"} to a ${command.kind.case}; its node may be of another version`,
    { reason: "UNKNOWN_OUTCOME", runId },
  );
}
