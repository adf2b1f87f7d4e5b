/**
 * Which failures are alike: of one workflow, action and mode, with messages that differ only in what varies. The id is the same
 * in every partition and on every machine, so that people can name it and partitions can be asked for it.
 */
import type { FailureMode } from "@holdfast/proto";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { SIGNATURE_ID_CHARS } from "../state/tables.js";
import { utf8 } from "../text.js";
import { modeName } from "./modes.js";
import { normaliseMessage } from "./normalise.js";

export interface Signature {
  readonly id: string;
  readonly workflow: string;
  /** Empty: of the run as a whole. */
  readonly action: string;
  readonly mode: FailureMode;
  /** Normalised. */
  readonly message: string;
}

/** What stands for the messages of a run that fails in more ways than are told apart. */
export const OTHER_MESSAGES = "(other messages)";

export function signatureOf(
  workflow: string,
  action: string,
  failure: { readonly mode: FailureMode; readonly message: string },
): Signature {
  return named(workflow, action, failure.mode, normaliseMessage(failure.message));
}

export const otherSignature = (workflow: string, action: string, mode: FailureMode): Signature =>
  named(workflow, action, mode, OTHER_MESSAGES);

/** Failures come in rows of the same: their ids are not worked out again. Forgetting them changes nothing. */
const KNOWN_MAX = 256;
const known = new Map<string, Signature>();

function named(workflow: string, action: string, mode: FailureMode, message: string): Signature {
  const what = `${workflow}\0${action}\0${modeName(mode)}\0${message}`;
  const kept = known.get(what);
  if (kept !== undefined) return kept;
  const id = bytesToHex(sha256(utf8(what))).slice(0, SIGNATURE_ID_CHARS);
  const signature = { id, workflow, action, mode, message };
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(what, signature);
  return signature;
}
