/**
 * Which failures are alike: of one workflow, action and mode, with messages that differ only in what varies. The id is the same
 * in every partition and on every machine, so that people can name it and partitions can be asked for it.
 */
import type { FailureMode } from "@holdfast/proto";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { CHILD_ID_HEAD_CHARS, RUN_ID_CHARS_MAX } from "../limits.js";
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

/**
 * `runIds`: of the run that failed, and of what began it. They, and the ids of child runs, which begin with them, tell failures
 * apart that are alike, and are left out. Whatever becomes of the run, a failure's signature stays what it is.
 */
export function signatureOf(
  workflow: string,
  action: string,
  failure: { readonly mode: FailureMode; readonly message: string },
  runIds: readonly string[] = [],
): Signature {
  let { message } = failure;
  for (const runId of runIds) message = withoutId(message, runId);
  return named(workflow, action, failure.mode, normaliseMessage(message));
}

const ID_CHARS = /[A-Za-z0-9_-]*/y;
const ID_CHAR = /[A-Za-z0-9_-]/;
const PLAIN_WORD = /^[A-Za-z]+$/;

/** An id that reads as a word is taken for one, unless the text says that it is of a run. */
function withoutId(message: string, runId: string): string {
  const head = runId.slice(0, CHILD_ID_HEAD_CHARS);
  let at = message.indexOf(head);
  if (at < 0) return message;
  const isPlain = PLAIN_WORD.test(runId);
  let text = "";
  let from = 0;
  for (; at >= 0; at = message.indexOf(head, ID_CHARS.lastIndex)) {
    ID_CHARS.lastIndex = at;
    const id = ID_CHARS.exec(message)?.[0] ?? "";
    ID_CHARS.lastIndex = at + id.length;
    if (ID_CHAR.test(message.charAt(at - 1)) || !isOf(id, runId)) continue;
    if (isPlain && !message.endsWith("run ", at)) continue;
    text += `${message.slice(from, at)}<id>`;
    from = at + id.length;
  }
  return text + message.slice(from);
}

/** The run's own id, or a child's: which begins with it, or with as much of it as there is room for. */
const isOf = (id: string, runId: string): boolean =>
  id === runId ||
  id.startsWith(`${runId}-`) ||
  (runId.length > CHILD_ID_HEAD_CHARS && id.length === RUN_ID_CHARS_MAX);

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
