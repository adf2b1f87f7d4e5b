/** The registry of definitions and the payload store in memory, for tests and simulations. */
import { createHash } from "node:crypto";
import { isName, nameProblem } from "@holdfast/core";
import { type PayloadRef, PayloadRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { PAYLOAD_BYTES_MAX } from "../client/payloads.js";
import {
  type DefinitionRegistry,
  type PayloadStore,
  PortError,
  type RegisteredDefinition,
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
  readonly #bodies = new Map<string, Uint8Array>();

  constructor(readonly maxBytes: number = PAYLOAD_BYTES_MAX) {}

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
    const sha256 = createHash("sha256").update(body).digest();
    const name = sha256.toString("hex");
    this.#bodies.set(name, body.slice());
    return init(PayloadRefSchema, { name, size: BigInt(body.length), sha256: new Uint8Array(sha256) });
  }

  async get({ name, size, sha256 }: PayloadRef): Promise<Uint8Array> {
    const body = this.#bodies.get(name);
    if (body === undefined)
      throw new PortError("not-found", `payload ${name.slice(0, 80)} is not in the store`);
    const digest = createHash("sha256").update(body).digest();
    if (BigInt(body.length) === size && digest.equals(sha256)) return body.slice();
    throw new PortError("corrupt", `payload ${name} is not what its reference says`, {
      name,
      bytes: body.length,
    });
  }
}
