/** Moves about bulk operations, drawn blindly: what people begin and abort, rightly or not, and the steps of owners, also old ones. */
import {
  BulkKind,
  BulkPhase,
  type BulkSpec,
  BulkStepSchema,
  type Command,
  FailureMode,
  RecoveryStrategy,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { sortIds } from "../bulk/ids.js";
import { partitionOf } from "../names.js";
import { command } from "./build.js";
import { abortBulk, bulkStep, sharesOf, startBulk } from "./bulk-build.js";
import { at, WORKFLOWS } from "./control-moves.js";
import type { TestPartition } from "./partition.js";

/** Ids that belong to the partition. */
function idsOf({ number, partitions }: TestPartition): string[] {
  const ids: string[] = [];
  for (let i = 0; ids.length < 4; i++) if (partitionOf(`o${i}`, partitions) === number) ids.push(`o${i}`);
  return ids;
}

const STRATEGIES = [RecoveryStrategy.UNSPECIFIED, RecoveryStrategy.RETRY_FAILED, RecoveryStrategy.RETRY_ALL];

const KINDS = [
  BulkKind.RETRY,
  BulkKind.RETRY,
  BulkKind.RETRY,
  BulkKind.CANCEL,
  BulkKind.RETRY,
  BulkKind.MOVE_TO_DEAD_LETTERS,
  BulkKind.RETRY,
  BulkKind.DISCARD,
];

function specOf(pick: number, how: number): Init<BulkSpec> {
  const kind = at(KINDS, how);
  const selectors: readonly Init<BulkSpec>[] = [
    { workflow: at(WORKFLOWS, pick) },
    { workflow: at(WORKFLOWS, pick) },
    { byIds: true },
    { queue: "main" },
    pick % 8 === 7 ? {} : { byIds: true },
    pick % 8 === 7 ? { workflow: "first", queue: "main" } : { workflow: "nowhere" },
  ];
  return {
    kind,
    ...at(selectors, pick >> 1),
    force: how % 5 === 0,
    dryRun: how % 7 === 6,
    limit: at([0, 0, 0, 1], pick >> 3),
    strategy: at(STRATEGIES, how >> 3),
    recommended: how % 6 === 1,
    modes: how % 13 === 12 ? [FailureMode.VALIDATION] : [],
    canaryFirst: kind === BulkKind.RETRY && how % 7 !== 6 ? at([1, 0], how >> 3) : 0,
    graceMs: at([0, 60], how >> 4),
  };
}

export function bulkMove(
  partition: TestPartition,
  runs: readonly string[],
  pick: number,
  how: number,
): Command["kind"] {
  const operationId = how === 63 ? "Ł" : at(idsOf(partition), pick);
  const known = partition.view.keysOf("a").map((key) => key.slice(1));
  if (how % 8 === 5) return abortBulk(at([...known, ...known, operationId], pick));
  const spec = specOf(pick, how);
  if (!spec.byIds) return startBulk(operationId, spec);
  const asGiven = [
    ...at(WRONG, how),
    ...runs.slice(how % 3),
    "nobody",
    ...at(WRONG, pick),
    ...runs.slice(0, 1),
  ];
  // Once in a while as whoever does not sort what it sends.
  if (how % 16 === 11) return startBulk(operationId, spec, { runIds: asGiven });
  const { runIds, wrongIds, listed } = sortIds(asGiven);
  return startBulk(operationId, spec, { runIds: [...runIds], wrongIds: [...wrongIds], listed });
}

/** What can be no run id, in lists of them. */
const WRONG = [[], [], ["a b"], [], ["", "\0", "a b"], ["x".repeat(129)]];

/** The next step of a part that there is, or one that is not. */
export function bulkStepMove(partition: TestPartition, pick: number, how: number): Command | undefined {
  const ids = sharesOf(partition);
  if (ids.length === 0) return undefined;
  const operationId = at(ids, pick);
  if (how % 16 !== 15) return bulkStep(partition, operationId);
  const phase = at([BulkPhase.MATCHING, BulkPhase.ACTING, BulkPhase.CLOSING], pick);
  return command({
    case: "bulkStep",
    value: init(BulkStepSchema, { operationId, phase, from: `C${operationId}\0`, to: `C${operationId}\x01` }),
  });
}
