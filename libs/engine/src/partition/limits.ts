/** Every limit of a partition's processor and of the dispatcher. */
export interface EngineLimits {
  /** Records that a node keeps decoded, about, over all its partitions. */
  readonly cacheRecords: number;
  /** Changed records that are kept before folding waits for a commit. */
  readonly dirtyRecordsMax: number;
  /** The pause between two commits: changes to one record within it are written once. */
  readonly commitIntervalMs: number;
  /** Missing records of an entry beyond which they are read together instead of one by one. */
  readonly syncReadsMax: number;
  /** Due tasks that wait in a node's memory, over all its partitions; the rest waits in state. */
  readonly readyTasksMax: number;
  /** Tasks in one TaskBatch. */
  readonly tasksABatch: number;
  /** Bytes of one TaskBatch, about. */
  readonly taskBatchBytes: number;
  /** A worker that is silent for so long loses its tasks. */
  readonly workerLeaseMs: number;
  /** One whose connection stands meanwhile is blocked, and loses them after so long. */
  readonly blockedLeaseMs: number;
  /** How long after a time-out its worker may still report it itself. */
  readonly timeoutGraceMs: number;
  /** How long a node waits for workers' answers to its roll call before it dispatches. */
  readonly rollCallMs: number;
  /** Items and bytes of one ItemsLoaded command. */
  readonly itemsACommand: number;
  readonly itemBytesACommand: number;
  /** Messages and bytes, about, that are brought to another partition at once. */
  readonly messagesABatch: number;
  readonly messageBatchBytes: number;
  /** Active runs looked at in one go when due work is found again. */
  readonly derivePage: number;
  /** How long a query may wait for its `min_seq`. */
  readonly readYourWritesMs: number;
  /** The shortest and the longest pause between two retention sweeps. */
  readonly sweepPauseMs: number;
  readonly sweepPauseMaxMs: number;
  /** A sweep that leaves ended runs for so long after they were due is told as stalled. */
  readonly sweepBehindMaxMs: number;
  /** The pause between two looks for objects of the object store that nothing uses. */
  readonly objectSweepPauseMs: number;
  /** How long such an object stays after its last use. Several days at least: a use is noted once a day. */
  readonly objectsKeptMs: number;
  /** Due work that no worker has taken for so long is told as stuck. */
  readonly stuckAfterMs: number;
}

export const DEFAULT_ENGINE_LIMITS: EngineLimits = {
  cacheRecords: 32_768,
  dirtyRecordsMax: 20_000,
  commitIntervalMs: 500,
  syncReadsMax: 8,
  readyTasksMax: 40_000,
  tasksABatch: 512,
  taskBatchBytes: 384 * 1024,
  workerLeaseMs: 10_000,
  blockedLeaseMs: 30_000,
  timeoutGraceMs: 2_000,
  rollCallMs: 300,
  itemsACommand: 2_048,
  itemBytesACommand: 256 * 1024,
  messagesABatch: 256,
  messageBatchBytes: 256 * 1024,
  derivePage: 500,
  readYourWritesMs: 5_000,
  sweepPauseMs: 5_000,
  sweepPauseMaxMs: 3_600_000,
  sweepBehindMaxMs: 600_000,
  objectSweepPauseMs: 6 * 3_600_000,
  objectsKeptMs: 30 * 24 * 3_600_000,
  stuckAfterMs: 600_000,
};

/** The limits of each of a node's partitions: what is shared is divided. */
export function shareOf(limits: EngineLimits, partitions: number): EngineLimits {
  const part = (whole: number): number => Math.max(1, Math.ceil(whole / Math.max(partitions, 1)));
  return { ...limits, cacheRecords: part(limits.cacheRecords), readyTasksMax: part(limits.readyTasksMax) };
}
