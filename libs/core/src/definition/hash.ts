/**
 * A definition's identity: SHA-256 of its canonical form, so that equal definitions have equal hashes on every machine.
 */
import { toJson } from "@bufbuild/protobuf";
import { type WorkflowDefinition, WorkflowDefinitionSchema } from "@holdfast/proto";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { canonicalJson, type Json, utf8 } from "../text.js";

/** Hex digits kept of the digest: 128 bits. */
const HASH_CHARS = 32;

export function hashDefinition(definition: WorkflowDefinition): string {
  const canonical = canonicalJson(toJson(WorkflowDefinitionSchema, definition) as Json);
  return bytesToHex(sha256(utf8(canonical))).slice(0, HASH_CHARS);
}
