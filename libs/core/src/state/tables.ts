/**
 * The layout of a partition's state: every table, its key and its record. Keys are binary strings (a char is a byte).
 *
 * 1. The first char names the table, so that one key tells its record's schema.
 * 2. Numbers in keys are big-endian and of fixed width: byte order is their order.
 * 3. Ids hold no NUL (names.ts), so a NUL ends them.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  type AppliedRecord,
  AppliedRecordSchema,
  type AttentionRecord,
  AttentionRecordSchema,
  type BreakerName,
  type BreakerRecord,
  BreakerRecordSchema,
  type CountsRecord,
  CountsRecordSchema,
  type DeadLetterRecord,
  DeadLetterRecordSchema,
  type DefinitionRecord,
  DefinitionRecordSchema,
  type EventChunkRecord,
  EventChunkRecordSchema,
  type BreachListRecord,
  BreachListRecordSchema,
  type ExpiryRecord,
  ExpiryRecordSchema,
  type ForgetRecord,
  ForgetRecordSchema,
  type GarbageRecord,
  GarbageRecordSchema,
  type HeldItemsRecord,
  HeldItemsRecordSchema,
  type HeldKeysRecord,
  HeldKeysRecordSchema,
  type HeldRecord,
  HeldRecordSchema,
  type ItemChunkRecord,
  ItemChunkRecordSchema,
  type ItemInputsRecord,
  ItemInputsRecordSchema,
  type ItemRecord,
  ItemRecordSchema,
  type LatestRecord,
  LatestRecordSchema,
  type MessageMarkRecord,
  MessageMarkRecordSchema,
  type OutboxRecord,
  OutboxRecordSchema,
  type OutcomeRecord,
  OutcomeRecordSchema,
  type PayloadRecord,
  PayloadRecordSchema,
  type RetentionRecord,
  RetentionRecordSchema,
  type RollupRecord,
  RollupRecordSchema,
  RunStatus,
  type ScheduleRecord,
  ScheduleRecordSchema,
  type RunRecord,
  RunRecordSchema,
  type SignatureListRecord,
  SignatureListRecordSchema,
  type SignatureRecord,
  SignatureRecordSchema,
  type StepRecord,
  StepRecordSchema,
  type SweepRecord,
  SweepRecordSchema,
  type TimerRecord,
  TimerRecordSchema,
  type TombstoneRecord,
  TombstoneRecordSchema,
  type BulkCandidateRecord,
  BulkCandidateRecordSchema,
  type BulkRecord,
  BulkRecordSchema,
  type BulkResultsRecord,
  BulkResultsRecordSchema,
  type BulkShareRecord,
  BulkShareRecordSchema,
} from "@holdfast/proto";
import { INPUTS_A_RECORD, ITEMS_A_CHUNK } from "../limits.js";
import { fromUtf8, utf8 } from "../text.js";
import { readU32, readU64, u16, u32, u64 } from "./key-numbers.js";

/** A key that says which record stands under it. */
export type Key<M> = string & { readonly record?: M };

const SCHEMAS: Readonly<Record<string, DescMessage>> = {
  A: AppliedRecordSchema,
  d: DefinitionRecordSchema,
  l: LatestRecordSchema,
  r: RunRecordSchema,
  c: ItemChunkRecordSchema,
  n: ItemInputsRecordSchema,
  i: ItemRecordSchema,
  s: StepRecordSchema,
  p: PayloadRecordSchema,
  h: EventChunkRecordSchema,
  t: TimerRecordSchema,
  k: OutcomeRecordSchema,
  w: CountsRecordSchema,
  o: OutboxRecordSchema,
  m: MessageMarkRecordSchema,
  // A status index row says all in its key; its record is empty.
  x: LatestRecordSchema,
  y: ExpiryRecordSchema,
  z: RetentionRecordSchema,
  q: TombstoneRecordSchema,
  j: ForgetRecordSchema,
  u: RollupRecordSchema,
  v: SweepRecordSchema,
  g: GarbageRecordSchema,
  a: BulkRecordSchema,
  b: BulkShareRecordSchema,
  C: BulkCandidateRecordSchema,
  R: BulkResultsRecordSchema,
  B: BreakerRecordSchema,
  H: HeldRecordSchema,
  L: HeldKeysRecordSchema,
  M: HeldItemsRecordSchema,
  e: ScheduleRecordSchema,
  E: PayloadRecordSchema,
  f: SignatureRecordSchema,
  S: SignatureListRecordSchema,
  // Says all in its key.
  G: LatestRecordSchema,
  D: DeadLetterRecordSchema,
  K: AttentionRecordSchema,
  F: BreachListRecordSchema,
};

/** Tables whose keys go on with a run id and NUL: what a run consists of beside its own record. */
export const RUN_TABLES = ["c", "n", "i", "s", "p", "h"] as const;

/** The schema of the record under a key. */
export function schemaOf(key: string): DescMessage {
  const schema = SCHEMAS[key.charAt(0)];
  if (schema === undefined) throw new Error(`key of an unknown table: ${JSON.stringify(key)}`);
  return schema;
}

export type RecordOf<K> = K extends Key<infer M> ? M : MessageShape<DescMessage>;

export const appliedKey: Key<AppliedRecord> = "A";
/** For keys that are asked for several times for each command: the last one is kept, so that it is put together and hashed once. */
function keyOf<M>(table: string): (id: string) => Key<M> {
  let lastId = "";
  let lastKey: Key<M> = table;
  return (id) => {
    if (id !== lastId) {
      lastId = id;
      lastKey = table + id;
    }
    return lastKey;
  };
}

export const definitionKey = keyOf<DefinitionRecord>("d");
export const latestKey = keyOf<LatestRecord>("l");
export const runKey = keyOf<RunRecord>("r");
export const countsKey = keyOf<CountsRecord>("w");
export const outcomeKey = (commandId: string): Key<OutcomeRecord> => `k${commandId}`;

export const chunkOf = (item: number): number => Math.floor(item / ITEMS_A_CHUNK);
let lastChunk = { runId: "", action: -1, chunk: -1, key: "" };

/** Asked for several times for each report: the last key is kept, so that it is put together and hashed once. */
export function chunkKey(runId: string, action: number, chunk: number): Key<ItemChunkRecord> {
  if (lastChunk.chunk !== chunk || lastChunk.action !== action || lastChunk.runId !== runId) {
    lastChunk = { runId, action, chunk, key: `c${runId}\0${u16(action)}${u32(chunk)}` };
  }
  return lastChunk.key;
}

export const inputsOf = (item: number): number => Math.floor(item / INPUTS_A_RECORD);
export const inputsKey = (runId: string, action: number, block: number): Key<ItemInputsRecord> =>
  `n${runId}\0${u16(action)}${u32(block)}`;

export const itemKey = (runId: string, action: number, item: number): Key<ItemRecord> =>
  `i${runId}\0${u16(action)}${u32(item)}`;

/** In the place of an item: the steps of an action's undo. */
export const UNDO_STEPS = 0xffff_fffe;
/** `item` is -1 for the steps of an action that is not over items. */
export const stepKey = (runId: string, action: number, item: number, index: number): Key<StepRecord> =>
  `s${runId}\0${u16(action)}${u32(item + 1)}${u32(index)}`;

/** Slot 0 is the run's input, slot n + 1 the output of action n. */
export const payloadKey = (runId: string, slot: number): Key<PayloadRecord> => `p${runId}\0${u16(slot)}`;
export const eventChunkKey = (runId: string, chunk: number): Key<EventChunkRecord> =>
  `h${runId}\0${u32(chunk)}`;

/** `seq` and `n` (the log sequence that set it, and a count within that) keep timers of one instant apart. */
export const timerKey = (dueNs: bigint, seq: number, n: number): Key<TimerRecord> =>
  `t${u64(dueNs)}${u64(BigInt(seq))}${u32(n)}`;
export const timerDue = (key: string): bigint => readU64(key, 1);
export const TIMERS_FROM = "t";
export const TIMERS_TO = "u";
export const U64_MAX = 0xffff_ffff_ffff_ffffn;
/** One past the last timer that is due at `ns`. */
export const timersUpTo = (ns: bigint): string => (ns >= U64_MAX ? TIMERS_TO : `t${u64(ns + 1n)}`);

/** A message to another partition (or this one); `n` is dense for each receiver, from 1. */
export const outboxKey = (to: number, n: bigint): Key<OutboxRecord> => `o${u16(to)}${u64(n)}`;
/** How far messages to, or from, a partition have come. */
export const sentMarkKey = (to: number): Key<MessageMarkRecord> => `${SENT_MARKS}${u16(to)}`;
export const receivedMarkKey = (from: number): Key<MessageMarkRecord> => `mr${u16(from)}`;
/** Begins the keys of all marks of what was sent. */
export const SENT_MARKS = "ms";
export const markedPartition = (key: string): number => (key.charCodeAt(2) << 8) | key.charCodeAt(3);

/** What a run is filed under: all that has not ended together, the rest by how it ended. */
export type IndexClass = "active" | RunStatus;
const ACTIVE = 1;
const classByte = (status: RunStatus): number =>
  status === RunStatus.PENDING || status === RunStatus.RUNNING || status === RunStatus.PAUSED
    ? ACTIVE
    : status;

/** Runs of one workflow and class, by when they were created; the run id ends the key. */
export const statusKey = (
  workflow: string,
  status: RunStatus,
  createdNs: bigint,
  runId: string,
): Key<LatestRecord> => `${statusPrefix(workflow, status)}${u64(createdNs)}${runId}`;
export const statusPrefix = (workflow: string, status: RunStatus): string =>
  `x${workflow}\0${String.fromCharCode(classByte(status))}`;
/** Which classes to look in for a status. */
export const sameClass = (a: RunStatus, b: RunStatus): boolean => classByte(a) === classByte(b);

export interface StatusRow {
  readonly workflow: string;
  readonly createdNs: bigint;
  readonly runId: string;
}

export function readStatusKey(key: string): StatusRow {
  const end = key.indexOf("\0");
  return { workflow: key.slice(1, end), createdNs: readU64(key, end + 2), runId: key.slice(end + 10) };
}

/**
 * What ended runs are ordered by for pruning: completed ones by when they ended, others by when their floor ends, and those with
 * anything in the dead-letter set by when that is over, too.
 */
export type ExpiryClass = "completed" | "failed" | "dead";
const EXPIRY_BYTE: Readonly<Record<ExpiryClass, string>> = { completed: "c", failed: "f", dead: "d" };

export const expiryKey = (
  expiry: ExpiryClass,
  workflow: string,
  atNs: bigint,
  runId: string,
): Key<ExpiryRecord> => `${expiryPrefix(expiry, workflow)}${u64(atNs)}${runId}`;
export const expiryPrefix = (expiry: ExpiryClass, workflow: string): string =>
  `y${EXPIRY_BYTE[expiry]}${workflow}\0`;

export interface ExpiryRow {
  readonly workflow: string;
  readonly atNs: bigint;
  readonly runId: string;
}

export function readExpiryKey(key: string): ExpiryRow {
  const end = key.indexOf("\0");
  return { workflow: key.slice(2, end), atNs: readU64(key, end + 1), runId: key.slice(end + 9) };
}

/** Workflow "": what is said of all that say nothing themselves. */
export const retentionKey = (workflow: string): Key<RetentionRecord> => `z${workflow}`;
export const tombstoneKey = (runId: string): Key<TombstoneRecord> => `q${runId}`;
export const forgetKey = (forgetNs: bigint, seq: number, n: number): Key<ForgetRecord> =>
  `j${u64(forgetNs)}${u64(BigInt(seq))}${u32(n)}`;
export const forgetDue = (key: string): bigint => readU64(key, 1);
export const rollupKey = (workflow: string, queue: string): Key<RollupRecord> => `u${workflow}\0${queue}`;
export const sweepKey = (sweepNs: bigint): Key<SweepRecord> => `v${u64(sweepNs)}`;
/** One breaker: what stands in its keys after the table. Its key may hold anything: it comes last. */
const breakerPart = ({ workflow, action, key }: Pick<BreakerName, "workflow" | "action" | "key">): string =>
  `${workflow}\0${action}\0${key === "" ? "" : binary(key)}`;
export const breakerKey = (name: Pick<BreakerName, "workflow" | "action" | "key">): Key<BreakerRecord> =>
  `B${breakerPart(name)}`;
/** Begins the keys of the breakers of a workflow, or of one of its actions. */
export const breakerPrefix = (workflow: string, action = ""): string =>
  `B${workflow}\0${action === "" ? "" : `${action}\0`}`;
export function readBreakerKey(key: string): Pick<BreakerName, "workflow" | "action" | "key"> {
  const first = key.indexOf("\0");
  const second = key.indexOf("\0", first + 1);
  return {
    workflow: key.slice(1, first),
    action: key.slice(first + 1, second),
    key: fromUtf8(Uint8Array.from(key.slice(second + 1), (char) => char.charCodeAt(0))),
  };
}
/** What a breaker holds, by a number that grows. */
export const heldKey = (name: Pick<BreakerName, "workflow" | "action" | "key">, n: bigint): Key<HeldRecord> =>
  `H${breakerPart(name)}\0${u64(n)}`;

/** Of an action whose items have keys of their own: what is held of each key, and the items held, in blocks. Gone with its end. */
export const heldKeysKey = (runId: string, action: number): Key<HeldKeysRecord> =>
  `L${runId}\0${u16(action)}`;
export const heldItemsKey = (
  runId: string,
  action: number,
  lane: number,
  block: number,
): Key<HeldItemsRecord> => `M${runId}\0${u16(action)}${u32(lane)}${u32(block)}`;

/** Runs and schedules that need a person, by the log sequence since which they do. */
export const attentionKey = (seq: bigint, runId: string): Key<AttentionRecord> => `K${u64(seq)}${runId}`;
/** A schedule's row in the same table; no run id begins so. */
export const scheduleAttentionKey = (seq: bigint, name: string): Key<AttentionRecord> =>
  attentionKey(seq, `\0${name}`);
/** What checks have found broken. */
export const breachesKey: Key<BreachListRecord> = "F";
/** The first key after those of runs that needed a person by `seq`. */
export const attentionsAfter = (seq: bigint): string => `K${u64(seq + 1n)}`;
export const readAttentionSeq = (key: string): bigint => readU64(key, 1);

/** Text as a string of its UTF-8 bytes. */
const binary = (text: string): string => Array.from(utf8(text), (byte) => String.fromCharCode(byte)).join("");

export const SIGNATURE_ID_CHARS = 16;
/** A failure signature's own record. */
export const signatureKey = (id: string): Key<SignatureRecord> => `f${id}`;
export const signatureListKey = (workflow: string): Key<SignatureListRecord> => `S${workflow}`;
/** A run that has ended failed in the way of a signature, by when it was created; the run id ends the key. */
export const signatureRunKey = (id: string, createdNs: bigint, runId: string): Key<LatestRecord> =>
  `${signatureRunsPrefix(id)}${u64(createdNs)}${runId}`;
/** Begins the keys of all failed runs of a signature: scan to before `prefixEnd` of it. The id must be one (`isSignatureId`). */
export const signatureRunsPrefix = (id: string): string => `G${id}`;

export interface SignatureRunRow {
  readonly signature: string;
  readonly createdNs: bigint;
  readonly runId: string;
}

export function readSignatureRunKey(key: string): SignatureRunRow {
  const end = 1 + SIGNATURE_ID_CHARS;
  return { signature: key.slice(1, end), createdNs: readU64(key, end), runId: key.slice(end + 8) };
}

export interface DeadLetterPlace {
  /** When it was moved. */
  readonly atNs: bigint;
  readonly runId: string;
  /** -1: the run as a whole. */
  readonly action: number;
  readonly item: number;
}

/** Dead letters of one workflow, by when they were moved. */
export const deadLetterKey = (
  workflow: string,
  { atNs, runId, action, item }: DeadLetterPlace,
): Key<DeadLetterRecord> =>
  `${deadLetterPrefix(workflow)}${u64(atNs)}${runId}\0${u16(action + 1)}${u32(item + 1)}`;
export const deadLetterPrefix = (workflow: string): string => `D${workflow}\0`;

export function readDeadLetterKey(key: string): DeadLetterPlace & { readonly workflow: string } {
  const first = key.indexOf("\0");
  const from = first + 9;
  const end = key.indexOf("\0", from);
  return {
    workflow: key.slice(1, first),
    atNs: readU64(key, first + 1),
    runId: key.slice(from, end),
    action: ((key.charCodeAt(end + 1) << 8) | key.charCodeAt(end + 2)) - 1,
    item: readU32(key, end + 3) - 1,
  };
}

export const garbageKey = (runId: string): Key<GarbageRecord> => `g${runId}`;

export const scheduleKey = (name: string): Key<ScheduleRecord> => `e${name}`;
/** The input that a schedule gives its runs, where it is large. */
export const scheduleInputKey = (name: string): Key<PayloadRecord> => `E${name}`;

/** A bulk operation, its part of a partition, the runs that part is to come to, and its results by page. */
export const bulkKey = (operationId: string): Key<BulkRecord> => `a${operationId}`;
export const bulkShareKey = (operationId: string): Key<BulkShareRecord> => `b${operationId}`;
export const BULK_SHARES = "b";
export const candidatePrefix = (operationId: string): string => `C${operationId}\0`;
export const candidateKey = (operationId: string, runId: string): Key<BulkCandidateRecord> =>
  `${candidatePrefix(operationId)}${runId}`;
export const candidateRun = (key: string): string => key.slice(key.indexOf("\0") + 1);
export const bulkResultsKey = (operationId: string, page: number): Key<BulkResultsRecord> =>
  `R${operationId}\0${u32(page)}`;

/** The first key after all that begin with `prefix` (which must not end in 0xff). */
export function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
