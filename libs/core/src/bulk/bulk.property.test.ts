/**
 * Bulk operations under any sequence of commands: the invariants hold after every entry, replicas agree, and each operation comes to an
 * end, or waits for runs that it has set off, once all its steps are done and all messages are there.
 */
import { type BulkRecord, BulkStatus, type WorkflowDefinition } from "@holdfast/proto";
import * as fc from "fast-check";
import { expect, inject, test } from "vitest";
import { bulkKey } from "../state/tables.js";
import { stepAll } from "../testing/bulk-build.js";
import { TestCluster } from "../testing/cluster.js";
import { must } from "../testing/must.js";
import { BULK } from "../testing/mixes.js";
import { type Move, Mover } from "../testing/moves.js";
import { Watch, type Watching } from "../testing/watch.js";
import { outstandingOf } from "./part.js";

const SEQUENCES = Math.ceil(inject("sequences") / 4);
const TIME = { timeout: 900_000 };
const WAITS: ReadonlySet<BulkStatus> = new Set([BulkStatus.RUNNING, BulkStatus.WAITING]);
const SETTLE_ROUNDS = 50;

/** Plays the moves, brings all operations as far as they come, and gives how each stands. */
function play(
  defined: readonly WorkflowDefinition[],
  played: readonly Move[],
  watching?: Watching,
): BulkRecord[] {
  const cluster = new TestCluster(1, defined);
  const partition = cluster.at(0);
  const watch = new Watch(partition, watching);
  new Mover(partition, BULK.runs).entries(played, (batchOf) => watch.append(batchOf));
  for (let round = 0; round < SETTLE_ROUNDS; round++) {
    cluster.settle();
    if (!stepAll(partition)) break;
    must(round < SETTLE_ROUNDS - 1, "operations come to an end");
  }
  watch.end();
  watch.replay();
  return partition.view.keysOf("a").flatMap((key) => {
    const record = partition.view.get(bulkKey(key.slice(1)));
    if (record === undefined) return [];
    const held = record.parts.some((part) => outstandingOf(part) > 0 || part.detail !== "");
    must(record.endedAtNs > 0n || (WAITS.has(record.status) && held), `${key} has ended, or waits`);
    return [record];
  });
}

test("the invariants hold where many runs are retried, cancelled and put aside at once", TIME, () => {
  fc.assert(
    fc.property(BULK.definitions, BULK.moves, fc.nat(7), (defined, played, audit) => {
      play(defined, played, { audit });
    }),
    { numRuns: SEQUENCES },
  );
});

test(
  "sequences get somewhere: operations are completed and aborted, and refuse what is no run id",
  TIME,
  () => {
    const seen = new Set<BulkStatus>();
    let wrongIds = 0;
    fc.assert(
      fc.property(BULK.definitions, BULK.moves, (defined, played) => {
        for (const record of play(defined, played)) {
          seen.add(record.status);
          wrongIds += record.wrongIds;
        }
      }),
      { numRuns: 60, seed: 7 },
    );
    const missing = [BulkStatus.COMPLETED, BulkStatus.ABORTED].filter((status) => !seen.has(status));
    expect(missing.map((status) => BulkStatus[status])).toEqual([]);
    expect(wrongIds).toBeGreaterThan(0);
  },
);
