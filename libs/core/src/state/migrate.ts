/**
 * Brings the rows of an older schema to the next, in bounded pieces: what each of a table's rows must become, and how far it has come.
 *
 * 1. A step changes rows one by one, by what they say and the rows they name; it reads no clock, no log and no order.
 * 2. Done again it changes nothing more. So one that was broken off goes on, and one that an older binary has folded onto meanwhile begins anew.
 * 3. `schema` is raised with the last piece of the last step, in the same commit: a state is of the schema that it says, or of it in part
 *    and says how far.
 * 4. No promise gets shorter by it, and afterwards the books add up (I6, I7).
 */
import { type AppliedRecord, type CountsRecord, MigrationSchema, type RunRecord } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { fileEnded } from "../actor/expiry.js";
import type { Row, Scan } from "../fold/scans.js";
import { MIGRATION_ROWS_MAX } from "../limits.js";
import { isRunTerminal } from "../status.js";
import { countsKey, prefixEnd, runKey } from "./tables.js";
import type { View } from "./view.js";

/**
 * What the rows of a state mean. Raised when rows that are there already must change for it; a field that is added, or a table, needs no new one.
 * With a new one go its steps below and a golden store (CONTRIBUTING.md).
 */
export const SCHEMA_VERSION = 2;
/** A state that doesn't say. */
const FIRST_SCHEMA = 1;

interface Step {
  /** The table that is gone through. */
  readonly table: string;
  /** `record` is what stands under `key`; changed in place and put. */
  readonly row: (view: View, key: string, record: unknown) => void;
}

/** By the schema that they lead away from. */
const STEPS: Readonly<Record<number, readonly Step[]>> = {
  // Retention: ended runs wait for their pruning, and what began is counted.
  1: [
    { table: "r", row: fileRunThatEnded },
    { table: "w", row: countWhatBegan },
  ],
};

/** The rows to be given to `migrateRows` next; undefined: the state is of the present schema. */
export function migrationScan(applied: AppliedRecord): Scan | undefined {
  const version = applied.schema || FIRST_SCHEMA;
  if (version >= SCHEMA_VERSION) return undefined;
  const { step, after } = progressOf(applied);
  const table = STEPS[version]?.[step]?.table;
  if (table === undefined) throw new Error(`schema ${version} has no step ${step}: this build is broken`);
  return { from: after === "" ? table : `${after}\0`, to: prefixEnd(table), limit: MIGRATION_ROWS_MAX };
}

/** Changes the rows of a scan, and notes in `applied` how far it has come; both belong into one commit. */
export function migrateRows(view: View, applied: AppliedRecord, rows: readonly Row[]): void {
  const version = applied.schema || FIRST_SCHEMA;
  const { step, after } = progressOf(applied);
  const steps = STEPS[version] ?? [];
  for (const [key, record] of rows) steps[step]?.row(view, key, record);
  const { seq } = applied;
  const last = rows.length < MIGRATION_ROWS_MAX ? undefined : (rows.at(-1)?.[0] ?? after);
  if (last !== undefined) applied.migration = init(MigrationSchema, { step, after: last, seq });
  else if (step + 1 < steps.length) applied.migration = init(MigrationSchema, { step: step + 1, seq });
  else {
    applied.schema = version + 1;
    applied.migration = undefined;
  }
}

/** Where it stands; at the beginning where something was folded since. */
function progressOf({ migration, seq }: AppliedRecord): { readonly step: number; readonly after: string } {
  return migration === undefined || migration.seq !== seq ? { step: 0, after: "" } : migration;
}

/** The floor is the one that was shown, or what the policy of now makes it, whichever is later. */
function fileRunThatEnded(view: View, key: string, record: unknown): void {
  const run = record as RunRecord;
  if (!isRunTerminal(run.status) || run.expiryNs > 0n) return;
  run.expiryNs = run.retryableUntilNs;
  const runId = key.slice(1);
  fileEnded(view, runId, run);
  view.put(runKey(runId), run);
}

function countWhatBegan(view: View, key: string, record: unknown): void {
  const counts = record as CountsRecord;
  const { active, completed, completedWithFailures, failed, cancelled, pruned } = counts;
  counts.started = BigInt(active + completed + completedWithFailures + failed + cancelled) + pruned;
  view.put(countsKey(key.slice(1)), counts);
}
