/** Writes the golden store of the present schema: `npx tsx libs/engine/src/golden/write-golden.ts`. Refuses where there is one. */
import { SCHEMA_VERSION } from "@holdfast/core";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { logOf, rowsOf, writeGolden } from "./golden-file.js";
import { countsOf, prunedOf } from "./opened.js";
import { after, before, Workload } from "./workload.js";
import { afterSince2, beforeSince2 } from "./workload-since-2.js";

const PARTITIONS = 2;
const HOUR_MS = 3_600_000;

const world = new TestWorld({ workerLeaseMs: 24 * HOUR_MS }, PARTITIONS);
await world.startNode();
const worker = new TestWorker(world, "worker-a", 100_000);
const load = new Workload(world, worker);
await before(load);
await beforeSince2(load);
const stored = await countsOf(world);
await world.until(world.node?.stop() ?? Promise.resolve());
const numbers = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const rows = await Promise.all(numbers.map((partition) => rowsOf(world.store, partition)));
const applied = await Promise.all(
  numbers.map(async (partition) => (await world.log.info(partition)).lastSeq),
);
await world.startNode();
worker.beat();
await after(load);
await afterSince2(load);
const end = await countsOf(world);
const pruned = await prunedOf(world);
await world.until(world.node?.stop() ?? Promise.resolve());
const logs = await Promise.all(numbers.map((partition) => logOf(world.log, partition)));
const path = writeGolden({
  schema: SCHEMA_VERSION,
  partitions: numbers.map((partition) => ({
    rows: rows[partition] ?? [],
    appliedSeq: applied[partition] ?? 0,
    log: logs[partition] ?? [],
  })),
  counts: { stored, end },
  pruned,
});
process.stdout.write(`${path}\n`);
