/**
 * Whether a partition's state and its log belong together. Asked at each opening; on any doubt the partition stays closed.
 */
import { createHash } from "node:crypto";
import { SCHEMA_VERSION, SEMANTICS } from "@holdfast/core";
import { type AppliedRecord, AppliedRecordSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { CommandLog, LogInfo } from "../ports/command-log.js";
import { PortError, type PortErrorCode } from "../ports/errors.js";
import type { PartitionStore } from "../ports/state-store.js";
import { logStream } from "../subjects.js";
import type { ProcessorDeps } from "./deps.js";

const DIGEST_BYTES = 16;

export const digestOf = (data: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update(data).digest().subarray(0, DIGEST_BYTES));

/** What an empty state has folded. */
export const nothingApplied = (partition: number, partitions: number): AppliedRecord =>
  init(AppliedRecordSchema, { partition, partitions, schema: SCHEMA_VERSION, semantics: SEMANTICS });

/** The partition's state; an empty one where what was there is damaged, and was put aside. */
export async function openStore({ partition, store, logger }: ProcessorDeps): Promise<PartitionStore> {
  try {
    return await store.open(partition);
  } catch (error) {
    if (!(error instanceof PortError) || error.code !== "corrupt") throw error;
    logger.error("the partition's state was damaged and put aside; it is rebuilt from the log", {
      partition,
      err: error,
    });
    return await store.open(partition);
  }
}

/** A damaged state was put aside, and the next opening makes it anew; a log that is not the state's may be brought back. */
const PASSES: ReadonlySet<PortErrorCode> = new Set([
  "io",
  "full",
  "locked",
  "corrupt",
  "log-gap",
  "unavailable",
  "timeout",
  "unknown-outcome",
  "no-responders",
]);

/** Whether a partition that this has stopped is opened again by itself. */
export const opensAgain = (error: unknown): boolean => error instanceof PortError && PASSES.has(error.code);

function goneLog(partition: number, cause: PortError): PortError {
  const stream = logStream(partition);
  return new PortError(
    "log-gap",
    `partition ${partition}: its log, the stream ${stream}, is gone, and with it what was accepted and not yet folded. It is not made again, as that ` +
      "would hide the loss: bring the stream back (`nats stream restore`, or JetStream's folder as it was); the partition then opens by itself. The other partitions work",
    { partition, stream },
    { cause },
  );
}

/** Throws `log-gap`, `schema` or `config-mismatch`, saying what was found and what to do; resolves with the log's info otherwise. */
export async function verifyLog(
  log: CommandLog,
  partition: number,
  applied: AppliedRecord,
): Promise<LogInfo> {
  const info = await log.info(partition).catch((error: unknown) => {
    throw error instanceof PortError && error.code === "not-found" ? goneLog(partition, error) : error;
  });
  const seq = Number(applied.seq);
  const refuse = (found: string, details: Record<string, unknown>): never => {
    throw new PortError(
      "log-gap",
      `partition ${partition}: ${found}. The log and this node's state do not belong together, so nothing is folded. ` +
        "Bring the log back as it was; or, if this log is the right one, stop the node, move its folder of this partition away and start it again: it rebuilds from the log.",
      { partition, ...details },
    );
  };
  if (seq === 0) {
    if (info.lastSeq > 0 && info.firstSeq > 1) {
      refuse(`the log begins at ${info.firstSeq}, and the state is empty`, { firstSeq: info.firstSeq });
    }
    return info;
  }
  if (applied.partition !== partition || applied.partitions !== log.partitions) {
    throw new PortError(
      "config-mismatch",
      `this state is of partition ${applied.partition} of ${applied.partitions}, but was opened as ${partition} of ${log.partitions}: check the data folder and the cluster's address`,
      { partition },
    );
  }
  if (applied.semantics > SEMANTICS || applied.schema > SCHEMA_VERSION) {
    throw new PortError(
      "schema",
      `the state of partition ${partition} was written by a newer Holdfast (schema ${applied.schema}, semantics ${applied.semantics}; this one knows ` +
        `up to ${SCHEMA_VERSION} and ${SEMANTICS}), so nothing is folded onto it: start that version. Nothing was changed.`,
      { partition, schema: applied.schema, semantics: applied.semantics },
    );
  }
  if (applied.streamCreatedNs !== info.createdNs) {
    refuse("the log was created anew since this state was written", {
      was: applied.streamCreatedNs,
      is: info.createdNs,
    });
  }
  if (info.lastSeq < seq) {
    refuse(`the log lost its tail: the state has folded up to ${seq}, the log ends at ${info.lastSeq}`, {
      applied: seq,
      lastSeq: info.lastSeq,
    });
  }
  if (info.firstSeq > seq + 1) {
    refuse(`the log begins at ${info.firstSeq}, the state has folded only up to ${seq}`, {
      applied: seq,
      firstSeq: info.firstSeq,
    });
  }
  if (info.firstSeq <= seq) {
    const entry = await log.entry(partition, seq);
    if (entry === undefined || Buffer.compare(digestOf(entry.data), applied.digest) !== 0) {
      refuse(`entry ${seq} of the log is not the one that this state has folded`, { applied: seq });
    }
  }
  return info;
}
