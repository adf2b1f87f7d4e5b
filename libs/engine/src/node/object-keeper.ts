/**
 * Removes from the object store what nothing has referred to for long: payloads and artifacts of runs that were pruned.
 *
 * 1. Only what is not used goes, and only long after its last use: what is still referred to is noted as used while half of that time is left,
 *    so that neither a sweep that finds nothing, nor one that overlooks what is on its way from one place to another, removes anything.
 * 2. A reference ends with its run, in the log: what is removed was pruned long before.
 * 3. Where any partition does not answer, nothing is removed.
 * 4. What an object in use refers to is in use.
 * 5. One that is killed, or two at once, do no harm: each object is removed by itself, unless it was used meanwhile.
 */
import { PayloadRefSchema, ReferencesQuerySchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Logger } from "@holdfast/telemetry";
import type { QueryClient } from "../client/query-client.js";
import type { EngineLimits } from "../partition/limits.js";
import type { Clock } from "../ports/clock.js";
import { PortError } from "../ports/errors.js";
import { NamedObjects } from "../ports/object-names.js";
import type { PayloadStore, StoredObject } from "../ports/registry.js";

const LIST_PAGE = 1_000;
/** Objects that one sweep looks at; the next one goes on. */
const OBJECTS_A_SWEEP = 100_000;

export interface ObjectKeeperDeps {
  readonly payloads: PayloadStore;
  readonly queries: QueryClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: EngineLimits;
  /** Unix milliseconds by the log, which is on the server that dates the objects. */
  readonly nowMs: () => number;
  /** One node of the cluster does it. */
  readonly isMine: () => boolean;
  readonly removed: { inc(by?: number): void };
}

export class ObjectKeeper {
  private cancel: (() => void) | undefined;
  private stopped = true;

  constructor(private readonly deps: ObjectKeeperDeps) {}

  begin(): void {
    this.stopped = false;
    this.sleep();
  }

  stop(): void {
    this.stopped = true;
    this.cancel?.();
    this.cancel = undefined;
  }

  private sleep(): void {
    this.cancel = this.deps.clock.after(this.deps.limits.objectSweepPauseMs, () => void this.sweep());
  }

  private async sweep(): Promise<void> {
    const { logger, isMine } = this.deps;
    try {
      if (isMine()) await this.sweepObjects();
    } catch (error) {
      if (!this.stopped)
        logger.warn("objects that nothing uses could not be removed; it is tried again", { err: error });
    }
    if (!this.stopped) this.sleep();
  }

  private async sweepObjects(): Promise<void> {
    const { limits, logger, payloads, removed } = this.deps;
    const nowMs = this.deps.nowMs();
    const looked = await this.unused(nowMs - limits.objectsKeptMs / 2);
    if (looked.size === 0) return;
    const used = await this.usedOf(looked);
    let [gone, bytes] = [0, 0];
    for (const object of looked.values()) {
      if (this.stopped) return;
      if (used.has(object.name)) await payloads.touch(object.name);
      else if (object.usedAtMs < nowMs - limits.objectsKeptMs && (await payloads.remove(object))) {
        gone += 1;
        bytes += object.bytes;
        removed.inc();
      }
    }
    logger.info("objects that nothing uses were removed", {
      looked: looked.size,
      used: used.size,
      gone,
      bytes,
    });
  }

  private async unused(beforeMs: number): Promise<Map<string, StoredObject>> {
    const found = new Map<string, StoredObject>();
    for (let after = 0; found.size < OBJECTS_A_SWEEP; ) {
      const page = await this.deps.payloads.listUnused(beforeMs, LIST_PAGE, after);
      for (const object of page) found.set(object.name, object);
      const last = page.at(-1);
      if (last === undefined || page.length < LIST_PAGE) break;
      after = last.revision;
    }
    return found;
  }

  /** Of these, what any partition's state refers to, and what is named in that. */
  private async usedOf(looked: ReadonlyMap<string, StoredObject>): Promise<Set<string>> {
    const { queries } = this.deps;
    const used = new Set<string>();
    for (let partition = 0; partition < queries.partitions; partition++) {
      let after = new Uint8Array();
      do {
        const value = init(ReferencesQuerySchema, { after });
        const answer = await queries.query(partition, { case: "references", value });
        if (answer.case !== "references")
          throw new PortError(
            "unavailable",
            `partition ${partition} does not say what it refers to: its node is of another version`,
          );
        for (const name of answer.value.names) if (looked.has(name)) used.add(name);
        after = new Uint8Array(answer.value.next);
      } while (after.length > 0 && !this.stopped);
    }
    if (this.stopped) throw new PortError("closed", "the node was stopped");
    // A set is gone through with what is added to it meanwhile.
    for (const name of used) {
      const object = looked.get(name);
      if (object === undefined) continue;
      for (const named of await this.namedIn(object)) if (looked.has(named)) used.add(named);
    }
    return used;
  }

  private async namedIn({ name, bytes }: StoredObject): Promise<ReadonlySet<string>> {
    const ref = init(PayloadRefSchema, {
      name,
      size: BigInt(bytes),
      sha256: new Uint8Array(Buffer.from(name, "hex")),
    });
    const found = new NamedObjects();
    try {
      for await (const piece of this.deps.payloads.getStream(ref)) found.add(piece);
    } catch (error) {
      // A body that can't be read leads nowhere, also for those who would use it.
      const { code } = error instanceof PortError ? error : { code: "" };
      if (code !== "not-found" && code !== "corrupt") throw error;
    }
    return found.names;
  }
}
