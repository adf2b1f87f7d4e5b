/**
 * A worker's beat as it comes off the wire: read, and held against what a beat may say. Anybody may publish one.
 *
 * 1. What of it can't be is not guessed: the beat is refused with the reason, and nothing of it counts.
 * 2. Lists and numbers are cut to what a node takes of one worker.
 */
import { isForeignInbox, isName, isWorkerId } from "@holdfast/core";
import { type WorkerBeat, WorkerBeatSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";

export const QUEUES_A_WORKER_MAX = 256;
export const WORKFLOWS_A_WORKER_MAX = 10_000;
/** Actions of all its workflows together. */
export const FUNCTIONS_A_WORKER_MAX = 20_000;
const DIGEST_BYTES_MAX = 64;
/** Tasks of a queue that a node has at one worker, whatever the worker announces. */
export const CAPACITY_MAX = 16_384;
/** Numbers of batches beyond this were never counted up to. */
const BATCH_MAX = 2n ** 50n;

export interface Beat extends WorkerBeat {
  /** The last batch of this node that arrived; undefined: it says nothing of this node. */
  readonly arrived: number | undefined;
}

/** A sentence where it can't be used. */
export function readBeat(data: Uint8Array, node: string): Beat | string {
  let beat: WorkerBeat;
  try {
    beat = decode(WorkerBeatSchema, data);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (!isWorkerId(beat.worker)) return "its worker's id is not 1 to 128 visible ASCII characters";
  if (beat.gone) return { ...beat, arrived: undefined };
  if (!isForeignInbox(beat.inbox)) return "its inbox is no subject that a worker may listen to";
  const batch = beat.received.find((mark) => mark.node === node)?.batch;
  if (batch !== undefined && batch > BATCH_MAX) return "the number of the batch that it confirms can't be";
  const queues = beat.queues.filter(({ queue }) => isName(queue)).slice(0, QUEUES_A_WORKER_MAX);
  for (const each of queues) if (each.capacity > CAPACITY_MAX) each.capacity = CAPACITY_MAX;
  const workflows = beat.workflows.slice(0, WORKFLOWS_A_WORKER_MAX);
  if (beat.functionsDigest.length > DIGEST_BYTES_MAX) return "the digest of its functions is too long";
  const actions = beat.functions.reduce((sum, each) => sum + each.actions.length, 0);
  if (actions > FUNCTIONS_A_WORKER_MAX)
    return `it tells ${actions} actions, more than the ${FUNCTIONS_A_WORKER_MAX} of one worker: leave its functions out`;
  if (!isWorkerId(beat.host)) beat.host = "";
  return { ...beat, queues, workflows, arrived: batch === undefined ? undefined : Number(batch) };
}
