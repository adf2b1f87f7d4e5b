/**
 * Payloads and artifacts in the object store, each under the SHA-256 of its content.
 *
 * 1. The name is the content's: putting the same again writes nothing.
 * 2. What `get` returns has the size and digest that the reference says.
 */
import { createHash } from "node:crypto";
import {
  ARTIFACT_BYTES_MAX,
  isBody,
  PAYLOAD_BYTES_MAX,
  NamedObjects,
  namesIn,
  PAYLOADS_BUCKET,
  payloadCorrupt,
  payloadNotFound,
  type PayloadStore,
  payloadTooLarge,
  PortError,
  type StoredObject,
} from "@holdfast/engine";
import { type PayloadRef, PayloadRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ObjectInfo, ObjectStore } from "nats";
import type { Connection } from "./connection.js";
import { plainBytes } from "./delivery.js";
import { fromNats } from "./errors.js";
import { CHUNK_BYTES, type ObjectChunks } from "./object-chunks.js";
import type { ObjectUse } from "./object-use.js";

const NAME = /^[0-9a-f]{64}$/;
const PUBLISH_TIMEOUT_MS = 30_000;
const GET_TIMEOUT_MS = 60_000;
/** A reader that meets a writer of the same content may see it half replaced. */
const GET_TRIES = 3;

export class NatsPayloads implements PayloadStore {
  readonly maxBytes = PAYLOAD_BYTES_MAX;
  readonly maxStreamedBytes = ARTIFACT_BYTES_MAX;
  private store: Promise<ObjectStore> | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly chunks: ObjectChunks,
    private readonly use: ObjectUse,
  ) {}

  async put(body: Uint8Array): Promise<PayloadRef> {
    if (body.length > this.maxBytes) throw payloadTooLarge("a payload", body.length, this.maxBytes);
    const sha256 = digest(body);
    const name = sha256.toString("hex");
    try {
      const store = await this.open();
      await this.use.touchOld(namesIn(body));
      const there = await store.info(name);
      const known = there !== null && !there.deleted && there.size === body.length;
      if (!known || !(await this.use.stays(name))) {
        const meta = { name, options: { max_chunk_size: CHUNK_BYTES } };
        await store.putBlob(meta, body, { timeout: PUBLISH_TIMEOUT_MS });
      }
      return init(PayloadRefSchema, { name, size: BigInt(body.length), sha256: new Uint8Array(sha256) });
    } catch (thrown) {
      throw fromNats(thrown, `store a payload of ${body.length} bytes`);
    }
  }

  async get(ref: PayloadRef): Promise<Uint8Array> {
    const { name } = ref;
    for (let tries = 1; ; tries++) {
      const body = NAME.test(name) ? await this.fetch(name) : undefined;
      if (body === undefined) throw payloadNotFound(name);
      if (isBody(ref, body.length, digest(body))) return body;
      if (tries === GET_TRIES) throw payloadCorrupt(ref, body.length);
    }
  }

  async putStream(pieces: AsyncIterable<Uint8Array>): Promise<PayloadRef> {
    const named = new NamedObjects();
    const written = await this.chunks.write(notingNames(pieces, named), this.maxStreamedBytes);
    const { id, bytes, sha256 } = written;
    const name = sha256.toString("hex");
    try {
      const store = await this.open();
      await this.use.touchOld(named.names);
      const there = await store.info(name);
      const known = there !== null && !there.deleted && there.size === bytes;
      if (known && (await this.use.stays(name))) await this.chunks.forget(id);
      else await this.chunks.describe(name, written);
      return init(PayloadRefSchema, { name, size: BigInt(bytes), sha256: new Uint8Array(sha256) });
    } catch (thrown) {
      throw fromNats(thrown, `store an artifact of ${bytes} bytes`);
    }
  }

  async *getStream(ref: PayloadRef): AsyncGenerator<Uint8Array> {
    const { name } = ref;
    const info = NAME.test(name) ? await this.info(name) : undefined;
    if (info === undefined) throw payloadNotFound(name);
    if (BigInt(info.size) !== ref.size) throw payloadCorrupt(ref, info.size);
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const piece of this.chunks.read(info.nuid, info.chunks)) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
    if (!isBody(ref, bytes, hash.digest())) throw payloadCorrupt(ref, bytes);
  }

  async listUnused(beforeMs: number, limit: number, after: number): Promise<StoredObject[]> {
    try {
      return await this.use.listUnused(beforeMs, limit, after);
    } catch (thrown) {
      throw fromNats(thrown, "list what is stored in the object store");
    }
  }

  async touch(name: string): Promise<void> {
    try {
      await this.use.touch(name);
    } catch (thrown) {
      throw fromNats(thrown, `note the use of object ${name}`);
    }
  }

  async remove(object: StoredObject): Promise<boolean> {
    try {
      return await this.use.remove(object);
    } catch (thrown) {
      throw fromNats(thrown, `remove object ${object.name}`);
    }
  }

  private async info(name: string): Promise<ObjectInfo | undefined> {
    try {
      const info = await (await this.open()).info(name);
      return info === null || info.deleted ? undefined : info;
    } catch (thrown) {
      throw fromNats(thrown, `find payload ${name}`);
    }
  }

  private async fetch(name: string): Promise<Uint8Array | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new PortError(
        "timeout",
        `payload ${name} did not arrive within ${GET_TIMEOUT_MS} ms; try again`,
      );
      timer = setTimeout(() => reject(error), GET_TIMEOUT_MS);
    });
    try {
      const store = await this.open();
      const body = await Promise.race([store.getBlob(name), late]);
      return body === null ? undefined : plainBytes(body);
    } catch (thrown) {
      throw fromNats(thrown, `fetch payload ${name}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Opened with the first use: most processes never need it. Its stream was made with the cluster. */
  private open(): Promise<ObjectStore> {
    this.store ??= this.connection.nc
      .jetstream()
      .views.os(PAYLOADS_BUCKET)
      .catch((thrown: unknown) => {
        this.store = undefined;
        throw thrown;
      });
    return this.store;
  }
}

async function* notingNames(
  pieces: AsyncIterable<Uint8Array>,
  named: NamedObjects,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    named.add(piece);
    yield piece;
  }
}

const digest = (body: Uint8Array): Buffer => createHash("sha256").update(body).digest();
