/**
 * What was decided about rejected work, in a stream of its own: one message for each rejected one.
 *
 * 1. The first decision counts: the server stores the second under its subject never.
 * 2. It is stored before anything is done, with all that is needed to do it: whoever comes next can finish what was cut short.
 *
 * The stream is made with the first decision: clusters from before have none. It keeps the newest, for a month.
 */
import { createHash } from "node:crypto";
import {
  checkDecided,
  type Decided,
  DECIDED_PREFIX,
  DECIDED_STREAM,
  type PayloadStore,
  PortError,
  REJECTED_STREAM,
  type RejectedDecision,
  type ReplayedAs,
} from "@holdfast/engine";
import { PayloadRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { headers } from "nats";
import { JS_ERR, JsApiError } from "./errors.js";
import type { JetStreamApi, StoredMessage } from "./js-api.js";
import type { StreamPublisher } from "./publisher.js";
import type { BodyRef } from "./rejected-message.js";

const DECIDED_MAX = 100_000;
const DECIDED_BYTES_MAX = 256 * 1024 * 1024;
const DECIDED_AGE_NS = 30 * 24 * 3_600e9;
const DUPLICATE_WINDOW_MIN_NS = 100e6;

interface Parts {
  readonly api: JetStreamApi;
  readonly publisher: StreamPublisher;
  readonly payloads: PayloadStore;
}

interface StoredDecision extends Omit<Decided, "edited"> {
  readonly as?: Omit<ReplayedAs, "data"> & {
    readonly body: { readonly name: string; readonly size: string };
  };
}

export class RejectedDecisions {
  constructor(private readonly parts: Parts) {}

  /** What counts for this message: this decision, or the one before. `of`: names the message for ever. */
  async take(
    of: string,
    wanted: Omit<RejectedDecision, "edited">,
    as: ReplayedAs | undefined,
  ): Promise<Decided & { readonly as: ReplayedAs | undefined }> {
    const before = await this.find(of);
    if (before !== undefined) return this.agreed(before, wanted, as);
    const mine: StoredDecision = {
      ...wanted,
      edit: editName(as),
      ...(as === undefined ? {} : { as: await this.kept(as) }),
    };
    const hdrs = headers();
    hdrs.set("Nats-Expected-Last-Subject-Sequence", "0");
    try {
      await this.publish(of, Buffer.from(JSON.stringify(mine)), hdrs);
    } catch (thrown) {
      // Somebody was first, or this one is there and its answer was lost.
      const counts = isTaken(thrown) ? await this.find(of) : undefined;
      if (counts === undefined) throw thrown;
      return this.agreed(counts, wanted, as);
    }
    return { ...mine, edited: as !== undefined, as };
  }

  /** The newest first. */
  async list(limit: number): Promise<RejectedDecision[]> {
    const info = await this.parts.api.findStream(DECIDED_STREAM);
    const found: RejectedDecision[] = [];
    for (
      let seq = info?.lastSeq ?? 0;
      seq >= (info?.firstSeq ?? 1) && seq > 0 && found.length < limit;
      seq--
    ) {
      const stored = await this.parts.api.message(DECIDED_STREAM, { seq });
      if (stored === undefined) continue;
      const { id, what, subject, who, reason, atMs, as } = read(stored);
      found.push({ id, what, subject, who, reason, atMs, edited: as !== undefined });
    }
    return found;
  }

  async find(of: string): Promise<StoredDecision | undefined> {
    try {
      const stored = await this.parts.api.message(DECIDED_STREAM, { last_by_subj: DECIDED_PREFIX + of });
      return stored === undefined ? undefined : read(stored);
    } catch (thrown) {
      if (thrown instanceof JsApiError && thrown.errCode === JS_ERR.streamNotFound) return undefined;
      throw thrown;
    }
  }

  private async publish(of: string, data: Uint8Array, hdrs: ReturnType<typeof headers>): Promise<void> {
    const { api, publisher } = this.parts;
    if ((await api.findStream(DECIDED_STREAM)) === undefined) await this.create();
    await publisher.publish(DECIDED_STREAM, DECIDED_PREFIX + of, data, hdrs);
  }

  private async create(): Promise<void> {
    const { api } = this.parts;
    // As many copies as that has whose messages it is about.
    const replicas = (await api.streamInfo(REJECTED_STREAM)).config.num_replicas ?? 1;
    try {
      await api.createStream({
        name: DECIDED_STREAM,
        subjects: [`${DECIDED_PREFIX}>`],
        retention: "limits",
        storage: "file",
        discard: "old",
        max_bytes: DECIDED_BYTES_MAX,
        max_msg_size: -1,
        max_msgs: DECIDED_MAX,
        max_msgs_per_subject: 1,
        max_age: DECIDED_AGE_NS,
        num_replicas: replicas,
        duplicate_window: DUPLICATE_WINDOW_MIN_NS,
        deny_delete: false,
        deny_purge: false,
        allow_rollup_hdrs: false,
        allow_direct: false,
      });
    } catch (thrown) {
      if (!(thrown instanceof JsApiError) || thrown.errCode !== JS_ERR.streamNameInUse) throw thrown;
    }
  }

  private async kept({
    subject,
    data,
    headers: given,
  }: ReplayedAs): Promise<NonNullable<StoredDecision["as"]>> {
    const { name, size } = await this.parts.payloads.put(data);
    return { subject, headers: given, body: { name, size: String(size) } };
  }

  /** What was decided before, where that is what is wanted now. */
  private async agreed(
    { as: stored, ...decision }: StoredDecision,
    { what }: Pick<RejectedDecision, "what">,
    wanted: ReplayedAs | undefined,
  ): Promise<Decided & { readonly as: ReplayedAs | undefined }> {
    const counts = { ...decision, edited: stored !== undefined };
    checkDecided(counts, { what, edit: editName(wanted) });
    if (stored === undefined || wanted !== undefined) return { ...counts, as: wanted };
    const { subject, headers: given, body } = stored;
    const data = await bodyOf(this.parts.payloads, { name: body.name, size: BigInt(body.size) });
    return { ...counts, as: { subject, headers: given, data } };
  }
}

/** A body that is kept in the object store, or its first bytes: those are not held against its digest. */
export async function bodyOf(payloads: PayloadStore, ref: BodyRef, bytesMax?: number): Promise<Uint8Array> {
  const sha256 = new Uint8Array(Buffer.from(ref.name, "hex"));
  const stored = init(PayloadRefSchema, { ...ref, sha256 });
  if (bytesMax === undefined || ref.size <= BigInt(bytesMax)) return payloads.get(stored);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of payloads.getStream(stored)) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= bytesMax) break;
  }
  return Buffer.concat(pieces).subarray(0, bytesMax);
}

/** Names what a message was changed to; empty: nothing. */
function editName(as: ReplayedAs | undefined): string {
  if (as === undefined) return "";
  const said = JSON.stringify([as.subject, as.headers]);
  return createHash("sha256").update(said).update("\0").update(as.data).digest("hex");
}

const read = ({ data }: StoredMessage): StoredDecision =>
  JSON.parse(Buffer.from(data).toString("utf8")) as StoredDecision;

const isTaken = (thrown: unknown): boolean =>
  thrown instanceof PortError && WRONG_SEQUENCE.has(thrown.details["errCode"] as number);

const WRONG_SEQUENCE: ReadonlySet<number> = new Set([
  JS_ERR.wrongLastSequence,
  JS_ERR.wrongLastSequenceConstant,
]);
