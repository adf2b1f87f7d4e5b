/**
 * Traffic that nobody should send: what was heard on the bus, damaged or forged, on every subject of Holdfast and on inboxes.
 *
 * 1. Half of it is damaged bytes; half is read, changed in one to four places to what is likely to hurt (numbers at their ends, ids and subjects of
 *    others, texts that are no names), and written again.
 * 2. The same seed and the same samples give the same traffic.
 * 3. What names a run that is to be spared is no sample: nothing that is sent is about such a run, so all of it must end as computed.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ROLL_CALL, WORK_PREFIX, WORKER_BEAT } from "@holdfast/engine";
import {
  CommandBatchSchema,
  OutcomeBatchSchema,
  QueryRequestSchema,
  RollCallSchema,
  WorkerBeatSchema,
  WorkerInboxSchema,
} from "@holdfast/proto";
import type { NatsConnection } from "nats";
import { Random } from "./random.js";

const SAMPLES_A_KIND = 400;
const CHANGES_MAX = 4;

interface Sample {
  readonly subject: string;
  readonly data: Uint8Array;
}

/** By the beginning of a subject. */
const KINDS: readonly { readonly prefix: string; readonly schemas: readonly DescMessage[] }[] = [
  { prefix: WORKER_BEAT, schemas: [WorkerBeatSchema] },
  { prefix: ROLL_CALL, schemas: [RollCallSchema] },
  { prefix: "holdfast.log.", schemas: [CommandBatchSchema] },
  { prefix: "holdfast.query.", schemas: [QueryRequestSchema] },
  { prefix: WORK_PREFIX, schemas: [] },
  { prefix: "holdfast.node", schemas: [] },
  { prefix: "_INBOX.", schemas: [WorkerInboxSchema, OutcomeBatchSchema] },
  { prefix: "holdfast.", schemas: [] },
];

const NUMBERS = [0, 1, 2, 7, 63, 255, 1_024, 65_535, 1_000_000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const BIG = [
  0n,
  1n,
  2n,
  1n << 20n,
  1n << 31n,
  1n << 32n,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];
const TEXTS = [
  "",
  " ",
  "a b",
  "*",
  ">",
  "a.*",
  "..",
  "$JS.API.STREAM.DELETE.HOLDFAST_LOG_0",
  "$JS.API.STREAM.PURGE.HOLDFAST_LOG_1",
  "holdfast.log.0",
  "__proto__",
  "constructor",
  "toString",
  "\0",
  "ü",
  "\u{1f9e8}",
  "x".repeat(300),
  "x".repeat(70_000),
  "node-0",
  "worker-forged",
  "default",
  "single",
  "(a+)+$",
  "%s%n",
  "../../etc",
  "\r\nPUB x 0\r\n",
];

/** Begins the ids of runs that no hostile message names. */
export const SPARED = "spared-";

export class HostileTraffic {
  sent = 0;
  private readonly samples = KINDS.map((): Sample[] => []);
  /** Texts that were heard: ids, names, inboxes. */
  private readonly words: string[] = [];
  private heard = 0;
  private readonly random: Random;

  constructor(
    private readonly nats: NatsConnection,
    seed: number,
  ) {
    this.random = new Random(seed);
  }

  /** Hears what honest processes say, until the connection ends. */
  listen(): void {
    for (const subject of ["holdfast.>", "_INBOX.>"]) {
      this.nats.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) this.take({ subject: message.subject, data: message.data.slice() });
        },
      });
    }
  }

  get sampled(): number {
    return this.samples.reduce((sum, list) => sum + list.length, 0);
  }

  private take(sample: Sample): void {
    if (Buffer.from(sample.data).includes(SPARED)) return;
    const kind = KINDS.findIndex(({ prefix }) => sample.subject.startsWith(prefix));
    const list = this.samples[kind];
    if (list === undefined) return;
    this.heard += 1;
    if (list.length < SAMPLES_A_KIND) list.push(sample);
    else list[this.heard % SAMPLES_A_KIND] = sample;
    if (this.words.length < 2_000 && this.heard % 5 === 0) this.words.push(sample.subject);
  }

  /** One message. */
  send(): void {
    const kind = this.below(KINDS.length);
    const list = this.samples[kind] ?? [];
    const sample = list[this.below(Math.max(list.length, 1))];
    if (sample === undefined) return;
    const { schemas = [] } = KINDS[kind] ?? {};
    const schema = schemas[this.below(Math.max(schemas.length, 1))];
    const forged = schema !== undefined && this.below(2) === 0 ? this.forge(schema, sample.data) : undefined;
    const data = forged ?? this.damage(sample.data);
    // Now and then to where another kind of message belongs.
    const subject = this.below(20) === 0 ? this.otherSubject(sample.subject) : sample.subject;
    this.sent += 1;
    this.nats.publish(subject, data);
  }

  private otherSubject(subject: string): string {
    const list = this.samples[this.below(this.samples.length)] ?? [];
    return list[this.below(Math.max(list.length, 1))]?.subject ?? subject;
  }

  private damage(data: Uint8Array): Uint8Array {
    switch (this.below(6)) {
      case 0:
        return data.slice(0, this.below(data.length + 1));
      case 1:
        return Uint8Array.from({ length: this.below(200) }, () => this.below(256));
      case 2: {
        const at = this.below(data.length + 1);
        const more = Uint8Array.from({ length: this.below(16) }, () => this.below(256));
        return Uint8Array.from([...data.slice(0, at), ...more, ...data.slice(at)]);
      }
      default: {
        const copy = data.slice();
        if (copy.length > 0)
          for (let n = this.below(8); n >= 0; n--) copy[this.below(copy.length)] = this.below(256);
        return copy;
      }
    }
  }

  private forge(schema: DescMessage, data: Uint8Array): Uint8Array | undefined {
    try {
      const message = fromBinary(schema, data) as unknown as Record<string, unknown>;
      this.gather(message);
      for (let n = this.below(CHANGES_MAX); n >= 0; n--) this.change(message);
      return toBinary(schema, message as never);
    } catch {
      return undefined;
    }
  }

  private gather(message: Record<string, unknown>): void {
    for (const value of Object.values(message))
      if (typeof value === "string" && value !== "" && this.words.length < 4_000) this.words.push(value);
  }

  /** Somewhere in the message, on the way down. */
  private change(message: Record<string, unknown>): void {
    const keys = Object.keys(message).filter((key) => !key.startsWith("$"));
    const key = keys[this.below(Math.max(keys.length, 1))];
    if (key === undefined) return;
    const value = message[key];
    if (typeof value === "number") message[key] = this.number(value);
    else if (typeof value === "bigint") message[key] = this.big(value);
    else if (typeof value === "boolean") message[key] = !value;
    else if (typeof value === "string" && key !== "case") message[key] = this.text();
    else if (value instanceof Uint8Array) message[key] = this.damage(value);
    else if (Array.isArray(value)) this.changeList(value as unknown[]);
    else if (typeof value === "object" && value !== null) this.change(value as Record<string, unknown>);
  }

  private changeList(list: unknown[]): void {
    const at = this.below(Math.max(list.length, 1));
    const one = list[at];
    if (one === undefined) return;
    const what = this.below(5);
    if (what === 0) list.splice(at, 1);
    else if (what === 1) list.push(...Array.from({ length: this.below(50) }, () => one));
    else if (typeof one === "object" && one !== null && !(one instanceof Uint8Array))
      this.change(one as Record<string, unknown>);
    else if (typeof one === "string") list[at] = this.text();
  }

  private number(value: number): number {
    const near = [value + 1, Math.max(0, value - 1)];
    return this.below(3) === 0 ? this.pick(near) : this.pick(NUMBERS);
  }

  /** Near what it was, too: the next epoch, the next number of a batch. */
  private big(value: bigint): bigint {
    const near = [value + 1n, value > 0n ? value - 1n : 0n, value + 5n];
    return this.below(2) === 0 ? this.pick(near) : this.pick(BIG);
  }

  private text(): string {
    return this.below(2) === 0 && this.words.length > 0 ? this.pick(this.words) : this.pick(TEXTS);
  }

  private below(most: number): number {
    return most < 1 ? 0 : this.random.between(0, most - 1);
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
