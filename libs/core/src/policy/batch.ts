/** The policy of an external batch action, with its defaults. */
import type { ActionDefinition } from "@holdfast/proto";
import {
  BATCH_ITEMS_DEFAULT,
  BATCH_POLL_DEFAULT_MS,
  BATCH_POLL_FACTOR_MILLI,
  BATCH_POLL_MAX_DEFAULT_MS,
} from "../limits.js";
import { type ResolvedRetry, resolveRetry } from "./retry.js";

export interface ResolvedBatch {
  /** The pauses between checks. Its attempts and modes are not used. */
  readonly poll: ResolvedRetry;
  /** Of all jobs together; 0: as long as it takes. */
  readonly timeoutMs: bigint;
  readonly itemsAJob: number;
  readonly cancellable: boolean;
}

/** Undefined: it is no external batch action. */
export function resolveBatch({ batch }: ActionDefinition): ResolvedBatch | undefined {
  if (batch === undefined) return undefined;
  const { poll } = batch;
  const first = poll?.initialBackoffMs || BATCH_POLL_DEFAULT_MS;
  return {
    poll: {
      ...resolveRetry(poll),
      initialBackoffMs: first,
      factorMilli: poll?.factorMilli || BATCH_POLL_FACTOR_MILLI,
      maxBackoffMs: Math.max(poll?.maxBackoffMs || BATCH_POLL_MAX_DEFAULT_MS, first),
    },
    timeoutMs: batch.timeoutMs,
    itemsAJob: batch.itemsAJob || BATCH_ITEMS_DEFAULT,
    cancellable: batch.cancellable,
  };
}
