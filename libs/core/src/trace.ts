/** The trace that a run belongs to: the one it came with, else one of its own. The same through every attempt and recovery. */
import { fnv1a, mix32 } from "./names.js";

/** W3C Trace Context, version 00. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const SAMPLED = "01";

/** What was given, where it is a traceparent; else one derived from the run and where its start stands in the log. */
export function traceparentOf(given: string, runId: string, seq: number): string {
  if (TRACEPARENT.test(given)) return given;
  return `00-${derived(`${runId}#${seq}`, 4)}-${derived(`span ${runId}#${seq}`, 2)}-${SAMPLED}`;
}

/** Words of 32 bits as hex; never all zero. */
function derived(from: string, words: number): string {
  let text = "";
  for (let word = 0; word < words; word++) {
    text += mix32(fnv1a(`${from}/${word}`)).toString(16).padStart(8, "0");
  }
  return /^0+$/.test(text) ? text.replace(/.$/, "1") : text;
}
