/**
 * A command log for this folder's tests that fails as it is told to: it loses answers, refuses sizes and stands still.
 * Only appends; entries are kept to be looked at. Nothing outside of tests imports it.
 */
import type { CommandLog, LogEntry, LogInfo } from "../ports/command-log.js";
import { PortError } from "../ports/errors.js";

export class ScriptedLog implements CommandLog {
  maxEntryBytes = 1024 * 1024;
  /** As a server whose limits were lowered behind the client's back. */
  refuseBeyondBytes = Number.POSITIVE_INFINITY;
  onStored: ((partition: number, seq: number, data: Uint8Array) => void) | undefined;
  /** Every try's bytes, as they were. */
  readonly tried: Uint8Array[] = [];
  readonly #stored: Uint8Array[][];
  readonly #failures: PortError[] = [];
  #always: PortError | undefined;
  #held: (() => void)[] | undefined;

  constructor(readonly partitions: number) {
    this.#stored = Array.from({ length: partitions }, () => []);
  }

  get pending(): number {
    return this.#held?.length ?? 0;
  }

  failNext(...errors: PortError[]): void {
    this.#failures.push(...errors);
  }

  failAlways(error: PortError): void {
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

  async append(partition: number, data: Uint8Array): Promise<number> {
    this.tried.push(data.slice());
    const failure = this.#failures.shift() ?? this.#always;
    if (failure !== undefined) throw failure;
    if (data.length > this.refuseBeyondBytes) throw new PortError("too-large", "beyond the limit");
    const held = this.#held;
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve));
    const stored = this.#stored[partition] ?? [];
    const seq = stored.push(data.slice());
    this.onStored?.(partition, seq, data);
    return seq;
  }

  info(partition: number): Promise<LogInfo> {
    return Promise.resolve({
      createdNs: 1n,
      firstSeq: 1,
      lastSeq: this.entries(partition).length,
      bytes: this.entries(partition).reduce((sum, data) => sum + data.length, 0),
    });
  }

  entry(partition: number, seq: number): Promise<LogEntry | undefined> {
    const data = this.entries(partition)[seq - 1];
    return Promise.resolve(data === undefined ? undefined : { seq, atNs: BigInt(seq), data });
  }

  async *read(): AsyncIterable<readonly LogEntry[]> {}
}
