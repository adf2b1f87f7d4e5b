/**
 * The rules of names and run ids, and where a run lives. The only place that spells them.
 */
import { INBOX_CHARS_MAX, WORKER_CHARS_MAX } from "./limits.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const RUN_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** How much of a bad name an error shows. */
const SHOWN_CHARS = 60;

export type NameKind = "workflow" | "action" | "queue" | "signal" | "budget" | "schedule";

/** Undefined where the name is right; else a sentence that says what is wrong and what is allowed. */
export function nameProblem(kind: NameKind, name: string): string | undefined {
  if (NAME.test(name)) return undefined;
  return `${kind} name ${quoted(name)} is not valid: use 1 to 64 of A-Z a-z 0-9 _ -`;
}

/** What is allowed, for whoever gave something else. */
export const RUN_ID_RULE = "use 1 to 128 of A-Z a-z 0-9 _ -";

export function runIdProblem(runId: string): string | undefined {
  if (RUN_ID.test(runId)) return undefined;
  return `run id ${quoted(runId)} is not valid: ${RUN_ID_RULE}`;
}

/** A bad text quoted for people: cut, and with nothing in it that moves a terminal's cursor. */
export function quoted(text: string): string {
  if (text === "") return '"" (empty)';
  const cut = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
  const plain = JSON.stringify(cut).replace(/[^\x20-\x7e…]/g, "?");
  return text.length > SHOWN_CHARS ? `${plain} (${text.length} characters)` : plain;
}

const COMMAND_ID = /^[\x21-\x7e]{1,128}$/;
const DEFINITION_HASH = /^[0-9a-f]{32}$/;

/** Whether it may identify a control command: 1 to 128 visible ASCII characters, so that it can be part of a key. */
export const isCommandId = (id: string): boolean => COMMAND_ID.test(id);
export const isDefinitionHash = (hash: string): boolean => DEFINITION_HASH.test(hash);
const SIGNATURE_ID = /^[0-9a-f]{16}$/;
/** Whether it may be the id of a failure signature. */
export const isSignatureId = (id: string): boolean => SIGNATURE_ID.test(id);
export const isName = (name: string): boolean => NAME.test(name);
export const isRunId = (runId: string): boolean => RUN_ID.test(runId);

/** A literal subject: visible ASCII without wildcards, no empty token. */
const SUBJECT = /^[!-)+-\-/-=?-~]+(\.[!-)+-\-/-=?-~]+)*$/;

/** Whether it may be the subject of somebody's inbox. */
export const isInbox = (inbox: string): boolean => inbox.length <= INBOX_CHARS_MAX && SUBJECT.test(inbox);

/**
 * Whether a node may publish to it because somebody else says so: never to what NATS itself or Holdfast listens to, or anybody could have
 * a stream deleted or a log written by naming it as an inbox.
 */
export const isForeignInbox = (inbox: string): boolean =>
  isInbox(inbox) && !inbox.startsWith("$") && !inbox.startsWith("holdfast.");

/** Whether it may be the id of a worker or a node. */
export const isWorkerId = (id: string): boolean => id.length <= WORKER_CHARS_MAX && WORKER_ID.test(id);
const WORKER_ID = /^[\x21-\x7e]+$/;

/** FNV-1a, 32 bits (Fowler, Noll, Vo), over the UTF-16 code units' low bytes: ids are ASCII. */
export function fnv1a(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i) & 0xff;
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

/** Mixes a 32-bit hash so that every bit depends on every other (MurmurHash3's finaliser). */
export function mix32(hash: number): number {
  let h = hash;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}

/** The partition that a run belongs to, for ever. */
export function partitionOf(runId: string, partitions: number): number {
  return mix32(fnv1a(runId)) % partitions;
}
