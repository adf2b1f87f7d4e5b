/**
 * Payloads in the object store, each under the SHA-256 of its content.
 *
 * 1. The name is the content's: putting the same again writes nothing.
 * 2. What `get` returns has the size and digest that the reference says.
 */
import { createHash } from "node:crypto";
import { PAYLOAD_BYTES_MAX, PAYLOADS_BUCKET, type PayloadStore, PortError } from "@holdfast/engine";
import { type PayloadRef, PayloadRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ObjectStore } from "nats";
import type { Connection } from "./connection.js";
import { plainBytes } from "./delivery.js";
import { fromNats } from "./errors.js";

const NAME = /^[0-9a-f]{64}$/;
const CHUNK_BYTES = 256 * 1024;
const PUBLISH_TIMEOUT_MS = 30_000;
const GET_TIMEOUT_MS = 60_000;
/** A reader that meets a writer of the same content may see it half replaced. */
const GET_TRIES = 3;

export class NatsPayloads implements PayloadStore {
  readonly maxBytes = PAYLOAD_BYTES_MAX;
  private store: Promise<ObjectStore> | undefined;

  constructor(private readonly connection: Connection) {}

  async put(body: Uint8Array): Promise<PayloadRef> {
    if (body.length > this.maxBytes) {
      throw new PortError(
        "too-large",
        `a payload of ${body.length} bytes is over the limit of ${this.maxBytes}`,
        {
          bytes: body.length,
          maxBytes: this.maxBytes,
        },
      );
    }
    const sha256 = digest(body);
    const name = sha256.toString("hex");
    try {
      const store = await this.open();
      const there = await store.info(name);
      if (there === null || there.deleted || there.size !== body.length) {
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
    if (!NAME.test(name)) {
      throw new PortError("not-found", `${JSON.stringify(name.slice(0, 80))} is no payload's name`);
    }
    for (let tries = 1; ; tries++) {
      const body = await this.fetch(name);
      if (body === undefined) {
        throw new PortError("not-found", `payload ${name} is not in the object store (any more)`, { name });
      }
      const right = BigInt(body.length) === ref.size && digest(body).equals(ref.sha256);
      if (right) return body;
      if (tries === GET_TRIES) {
        throw new PortError(
          "corrupt",
          `payload ${name} is not what its reference says: ${body.length} bytes came where ${ref.size} were stored, or the ` +
            "digest differs; restore the object store from a copy",
          { name, bytes: body.length },
        );
      }
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

const digest = (body: Uint8Array): Buffer => createHash("sha256").update(body).digest();
