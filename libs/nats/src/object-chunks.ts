/**
 * Objects of the payload bucket in pieces, without holding one whole: the client's own object store queues all of an object in memory
 * both ways. What is kept is what that store keeps (chunks under a random id, then a description under the object's name).
 *
 * 1. The description is published last, and only once every chunk was acknowledged: an object that can be found is whole.
 * 2. An object that could not be finished has its chunks purged; should that fail too, they take room and nothing else.
 */
import { PAYLOADS_BUCKET, payloadTooLarge, PortError } from "@holdfast/engine";
import { createHash, type Hash, randomUUID } from "node:crypto";
import { headers } from "nats";
import { fromNats } from "./errors.js";
import type { JetStreamApi } from "./js-api.js";
import type { StreamPublisher } from "./publisher.js";

export const CHUNK_BYTES = 256 * 1024;
/** Chunks that wait for their acknowledgement at once. */
const CHUNKS_UNDER_WAY_MAX = 4;
export const OBJECTS_STREAM = `OBJ_${PAYLOADS_BUCKET}`;

export const chunkSubject = (id: string): string => `$O.${PAYLOADS_BUCKET}.C.${id}`;
/** With padding, as the client's object store has it. */
const base64Url = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
export const metaSubject = (name: string): string =>
  `$O.${PAYLOADS_BUCKET}.M.${base64Url(Buffer.from(name, "utf8"))}`;

export interface WrittenChunks {
  readonly id: string;
  readonly bytes: number;
  readonly chunks: number;
  readonly sha256: Buffer;
}

export class ObjectChunks {
  constructor(
    private readonly api: JetStreamApi,
    private readonly publisher: StreamPublisher,
  ) {}

  /** Stores the chunks alone: nobody finds them before `describe`. */
  async write(pieces: AsyncIterable<Uint8Array>, maxBytes: number): Promise<WrittenChunks> {
    const upload = new Upload(this.publisher);
    try {
      for await (const piece of pieces) {
        if (upload.bytes + piece.length > maxBytes)
          throw payloadTooLarge("an artifact", upload.bytes + piece.length, maxBytes);
        await upload.add(piece);
      }
      return await upload.end();
    } catch (error) {
      await upload.settled();
      await this.forget(upload.id).catch(() => undefined);
      throw error;
    }
  }

  /** Makes chunks that were written findable under a name. */
  async describe(name: string, { id, bytes, chunks, sha256 }: WrittenChunks): Promise<void> {
    const description = {
      name,
      options: { max_chunk_size: CHUNK_BYTES },
      bucket: PAYLOADS_BUCKET,
      nuid: id,
      size: bytes,
      chunks,
      mtime: new Date().toISOString(),
      digest: `SHA-256=${base64Url(sha256)}`,
      deleted: false,
    };
    const rollup = headers();
    rollup.set("Nats-Rollup", "sub");
    await this.publisher.publish(
      OBJECTS_STREAM,
      metaSubject(name),
      Buffer.from(JSON.stringify(description)),
      rollup,
    );
  }

  async forget(id: string): Promise<void> {
    await this.api.purgeSubject(OBJECTS_STREAM, chunkSubject(id));
  }

  /** The chunks of an object in order, one of them fetched ahead. */
  async *read(id: string, chunks: number): AsyncGenerator<Uint8Array> {
    let next = chunks > 0 ? this.chunkFrom(id, 1) : undefined;
    for (let n = 1; next !== undefined; n++) {
      const chunk = await next;
      next = undefined;
      if (chunk === undefined) return;
      if (n < chunks) {
        next = this.chunkFrom(id, chunk.seq + 1);
        // Where the reader ends before it is asked for, nobody hears of its failure.
        next.catch(() => undefined);
      }
      yield chunk.data;
    }
  }

  private async chunkFrom(id: string, seq: number) {
    try {
      return await this.api.message(OBJECTS_STREAM, { seq, next_by_subj: chunkSubject(id) });
    } catch (thrown) {
      throw fromNats(thrown, `fetch a part of object ${id}`);
    }
  }
}

/** One object on its way to the store. */
class Upload {
  readonly id = randomUUID().replaceAll("-", "");
  bytes = 0;
  private chunks = 0;
  private readonly digest: Hash = createHash("sha256");
  private readonly chunk = Buffer.alloc(CHUNK_BYTES);
  private filled = 0;
  private readonly underWay = new Set<Promise<unknown>>();
  private failed: unknown;

  constructor(private readonly publisher: StreamPublisher) {}

  async add(piece: Uint8Array): Promise<void> {
    this.digest.update(piece);
    this.bytes += piece.length;
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + CHUNK_BYTES - this.filled);
      this.chunk.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === CHUNK_BYTES) await this.send();
    }
  }

  async end(): Promise<WrittenChunks> {
    if (this.filled > 0) await this.send();
    await this.settled();
    if (this.failed !== undefined) throw this.failed;
    const { id, bytes, chunks } = this;
    return { id, bytes, chunks, sha256: this.digest.digest() };
  }

  /** Resolves once nothing is under way, however it went. */
  async settled(): Promise<void> {
    await Promise.all(this.underWay);
  }

  private async send(): Promise<void> {
    while (this.underWay.size >= CHUNKS_UNDER_WAY_MAX) await Promise.race(this.underWay);
    if (this.failed !== undefined) throw this.failed;
    const data = Buffer.from(this.chunk.subarray(0, this.filled));
    this.filled = 0;
    this.chunks += 1;
    const sending: Promise<unknown> = this.publisher
      .publish(OBJECTS_STREAM, chunkSubject(this.id), data)
      .then(
        () => this.underWay.delete(sending),
        (error: unknown) => {
          this.underWay.delete(sending);
          // Twice is not once: a chunk of an unknown outcome can't be sent again, the whole object can.
          this.failed ??=
            error instanceof PortError && error.code === "unknown-outcome" ? again(error) : error;
        },
      );
    this.underWay.add(sending);
  }
}

const again = (cause: PortError): PortError =>
  new PortError(
    "unavailable",
    `an artifact could not be stored (${cause.message}): store it again`,
    {},
    { cause },
  );
