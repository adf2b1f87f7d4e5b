/** The run id of a child: derived from who begins it, so that asking again names the same run. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { RUN_ID_CHARS_MAX } from "../limits.js";
import { utf8 } from "../text.js";

/** Keeps `a-b` + `c` and `a` + `b-c` apart. */
const TAG_CHARS = 10;
/** Where most of the readable part is cut away, it must tell alone. */
const LONG_TAG_CHARS = 32;

/** `attempt`: of the action, when it asks for this child; it never goes down, so each child has an id of its own. */
export function childRunId(parentId: string, action: string, attempt: number): string {
  const tag = bytesToHex(sha256(utf8(`${parentId}\0${action}\0${attempt}`)));
  const readable = `${parentId}-${action}-`;
  if (readable.length + TAG_CHARS <= RUN_ID_CHARS_MAX) return readable + tag.slice(0, TAG_CHARS);
  return `${readable.slice(0, RUN_ID_CHARS_MAX - LONG_TAG_CHARS - 1)}-${tag.slice(0, LONG_TAG_CHARS)}`;
}
