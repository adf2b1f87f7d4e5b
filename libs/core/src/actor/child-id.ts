/** The run id of a child: derived from who begins it, so that asking again names the same run. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { CHILD_ID_HEAD_CHARS, RUN_ID_CHARS_MAX } from "../limits.js";
import { utf8 } from "../text.js";

/** Keeps `a-b` + `c` and `a` + `b-c` apart. */
const TAG_CHARS = 10;
/** Where most of the readable part is cut away, it must tell alone. */
const LONG_TAG_CHARS = RUN_ID_CHARS_MAX - CHILD_ID_HEAD_CHARS - 1;

/** `attempt`: of the action, when it asks for this child; it never goes down, so each child has an id of its own. */
export function childRunId(parentId: string, action: string, attempt: number): string {
  return derivedRunId(`${parentId}-${action}-`, `${parentId}\0${action}\0${attempt}`);
}

/** `readable`, with what tells it from others that begin so: `named` says what it is the id of. */
export function derivedRunId(readable: string, named: string): string {
  const tag = bytesToHex(sha256(utf8(named)));
  if (readable.length + TAG_CHARS <= RUN_ID_CHARS_MAX) return readable + tag.slice(0, TAG_CHARS);
  return `${readable.slice(0, CHILD_ID_HEAD_CHARS)}-${tag.slice(0, LONG_TAG_CHARS)}`;
}
