/**
 * Values in and out of Payloads: JSON, inline while it is small, else in the payload store under a reference.
 *
 * 1. What was encoded is decoded to an equal value, or an error says what could not be had.
 * 2. A small payload costs no promise: `encode` and `decode` answer at once where they can.
 * It never changes a value to make it fit and never decides where a payload is kept in state.
 */
import { isUtf8 } from "node:buffer";
import { INLINE_PAYLOAD_BYTES_MAX } from "@holdfast/core";
import { Encoding, type Payload } from "@holdfast/proto";
import type { PayloadStore } from "../ports/registry.js";
import { inlinePayload } from "./commands.js";
import { findJsonProblem, isJson } from "./json-problem.js";

/** Payloads up to here travel inline. */
export const INLINE_BYTES_MAX = INLINE_PAYLOAD_BYTES_MAX;
/** No payload is larger. */
export const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;
/** No artifact is larger. */
export const ARTIFACT_BYTES_MAX = 16 * 1024 ** 3;

export type PayloadErrorCode = "unserialisable" | "too-large" | "malformed" | "unavailable";

/** A value that can't be a payload, or a payload that can't be a value. */
export class PayloadError extends Error {
  override readonly name = "PayloadError";

  constructor(
    readonly code: PayloadErrorCode,
    /** What happened, to what, and what to do now. */
    message: string,
    /** `path`: where in the value; `bytes`, `maxBytes`: of one too large. */
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Fetches a payload that is kept in a partition's state. */
export type FetchStored = () => Promise<Payload>;

export class PayloadCodec {
  readonly #store: PayloadStore;
  readonly #inlineMax: number;

  constructor(store: PayloadStore, inlineBytesMax = INLINE_BYTES_MAX) {
    this.#store = store;
    this.#inlineMax = inlineBytesMax;
  }

  /**
   * `what` names the value in errors: "the input", "the output of action load"; `root` stands for it in places: "input.rows[3]". Throws or
   * rejects with a `PayloadError`.
   */
  encode(value: unknown, what: string, root?: string): Payload | Promise<Payload> {
    return this.encodeBytes(jsonBytes(value, what, root), what);
  }

  /** The same for a value that is JSON already. Its bytes are not looked at. */
  encodeBytes(body: Uint8Array, what: string): Payload | Promise<Payload> {
    if (body.length <= this.#inlineMax) return inlinePayload(body);
    const maxBytes = Math.min(PAYLOAD_BYTES_MAX, this.#store.maxBytes);
    if (body.length > maxBytes) throw tooLarge(what, body.length, maxBytes);
    return this.#put(body, what);
  }

  /** `fetchStored` is asked for payloads that are kept in state; without it such a payload is an error. */
  decode(payload: Payload | undefined, what: string, fetchStored?: FetchStored): unknown {
    const body = payload?.body;
    if (payload === undefined || body?.case === undefined) return null;
    if (body.case === "inline") return decodeBody(body.value, payload.encoding, what);
    return this.#fetchAndDecode(payload, what, fetchStored);
  }

  /** The bytes of a payload, wherever they are kept; undefined where there is none. */
  async bytes(
    payload: Payload | undefined,
    what: string,
    fetchStored?: FetchStored,
  ): Promise<Uint8Array | undefined> {
    const body = payload?.body;
    if (body?.case === undefined) return undefined;
    if (body.case === "inline") return body.value;
    try {
      if (body.case === "ref") return await this.#store.get(body.value);
      if (fetchStored !== undefined) return await this.bytes(await fetchStored(), what);
    } catch (cause) {
      if (cause instanceof PayloadError) throw cause;
      throw new PayloadError(
        "unavailable",
        `${what} could not be fetched: ${messageOf(cause)}`,
        {},
        { cause },
      );
    }
    throw new PayloadError(
      "unavailable",
      `${what} is kept in the partition's state (${body.value} bytes) and was not sent along; ask for it with a payload query`,
    );
  }

  async #fetchAndDecode(payload: Payload, what: string, fetchStored?: FetchStored): Promise<unknown> {
    const bytes = await this.bytes(payload, what, fetchStored);
    return bytes === undefined ? null : decodeBody(bytes, payload.encoding, what);
  }

  async #put(body: Uint8Array, what: string): Promise<Payload> {
    try {
      const ref = await this.#store.put(body);
      return {
        $typeName: "holdfast.v1.Payload",
        body: { case: "ref", value: ref },
        encoding: Encoding.UNSPECIFIED,
      };
    } catch (cause) {
      const why = messageOf(cause);
      throw new PayloadError(
        "unavailable",
        `${what} (${body.length} bytes) could not be stored: ${why}`,
        {},
        { cause },
      );
    }
  }
}

/** A value as UTF-8 JSON. Throws a `PayloadError` that names the place that JSON refuses or would lose. */
export const jsonBytes = (value: unknown, what: string, root?: string): Uint8Array =>
  Buffer.from(jsonText(value, what, root), "utf8");

/** The only way from a value to JSON: what can't be carried whole is refused, with its place. */
export function jsonText(value: unknown, what: string, root = "$"): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
    if (json !== undefined && isJson(value)) return json;
  } catch (cause) {
    throw unserialisable(value, what, root, cause);
  }
  if (json !== undefined) throw unserialisable(value, what, root, undefined);
  // What JSON.stringify's type leaves out: undefined, functions and symbols have no JSON.
  throw new PayloadError(
    "unserialisable",
    `${what} is ${described(value)}, which JSON can't carry; give a JSON value`,
    { path: "$" },
  );
}

function decodeBody(bytes: Uint8Array, encoding: Encoding, what: string): unknown {
  if (encoding !== Encoding.UNSPECIFIED) return bytes;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Decoding puts U+FFFD in the place of what it can't read, and does not say so.
  if (!isUtf8(text)) throw new PayloadError("malformed", `${what} is not UTF-8`);
  try {
    return JSON.parse(text.toString("utf8"));
  } catch (cause) {
    throw new PayloadError("malformed", `${what} is not JSON: ${messageOf(cause)}`, {}, { cause });
  }
}

function unserialisable(value: unknown, what: string, root: string, cause: unknown): PayloadError {
  const problem = findJsonProblem(value, root);
  const where = problem === undefined ? whyNot(cause) : `${problem.path} is ${problem.what}`;
  const path = problem === undefined ? "$" : `$${problem.path.slice(root.length)}`;
  return new PayloadError(
    "unserialisable",
    `${what} can't be JSON: ${where}`,
    { path },
    problem === undefined ? { cause } : {},
  );
}

const whyNot = (cause: unknown): string =>
  cause === undefined ? "what it holds differs each time it is read" : messageOf(cause);

function tooLarge(what: string, bytes: number, maxBytes: number): PayloadError {
  return new PayloadError(
    "too-large",
    `${what} is ${bytes} bytes of JSON; at most ${maxBytes} are possible: keep it elsewhere and pass its address`,
    { bytes, maxBytes },
  );
}

function described(value: unknown): string {
  return value === undefined ? "undefined" : `a ${typeof value}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
