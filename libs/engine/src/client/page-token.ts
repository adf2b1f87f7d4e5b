/**
 * Page tokens: where a list goes on, opaque to whoever carries them.
 *
 * A token is base64url of: version, kind, fingerprint of the list it belongs to, body, checksum. It is checked when it comes back: one
 * that is damaged, or of another list or cluster, is an error that says so, never a wrong page. It is no secret and proves nothing.
 */
import { fnv1a } from "@holdfast/core";
import { QueryFailedError } from "./query-errors.js";

const VERSION = 1;
const KIND_ITEMS = 2;
/** Of lists that are merged out of all partitions. */
const KINDS = { runs: 1, "dead-letters": 3 } as const;
export type ListKind = keyof typeof KINDS;
const TOKEN_CHARS_MAX = 64 * 1024;
const CHECKSUM_BYTES = 4;
const HEAD_BYTES = 6;

/** Where one partition's part of a list goes on. */
export type PartitionCursor =
  /** From the newest. */
  { readonly at: "start" } | { readonly at: "cursor"; readonly cursor: Uint8Array } | { readonly at: "end" };

export interface ListPosition {
  readonly cursors: readonly PartitionCursor[];
  /** The time of the last row shown: what came since then is not of this list. */
  readonly lastNs: bigint;
}

/** `list` spells the filters: a token of one list does not fit another. */
export function encodeListToken(kind: ListKind, list: string, position: ListPosition): string {
  const parts: Uint8Array[] = [u64(position.lastNs), u16(position.cursors.length)];
  for (const one of position.cursors) {
    if (one.at === "start") parts.push(Uint8Array.of(0));
    else if (one.at === "end") parts.push(Uint8Array.of(2));
    else parts.push(Uint8Array.of(1), u16(one.cursor.length), one.cursor);
  }
  return seal(KINDS[kind], list, Buffer.concat(parts));
}

export function decodeListToken(
  kind: ListKind,
  token: string,
  list: string,
  partitions: number,
): ListPosition {
  const body = open(token, KINDS[kind], list);
  if (body.length < 10 || body.readUInt16BE(8) !== partitions)
    throw badToken("it is of a cluster with other partitions");
  const cursors: PartitionCursor[] = [];
  let at = 10;
  for (let partition = 0; partition < partitions; partition++) {
    const state = body[at++];
    if (state === 0) cursors.push({ at: "start" });
    else if (state === 2) cursors.push({ at: "end" });
    else {
      if (state !== 1 || at + 2 > body.length) throw badToken("it is damaged");
      const end = at + 2 + body.readUInt16BE(at);
      if (end > body.length) throw badToken("it is damaged");
      cursors.push({ at: "cursor", cursor: Uint8Array.from(body.subarray(at + 2, end)) });
      at = end;
    }
  }
  if (at !== body.length) throw badToken("it is damaged");
  return { cursors, lastNs: body.readBigUInt64BE(0) };
}

export function encodeItemsToken(runId: string, action: string, nextIndex: number): string {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(nextIndex);
  return seal(KIND_ITEMS, `${runId}/${action}`, body);
}

export function decodeItemsToken(token: string, runId: string, action: string): number {
  const body = open(token, KIND_ITEMS, `${runId}/${action}`);
  if (body.length !== 4) throw badToken("it is damaged");
  return body.readUInt32BE(0);
}

function seal(kind: number, list: string, body: Uint8Array): string {
  const token = Buffer.alloc(HEAD_BYTES + body.length + CHECKSUM_BYTES);
  token[0] = VERSION;
  token[1] = kind;
  token.writeUInt32BE(fnv1a(list), 2);
  token.set(body, HEAD_BYTES);
  const end = HEAD_BYTES + body.length;
  token.writeUInt32BE(checksum(token.subarray(0, end)), end);
  return token.toString("base64url");
}

function open(token: string, kind: number, list: string): Buffer {
  if (token.length > TOKEN_CHARS_MAX || !/^[A-Za-z0-9_-]+$/.test(token)) throw badToken("it is not one");
  const bytes = Buffer.from(token, "base64url");
  const end = bytes.length - CHECKSUM_BYTES;
  if (end < HEAD_BYTES || bytes.readUInt32BE(end) !== checksum(bytes.subarray(0, end)))
    throw badToken("it is damaged");
  if (bytes[0] !== VERSION) throw badToken("it was made by another version");
  if (bytes[1] !== kind || bytes.readUInt32BE(2) !== fnv1a(list))
    throw badToken("it belongs to another list");
  return bytes.subarray(HEAD_BYTES, end);
}

function checksum(bytes: Buffer): number {
  return fnv1a(bytes.toString("latin1"));
}

function badToken(why: string): QueryFailedError {
  return new QueryFailedError(
    "INVALID",
    `the page token is not valid: ${why}; pass the token of the last page with the same filters, or none to begin anew`,
    undefined,
  );
}

function u64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

function u16(value: number): Uint8Array {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
