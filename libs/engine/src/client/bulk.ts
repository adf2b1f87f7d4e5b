/** What clients say of bulk operations, and the list of them over all partitions. */
import { type BulkIds, NO_IDS, partitionOf } from "@holdfast/core";
import {
  AbortBulkSchema,
  type BulkOperationView,
  type BulkSpec,
  type Command,
  type ListBulkAnswer,
  type ListBulkQuery,
  ListBulkQuerySchema,
  StartBulkSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { command } from "./commands.js";

export interface StartBulkFields {
  readonly operationId: string;
  readonly spec: BulkSpec;
  /** Where the spec selects by ids. */
  readonly ids?: BulkIds;
  readonly id: string;
  readonly nowMs: number;
}

/** For the partition `bulkHome` says. */
export function startBulkCommand({ operationId, spec, ids, id, nowMs }: StartBulkFields): Command {
  const { runIds, wrongIds, listed } = ids ?? NO_IDS;
  const named = { runIds: [...runIds], wrongIds: [...wrongIds], listed };
  const value = init(StartBulkSchema, { operationId, spec, ...named });
  return command({ case: "startBulk", value }, id, nowMs);
}

export interface AbortBulkFields {
  readonly operationId: string;
  readonly who: string;
  readonly reason: string;
  readonly id: string;
  readonly nowMs: number;
}

export function abortBulkCommand({ operationId, who, reason, id, nowMs }: AbortBulkFields): Command {
  const value = init(AbortBulkSchema, { operationId, who, reason });
  return command({ case: "abortBulk", value }, id, nowMs);
}

/** The partition that a bulk operation belongs to. */
export const bulkHome = (operationId: string, partitions: number): number =>
  partitionOf(operationId, partitions);

const PAGE = 200;

/** The newest first, at most so many. */
export async function listBulk(
  partitions: number,
  limit: number,
  ask: (partition: number, query: ListBulkQuery) => Promise<ListBulkAnswer>,
): Promise<BulkOperationView[]> {
  const of = async (partition: number): Promise<BulkOperationView[]> => {
    const found: BulkOperationView[] = [];
    for (let after = ""; ; ) {
      const { operations, nextAfter } = await ask(
        partition,
        init(ListBulkQuerySchema, { limit: PAGE, after }),
      );
      found.push(...operations);
      if (nextAfter === "") return found;
      after = nextAfter;
    }
  };
  const found = await Promise.all(Array.from({ length: partitions }, (_, partition) => of(partition)));
  return found
    .flat()
    .toSorted((a, b) => Number((b.startedAt?.seconds ?? 0n) - (a.startedAt?.seconds ?? 0n)))
    .slice(0, limit);
}
