/**
 * When objects of the payload bucket were last used, and what becomes of those that were not for long. An object's description is published anew with
 * each use, so the stream has them in the order of their last use, by the server's clock.
 *
 * 1. A use and a removal of the same object are told apart by the sequence of its description: whichever is stored first wins, and the other one
 *    knows that it has lost. So nothing is removed that somebody was told is there.
 * 2. A removal is stored before a chunk goes: an object that can be found is whole. One that breaks off leaves chunks that take room and nothing
 *    else.
 */
import { PAYLOADS_BUCKET, PortError, type StoredObject } from "@holdfast/engine";
import { headers } from "nats";
import { JS_ERR } from "./errors.js";
import type { JetStreamApi, StoredMessage } from "./js-api.js";
import { chunkSubject, metaSubject, OBJECTS_STREAM } from "./object-chunks.js";
import type { StreamPublisher } from "./publisher.js";

const MS = 1_000_000n;
const ALL_DESCRIPTIONS = `$O.${PAYLOADS_BUCKET}.M.>`;
/** A use is noted where the last one is older. What is removed was not used for far longer. */
const USE_NOTED_AFTER_MS = 24 * 3_600_000;

/** As the client's object store has it. */
interface Description {
  readonly name: string;
  readonly nuid: string;
  readonly size: number;
  readonly deleted?: boolean;
}

export class ObjectUse {
  constructor(
    private readonly api: JetStreamApi,
    private readonly publisher: StreamPublisher,
  ) {}

  /** An object that was found goes on being there: false where it was removed meanwhile, and is to be stored again. */
  async stays(name: string): Promise<boolean> {
    for (;;) {
      const found = await this.find(name);
      if (found === undefined) return false;
      if (ageMs(found.message) < USE_NOTED_AFTER_MS || (await this.note(found))) return true;
    }
  }

  /** Objects that something refers to which is about to be stored. */
  async touchOld(names: ReadonlySet<string>): Promise<void> {
    for (const name of names) await this.stays(name);
  }

  async touch(name: string): Promise<void> {
    const found = await this.find(name);
    // Where somebody was faster, it was used or removed just now.
    if (found !== undefined) await this.note(found);
  }

  async listUnused(beforeMs: number, limit: number, after: number): Promise<StoredObject[]> {
    const listed: StoredObject[] = [];
    for (let seq = after + 1; listed.length < limit; ) {
      const message = await this.api.message(OBJECTS_STREAM, { seq, next_by_subj: ALL_DESCRIPTIONS });
      if (message === undefined) break;
      const usedAtMs = Number(message.atNs / MS);
      if (usedAtMs >= beforeMs) break;
      seq = message.seq + 1;
      const { name, size, nuid, deleted } = descriptionOf(message);
      if (deleted === true) await this.clear(nuid, message.seq);
      else listed.push({ name, bytes: size, usedAtMs, revision: message.seq });
    }
    return listed;
  }

  async remove({ name, revision }: StoredObject): Promise<boolean> {
    const found = await this.find(name);
    if (found === undefined || found.message.seq !== revision) return false;
    const { description } = found;
    const removed = { ...description, size: 0, chunks: 0, digest: "", deleted: true };
    const seq = await this.replace(name, removed, revision);
    if (seq === undefined) return false;
    await this.clear(description.nuid, seq);
    return true;
  }

  /** Removes the chunks of an object that was removed, then the last trace of it. */
  private async clear(nuid: string, seq: number): Promise<void> {
    await this.api.purgeSubject(OBJECTS_STREAM, chunkSubject(nuid));
    // Gone already where the same content was stored again.
    await this.api.deleteMessage(OBJECTS_STREAM, seq);
  }

  /** Undefined where there is none, or none any more. */
  private async find(
    name: string,
  ): Promise<{ readonly message: StoredMessage; readonly description: Description } | undefined> {
    const message = await this.api.message(OBJECTS_STREAM, { last_by_subj: metaSubject(name) });
    if (message === undefined) return undefined;
    const description = descriptionOf(message);
    return description.deleted === true ? undefined : { message, description };
  }

  /** False where something happened to it meanwhile. */
  private async note({
    message,
    description,
  }: {
    readonly message: StoredMessage;
    readonly description: Description;
  }): Promise<boolean> {
    const used = { ...description, mtime: new Date().toISOString() };
    return (await this.replace(description.name, used, message.seq)) !== undefined;
  }

  /** The sequence of the new description; undefined where the old one is not the last any more. */
  private async replace(name: string, description: object, seq: number): Promise<number | undefined> {
    const conditions = headers();
    conditions.set("Nats-Rollup", "sub");
    conditions.set("Nats-Expected-Last-Subject-Sequence", String(seq));
    const data = Buffer.from(JSON.stringify(description));
    try {
      return (await this.publisher.publish(OBJECTS_STREAM, metaSubject(name), data, conditions)).seq;
    } catch (error) {
      if (error instanceof PortError && error.details["errCode"] === JS_ERR.wrongLastSequence)
        return undefined;
      throw error;
    }
  }
}

const descriptionOf = ({ data }: StoredMessage): Description =>
  JSON.parse(Buffer.from(data).toString("utf8")) as Description;

/** By this process's clock, against the server's: both days off would be needed to matter. */
const ageMs = ({ atNs }: StoredMessage): number => Date.now() - Number(atNs / MS);
