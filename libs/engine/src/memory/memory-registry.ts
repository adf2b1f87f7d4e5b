/** The registry of definitions and the payload store in memory, for tests and simulations. */
import { createHash } from "node:crypto";
import { isName, nameProblem } from "@holdfast/core";
import { type PayloadRef, PayloadRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { ARTIFACT_BYTES_MAX, PAYLOAD_BYTES_MAX } from "../client/payloads.js";
import {
  type DefinitionRegistry,
  isBody,
  payloadCorrupt,
  payloadNotFound,
  type PayloadStore,
  payloadTooLarge,
  PortError,
  type RegisteredDefinition,
  type Clock,
  NamedObjects,
  type StoredObject,
  systemClock,
} from "../ports/index.js";

const HASH = /^[A-Za-z0-9_-]{1,128}$/;

export class MemoryDefinitions implements DefinitionRegistry {
  readonly #latest = new Map<string, RegisteredDefinition>();
  readonly #watchers = new Set<(entry: RegisteredDefinition) => void>();

  async put(entry: RegisteredDefinition): Promise<void> {
    const { name } = entry.definition;
    const problem = nameProblem("workflow", name);
    if (problem !== undefined || !HASH.test(entry.hash)) {
      throw new PortError(
        "schema",
        problem ?? `${JSON.stringify(entry.hash.slice(0, 60))} is no definition hash`,
      );
    }
    if (this.#latest.get(name)?.hash === entry.hash) return;
    this.#latest.set(name, entry);
    for (const watcher of [...this.#watchers]) watcher(entry);
  }

  async latest(workflow: string): Promise<RegisteredDefinition | undefined> {
    return isName(workflow) ? this.#latest.get(workflow) : undefined;
  }

  async list(): Promise<RegisteredDefinition[]> {
    return [...this.#latest.values()].toSorted((a, b) => (a.definition.name < b.definition.name ? -1 : 1));
  }

  async watch(onDefinition: (entry: RegisteredDefinition) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#watchers.add(onDefinition);
    signal.addEventListener("abort", () => this.#watchers.delete(onDefinition));
    for (const entry of await this.list()) onDefinition(entry);
  }
}

export class MemoryPayloads implements PayloadStore {
  /** In the order of their last use. */
  readonly #bodies = new Map<string, Body>();
  #revision = 0;

  constructor(
    readonly maxBytes: number = PAYLOAD_BYTES_MAX,
    readonly maxStreamedBytes: number = ARTIFACT_BYTES_MAX,
    private readonly clock: Pick<Clock, "nowMs"> = systemClock,
  ) {}

  async put(body: Uint8Array): Promise<PayloadRef> {
    if (body.length > this.maxBytes) throw payloadTooLarge("a payload", body.length, this.maxBytes);
    return this.#keep([new Uint8Array(body)]);
  }

  async get(ref: PayloadRef): Promise<Uint8Array> {
    const body = Buffer.concat(this.#find(ref));
    if (isBody(ref, body.length, createHash("sha256").update(body).digest())) return new Uint8Array(body);
    throw payloadCorrupt(ref, body.length);
  }

  async putStream(pieces: AsyncIterable<Uint8Array>): Promise<PayloadRef> {
    const kept: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of pieces) {
      bytes += piece.length;
      if (bytes > this.maxStreamedBytes) throw payloadTooLarge("an artifact", bytes, this.maxStreamedBytes);
      kept.push(new Uint8Array(piece));
    }
    return this.#keep(kept);
  }

  async *getStream(ref: PayloadRef): AsyncGenerator<Uint8Array> {
    const digest = createHash("sha256");
    let bytes = 0;
    for (const piece of this.#find(ref)) {
      digest.update(piece);
      bytes += piece.length;
      yield new Uint8Array(piece);
    }
    if (!isBody(ref, bytes, digest.digest())) throw payloadCorrupt(ref, bytes);
  }

  async listUnused(beforeMs: number, limit: number, after: number): Promise<StoredObject[]> {
    return [...this.#bodies]
      .filter(([, { usedAtMs, revision }]) => usedAtMs < beforeMs && revision > after)
      .slice(0, limit)
      .map(([name, { bytes, usedAtMs, revision }]) => ({ name, bytes, usedAtMs, revision }));
  }

  async touch(name: string): Promise<void> {
    const body = this.#bodies.get(name);
    if (body !== undefined) this.#use(name, body.pieces, body.bytes);
  }

  async remove({ name, revision }: StoredObject): Promise<boolean> {
    return this.#bodies.get(name)?.revision === revision && this.#bodies.delete(name);
  }

  #use(name: string, pieces: readonly Uint8Array[], bytes: number): void {
    this.#bodies.delete(name);
    this.#bodies.set(name, { pieces, bytes, usedAtMs: this.clock.nowMs(), revision: ++this.#revision });
  }

  async #keep(pieces: readonly Uint8Array[]): Promise<PayloadRef> {
    const digest = createHash("sha256");
    const named = new NamedObjects();
    let bytes = 0;
    for (const piece of pieces) {
      digest.update(piece);
      named.add(piece);
      bytes += piece.length;
    }
    for (const name of named.names) await this.touch(name);
    const sha256 = digest.digest();
    const name = sha256.toString("hex");
    this.#use(name, pieces, bytes);
    return init(PayloadRefSchema, { name, size: BigInt(bytes), sha256: new Uint8Array(sha256) });
  }

  #find({ name }: PayloadRef): readonly Uint8Array[] {
    const body = this.#bodies.get(name);
    if (body === undefined) throw payloadNotFound(name);
    return body.pieces;
  }
}

interface Body {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly usedAtMs: number;
  readonly revision: number;
}
