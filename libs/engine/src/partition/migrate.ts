/**
 * Brings a partition's state to the schema of this build, before anything is folded onto it.
 *
 * 1. Each piece is one commit, with how far it has come: whatever kills the node, the next start goes on from there.
 * 2. Bounded memory, whatever the size of the state.
 */
import { appliedKey, migrateRows, migrationScan, SCHEMA_VERSION } from "@holdfast/core";
import type { AppliedRecord } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import type { PartitionState } from "./state.js";

export async function migrate(state: PartitionState, applied: AppliedRecord, logger: Logger): Promise<void> {
  const { partition, schema } = applied;
  if (migrationScan(applied) === undefined) return;
  const facts = { partition, from: schema, to: SCHEMA_VERSION };
  logger.info("the partition's state is of an older schema and is brought to this one's", facts);
  let rows = 0;
  for (let scan = migrationScan(applied); scan !== undefined; scan = migrationScan(applied)) {
    const found = await state.range(scan.from, scan.to, scan.limit);
    migrateRows(state, applied, found);
    rows += found.length;
    state.put(appliedKey, applied);
    await state.commit(() => undefined);
  }
  logger.info("the partition's state was brought to this schema", { ...facts, rows });
}
