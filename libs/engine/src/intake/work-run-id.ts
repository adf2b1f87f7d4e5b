/** Ids of runs that were published: the same message gives the same id, on every node, for ever. */
import { createHash } from "node:crypto";
import type { PublishedMessage } from "../ports/index.js";

/** 132 bits. */
const DIGEST_CHARS = 22;

/** Names a message: by the id its publisher gave it, else by where it stands in the intake stream. */
export function messageName(message: PublishedMessage, workflow: string): string {
  const given = message.header("Nats-Msg-Id");
  if (given === undefined || given === "") return `w-${message.streamCreatedNs.toString(36)}-${message.seq}`;
  const digest = createHash("sha256").update(workflow).update("\0").update(given).digest("base64url");
  return `m-${digest.slice(0, DIGEST_CHARS)}`;
}
