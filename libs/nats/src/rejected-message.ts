/**
 * How rejected work is written down, and read again: the message as it came, plus headers that say why.
 * Headers that JetStream would act on are renamed, so that keeping a message never has their effect.
 */
import { isName } from "@holdfast/core";
import { REJECTED_PREFIX, REJECTED_UNNAMED, type RejectedWorkEntry, WORK_PREFIX } from "@holdfast/engine";
import { RejectCode } from "@holdfast/proto";
import { headers, type MsgHdrs } from "nats";
import { headerIn, type ParsedHeaders, parseHeaderBlock } from "./header-block.js";
import type { StoredMessage } from "./js-api.js";

const CODE = "Holdfast-Reject-Code";
const REASON = "Holdfast-Reject-Reason";
const SUBJECT = "Holdfast-Original-Subject";
/** Name and size of the body in the object store, where message and reason together were over the size limit. */
const BODY_REF = "Holdfast-Original-Body";
const KEPT = "Holdfast-Kept-";
const ACTED_ON = /^nats-/i;
const OWN = /^holdfast-(reject-code|reject-reason|original-subject|original-body|kept-.*)$/i;
const REASON_CHARS_MAX = 1_024;

export interface BodyRef {
  readonly name: string;
  readonly size: bigint;
}

/** Where a message of this subject is kept. */
export function rejectedSubject(subject: string): string {
  const name = subject.slice(WORK_PREFIX.length);
  return isName(name) ? REJECTED_PREFIX + name : REJECTED_UNNAMED;
}

export function rejectedHeaders(
  original: { readonly subject: string; readonly headers: ParsedHeaders; readonly msgId: string },
  code: RejectCode,
  reason: string,
  bodyRef: BodyRef | undefined,
): MsgHdrs {
  const kept = headers();
  for (const [name, value] of original.headers.all) {
    if (!OWN.test(name)) kept.append(ACTED_ON.test(name) ? KEPT + name : name, value);
  }
  kept.set("Nats-Msg-Id", original.msgId);
  kept.set(CODE, RejectCode[code]);
  kept.set(REASON, oneLine(reason));
  kept.set(SUBJECT, encodeURIComponent(original.subject));
  if (bodyRef !== undefined) kept.set(BODY_REF, `${bodyRef.name}:${bodyRef.size}`);
  return kept;
}

export interface KeptMessage {
  readonly entry: Omit<RejectedWorkEntry, "data" | "bodyBytes" | "replayId">;
  readonly bodyRef: BodyRef | undefined;
}

export function readKept(stored: StoredMessage): KeptMessage {
  const all = parseHeaderBlock(stored.headerBlock);
  const original = all.all
    .filter(([name]) => !OWN.test(name) || name.startsWith(KEPT))
    .filter(([name]) => !ACTED_ON.test(name))
    .map(([name, value]) => [name.startsWith(KEPT) ? name.slice(KEPT.length) : name, value] as const);
  const [name = "", size = ""] = (headerIn(all, BODY_REF) ?? "").split(":");
  return {
    entry: {
      id: stored.seq,
      subject: decodeSubject(headerIn(all, SUBJECT)),
      code: codeNamed(headerIn(all, CODE)),
      reason: headerIn(all, REASON) ?? "",
      rejectedAtMs: Number(stored.atNs / 1_000_000n),
      // Of a name that came twice the first value counts.
      headers: Object.fromEntries(original.toReversed()),
      headerList: original,
    },
    bodyRef: name === "" || !/^\d+$/.test(size) ? undefined : { name, size: BigInt(size) },
  };
}

function codeNamed(name: string | undefined): RejectCode {
  const found = Object.entries(RejectCode).find(([key]) => key === name)?.[1];
  return typeof found === "number" ? found : RejectCode.UNSPECIFIED;
}

function decodeSubject(text: string | undefined): string {
  try {
    return decodeURIComponent(text ?? "");
  } catch {
    return text ?? "";
  }
}

/** A header ends with its line. */
function oneLine(text: string): string {
  return text
    .slice(0, REASON_CHARS_MAX)
    .toWellFormed()
    .replace(/[\r\n\0]+/g, " ");
}
