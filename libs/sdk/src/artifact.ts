/**
 * Artifacts as users of the SDK have them: files in the object store, referred to from a run's input or an action's output.
 *
 * 1. Nothing here holds an artifact whole, whatever it is made from.
 * 2. The same content is kept once, so to store it again (another attempt, say) is the same as to store it once.
 */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import {
  artifactNameProblem,
  type ArtifactReference,
  CONTENT_TYPE_CHARS_MAX,
  contentTypeOf,
  type Json,
  JSON_LINES_TYPE,
  readArtifact,
} from "@holdfast/core";
import { jsonBytes, type PayloadStore } from "@holdfast/engine";
import { type PayloadRef, PayloadRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { HoldfastError } from "./errors.js";

/** Refers to an artifact. It is plain JSON: let it stand anywhere in a run's input, or return it from a handler. */
export interface Artifact<Line = unknown> extends ArtifactReference {
  /** Types alone: what each line is. Never there. */
  readonly "~line"?: Line;
}

/** What an artifact may be made from: a file's path, text or bytes in pieces, or `jsonLines(rows)`. */
export type ArtifactSource =
  | string
  | Uint8Array
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>
  | JsonLines<unknown>;

export interface ArtifactOptions {
  /** For people. Default: the file's name, else `artifact`. */
  readonly name?: string;
  /** Default: JSON lines for `jsonLines` and for files named `.jsonl` or `.ndjson`, else bytes. */
  readonly contentType?: string;
}

/** Rows that become lines. */
export class JsonLines<Row> {
  constructor(readonly rows: Iterable<Row> | AsyncIterable<Row>) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    let row = 0;
    for await (const value of this.rows) {
      row += 1;
      yield Buffer.concat([jsonBytes(value, `row ${row}`, "row"), LF]);
    }
  }
}

/** Rows as JSON, one a line: `client.putArtifact(jsonLines(rows))`. They are asked for as they are stored. */
export const jsonLines = <Row>(rows: Iterable<Row> | AsyncIterable<Row>): JsonLines<Row> =>
  new JsonLines(rows);

const LF = Uint8Array.of(0x0a);
const NAME_DEFAULT = "artifact";
/** Small pieces are put together up to here before they go to the store. */
const PIECE_BYTES = 64 * 1024;

/** Resolves once it is durable. Rejects with `INVALID_ARGUMENT`, with what the source throws, or as the store does. */
export async function storeArtifact<Line>(
  store: PayloadStore,
  source: ArtifactSource,
  options: ArtifactOptions,
  signal?: AbortSignal,
): Promise<Artifact<Line>> {
  const file = typeof source === "string" ? basename(source) : undefined;
  const name = options.name ?? file ?? NAME_DEFAULT;
  const contentType =
    options.contentType ?? (source instanceof JsonLines ? JSON_LINES_TYPE : contentTypeOf(file ?? name));
  const problem =
    artifactNameProblem(name) ??
    (contentType.length > CONTENT_TYPE_CHARS_MAX
      ? `a content type has at most ${CONTENT_TYPE_CHARS_MAX} characters`
      : undefined);
  if (problem !== undefined) throw new HoldfastError("INVALID_ARGUMENT", problem);
  const ref = await store.putStream(inPieces(piecesOf(source), signal));
  const sha256 = Buffer.from(ref.sha256).toString("hex");
  return { $artifact: { name, size: Number(ref.size), sha256, contentType } };
}

/** The artifact in pieces. Throws `INVALID_ARGUMENT` where that is no reference, and as the store does. */
export function openArtifact(store: PayloadStore, artifact: unknown): AsyncIterable<Uint8Array> {
  return store.getStream(refOf(artifact));
}

function refOf(artifact: unknown): PayloadRef {
  const facts = readArtifact(artifact as Json);
  if (typeof facts === "string") throw new HoldfastError("INVALID_ARGUMENT", `what was given is ${facts}`);
  const { size, sha256 } = facts;
  const digest = new Uint8Array(Buffer.from(sha256, "hex"));
  return init(PayloadRefSchema, { name: sha256, size: BigInt(size), sha256: digest });
}

type Pieces = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>;

function piecesOf(source: ArtifactSource): Pieces {
  if (typeof source === "string") return fileIn(source);
  if (source instanceof Uint8Array) return [source];
  return source;
}

async function* fileIn(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HoldfastError("INVALID_ARGUMENT", `file ${path} can't be read: ${why}`, "never", {}, { cause });
  }
}

/** Joins small pieces, so that a row is no message of its own. Stops where the signal aborts. */
async function* inPieces(source: Pieces, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  let kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of source) {
    signal?.throwIfAborted();
    const next = bytesOf(piece);
    kept.push(next);
    bytes += next.length;
    if (bytes < PIECE_BYTES) continue;
    yield kept.length === 1 ? next : Buffer.concat(kept);
    kept = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(kept);
}

function bytesOf(piece: unknown): Uint8Array {
  if (typeof piece === "string") return Buffer.from(piece, "utf8");
  if (piece instanceof Uint8Array) return piece;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `an artifact is made of bytes or text, and a piece of type ${typeof piece} came: use jsonLines(rows) for rows`,
  );
}
