/**
 * The command log in memory, failing as a test tells it to: it loses answers, refuses sizes and stands still.
 * Nothing outside of tests imports it.
 */
import { MemoryCommandLog } from "../memory/index.js";
import { PortError } from "../ports/errors.js";

export class ScriptedLog extends MemoryCommandLog {
  /** As a server whose limits were lowered behind the client's back. */
  refuseBeyondBytes = Number.POSITIVE_INFINITY;
  onStored: ((partition: number, seq: number, data: Uint8Array) => void) | undefined;
  /** Every try's bytes, as they were. */
  readonly tried: Uint8Array[] = [];
  readonly #stored: Uint8Array[][];
  readonly #failures: PortError[] = [];
  #always: PortError | undefined;
  #held: (() => void)[] | undefined;

  constructor(partitions: number, maxEntryBytes = 1024 * 1024) {
    let nowNs = 0n;
    super({ partitions, maxEntryBytes, nowNs: () => ++nowNs });
    this.#stored = Array.from({ length: partitions }, () => []);
  }

  get pending(): number {
    return this.#held?.length ?? 0;
  }

  failNext(...errors: PortError[]): void {
    this.#failures.push(...errors);
  }

  /** Undefined: it works again. */
  failAlways(error: PortError | undefined): void {
    this.#always = error;
  }

  hold(): void {
    this.#held = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const go of held) go();
  }

  entries(partition: number): readonly Uint8Array[] {
    return this.#stored[partition] ?? [];
  }

  override async append(partition: number, data: Uint8Array): Promise<number> {
    this.tried.push(data.slice());
    const failure = this.#failures.shift() ?? this.#always;
    if (failure !== undefined) throw failure;
    if (data.length > this.refuseBeyondBytes) throw new PortError("too-large", "beyond the limit");
    const held = this.#held;
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve));
    const seq = await super.append(partition, data);
    this.#stored[partition]?.push(data.slice());
    this.onStored?.(partition, seq, data);
    return seq;
  }
}
