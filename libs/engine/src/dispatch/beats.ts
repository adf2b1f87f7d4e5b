/**
 * A worker's beat as it comes off the wire: read, and held against what a beat may say. Anybody may publish one.
 *
 * 1. What of it can't be is not guessed: the beat is refused with the reason, and nothing of it counts.
 * 2. Lists and numbers are cut to what a node takes of one worker. A bad entry of a list, and one too many, is left out alone, and told; the others count.
 */
import { isForeignInbox, isName, isRunId, isWorkerId, quoted } from "@holdfast/core";
import { type QueueCapacity, type TaskRef, type WorkerBeat, WorkerBeatSchema } from "@holdfast/proto";
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

/** Of what runs: more than a worker can have of all its queues, and less than would cost a node much. */
export const TASKS_A_BEAT_MAX = 100_000;

/** The list that an entry stood in. */
export type BeatList = "queues" | "workflows" | "tasks";

export interface LeftOut {
  readonly list: BeatList;
  readonly count: number;
  /** What is wrong with the first one, and which it is. */
  readonly why: string;
}

export interface Beat extends WorkerBeat {
  readonly leftOut: readonly LeftOut[];
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
  if (beat.gone) return { ...beat, arrived: undefined, leftOut: [] };
  if (!isForeignInbox(beat.inbox)) return "its inbox is no subject that a worker may listen to";
  const batch = beat.received.find((mark) => mark.node === node)?.batch;
  if (batch !== undefined && batch > BATCH_MAX) return "the number of the batch that it confirms can't be";
  const { kept: queues, leftOut: ofQueues } = sift("queues", beat.queues, QUEUES_A_WORKER_MAX, queueProblem);
  for (const each of queues) if (each.capacity > CAPACITY_MAX) each.capacity = CAPACITY_MAX;
  const { kept, leftOut: ofWorkflows } = sift(
    "workflows",
    beat.workflows,
    WORKFLOWS_A_WORKER_MAX,
    workflowProblem,
  );
  // None means any: who names only bad ones has none.
  const workflows = kept.length === 0 && beat.workflows.length > 0 ? [NO_WORKFLOW] : kept;
  const { kept: tasks, leftOut: ofTasks } = sift("tasks", beat.tasks, TASKS_A_BEAT_MAX, taskProblem);
  // What is beyond the limit is not missed at its worker.
  const partial = beat.partial || beat.tasks.length > TASKS_A_BEAT_MAX;
  if (beat.functionsDigest.length > DIGEST_BYTES_MAX) return "the digest of its functions is too long";
  const actions = beat.functions.reduce((sum, each) => sum + each.actions.length, 0);
  if (actions > FUNCTIONS_A_WORKER_MAX)
    return `it tells ${actions} actions, more than the ${FUNCTIONS_A_WORKER_MAX} of one worker: leave its functions out`;
  if (!isWorkerId(beat.host)) beat.host = "";
  const leftOut = [...ofQueues, ...ofWorkflows, ...ofTasks];
  const arrived = batch === undefined ? undefined : Number(batch);
  return { ...beat, queues, workflows, tasks, partial, leftOut, arrived };
}

/** The name of no workflow. */
const NO_WORKFLOW = "";

const queueProblem = ({ queue }: QueueCapacity): string | undefined =>
  isName(queue) ? undefined : `${quoted(queue)} is no name of a queue`;
const workflowProblem = (workflow: string): string | undefined =>
  isName(workflow) ? undefined : `${quoted(workflow)} is no name of a workflow`;
const taskProblem = ({ runId }: TaskRef): string | undefined =>
  isRunId(runId) ? undefined : `${quoted(runId)} is no run id`;

/** The good ones, at most so many; and what is said of the others. */
function sift<T>(
  list: BeatList,
  entries: readonly T[],
  max: number,
  problem: (entry: T) => string | undefined,
): { readonly kept: T[]; readonly leftOut: readonly LeftOut[] } {
  const kept: T[] = [];
  let bad = 0;
  let why: string | undefined;
  for (const entry of entries) {
    const wrong = problem(entry);
    if (wrong === undefined) kept.push(entry);
    else bad += 1;
    why ??= wrong;
  }
  const surplus = kept.splice(max).length;
  const count = bad + surplus;
  if (count === 0) return { kept, leftOut: [] };
  const tooMany = `there are more than ${max}`;
  const whys = [...(why === undefined ? [] : [why]), ...(surplus === 0 ? [] : [tooMany])];
  return { kept, leftOut: [{ list, count, why: whys.join("; ") }] };
}
