/**
 * A JSON array put together of many elements: inline while it is small, else streamed to the payload store.
 *
 * 1. It is never whole in memory beyond the inline limit.
 * 2. One that whoever reads it could not have is a `too-large` that says what to do instead.
 */
import { INLINE_PAYLOAD_BYTES_MAX } from "@holdfast/core";
import { Encoding, type Payload, PayloadSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { PortError } from "../ports/errors.js";
import type { PayloadStore } from "../ports/registry.js";

/** Elements after which other work gets its turn. */
const ELEMENTS_A_TURN = 1_000;
const PIECE_BYTES = 64 * 1024;

export interface ArrayOf {
  /** Each an element's JSON in pieces. */
  readonly elements: AsyncIterable<readonly Uint8Array[]>;
  /** For people: "the outputs of action check". */
  readonly what: string;
}

/** Rejects with `too-large` beyond `payloads.maxBytes`, else as the store does. */
export async function gatherArray({ elements, what }: ArrayOf, payloads: PayloadStore): Promise<Payload> {
  const pieces = piecesOf(elements);
  const head: Uint8Array[] = [];
  let bytes = 0;
  for (let next = await pieces.next(); ; next = await pieces.next()) {
    if (next.done === true) return inline(head);
    head.push(next.value);
    bytes += next.value.length;
    if (bytes > INLINE_PAYLOAD_BYTES_MAX) break;
  }
  const rest = async function* (): AsyncGenerator<Uint8Array> {
    yield* head.splice(0);
    for await (const piece of pieces) {
      bytes += piece.length;
      if (bytes > payloads.maxBytes) throw tooLarge(what, payloads.maxBytes);
      yield piece;
    }
  };
  return init(PayloadSchema, { body: { case: "ref", value: await payloads.putStream(rest()) } });
}

/** A value as an element of an array: bytes that are no JSON stand in it as text in base64. */
export async function jsonOf(value: Payload | undefined, payloads: PayloadStore): Promise<Uint8Array> {
  const body = value?.body;
  if (body?.case !== "inline" && body?.case !== "ref") return NULL;
  const bytes = body.case === "inline" ? body.value : await payloads.get(body.value);
  if (value?.encoding !== Encoding.UNSPECIFIED)
    return Buffer.from(`"${Buffer.from(bytes).toString("base64")}"`);
  return bytes.length === 0 ? NULL : bytes;
}

const NULL = Buffer.from("null");

const inline = (pieces: readonly Uint8Array[]): Payload =>
  init(PayloadSchema, { body: { case: "inline", value: new Uint8Array(Buffer.concat(pieces)) } });

/** The array's JSON, in pieces of about a size. */
async function* piecesOf(elements: AsyncIterable<readonly Uint8Array[]>): AsyncGenerator<Uint8Array> {
  let kept: Uint8Array[] = [OPEN];
  let bytes = OPEN.length;
  let count = 0;
  for await (const element of elements) {
    if (count > 0) kept.push(COMMA);
    for (const part of element) {
      kept.push(part);
      bytes += part.length;
    }
    count += 1;
    if (bytes >= PIECE_BYTES) {
      yield Buffer.concat(kept);
      kept = [];
      bytes = 0;
    }
    if (count % ELEMENTS_A_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  kept.push(CLOSE);
  yield Buffer.concat(kept);
}

const tooLarge = (what: string, maxBytes: number): PortError =>
  new PortError(
    "too-large",
    `${what} are more than ${maxBytes} bytes together, which is more than one handler is given: return less of each item, such as ` +
      "a reference to what was stored elsewhere",
    { maxBytes },
  );

const OPEN = Buffer.from("[");
const COMMA = Buffer.from(",");
const CLOSE = Buffer.from("]");
