/**
 * Bulk operations under any sequence of commands: the invariants hold after every entry, replicas agree, and each operation comes to an
 * end, or waits for runs that it has set off, once all its steps are done and all messages are there.
 */
import { BulkStatus, type CommandBatch, CommandBatchSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { bulkKey } from "../state/tables.js";
import { stepAll } from "../testing/bulk-build.js";
import { TestCluster } from "../testing/cluster.js";
import { checkPartition, must } from "../testing/invariants.js";
import { MemoryView } from "../testing/memory-view.js";
import { arbitraryDefinitions, bulkMoves, type Move, Mover } from "../testing/moves.js";
import { foldLogEntry, type LogEntry } from "../testing/partition.js";
import { checkStep, mustBeSame } from "../testing/transitions.js";
import { outstandingOf } from "./part.js";

const SEQUENCES = Math.ceil(Number(process.env.HOLDFAST_SEQUENCES ?? 3000) / 4);
const seed =
  process.env.HOLDFAST_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.HOLDFAST_SEED);
const RUNS = Array.from({ length: 8 }, (_, i) => `r${i}`);

const moves = fc
  .array(bulkMoves, { minLength: 20, maxLength: 100, size: "max" })
  .map((list): Move[] => [
    { kind: "start", pick: 0, how: 0, joined: false },
    { kind: "start", pick: 1, how: 0, joined: false },
    ...list,
  ]);

const WAITS: ReadonlySet<BulkStatus> = new Set([BulkStatus.RUNNING, BulkStatus.WAITING]);
const SETTLE_ROUNDS = 50;

test(`the invariants hold where many runs are retried, cancelled and put aside at once (HOLDFAST_SEED=${seed} repeats this)`, {
  timeout: 120_000 + SEQUENCES * 100,
}, () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(arbitraryDefinitions, moves, (defined, played) => {
      const cluster = new TestCluster(1, defined);
      const partition = cluster.at(0);
      let before = partition.view.dump();
      new Mover(partition, RUNS).entries(played, (batchOf: CommandBatch) => {
        partition.append(batchOf);
        const after = partition.view.dump();
        const last = partition.log.at(-1) as LogEntry;
        const batch = decode(CommandBatchSchema, last.bytes);
        checkStep({ before, after, batch, effects: partition.effects });
        checkPartition(partition);
        before = after;
      });
      for (let round = 0; round < SETTLE_ROUNDS; round++) {
        cluster.settle();
        if (!stepAll(partition)) break;
        must(round < SETTLE_ROUNDS - 1, "operations come to an end");
      }
      checkPartition(partition);
      for (const key of partition.view.keysOf("a")) {
        const record = partition.view.get(bulkKey(key.slice(1)));
        if (record === undefined) continue;
        seen.set(BulkStatus[record.status], (seen.get(BulkStatus[record.status]) ?? 0) + 1);
        const held = record.parts.some((part) => outstandingOf(part) > 0 || part.detail !== "");
        must(record.endedAtNs > 0n || (WAITS.has(record.status) && held), `${key} has ended, or waits`);
      }
      const view = new MemoryView();
      for (const entry of partition.log) foldLogEntry(view, entry);
      view.commit();
      mustBeSame(view.dump(), partition.view.dump(), "I2: folded again");
    }),
    { seed, numRuns: SEQUENCES, endOnFailure: true },
  );
  const ends = ["COMPLETED", "ABORTED"];
  if (SEQUENCES >= 500) expect(ends.filter((status) => (seen.get(status) ?? 0) === 0)).toEqual([]);
});
