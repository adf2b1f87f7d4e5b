/**
 * What a retry of single items may do in its entry, written from the rules and not from the fold's code: what failed and is not named
 * stays as it is, byte for byte, with its place in the dead letters; what is named is set off. Only what comes after may change.
 */
import {
  type CommandBatch,
  DefinitionRecordSchema,
  ItemChunkRecordSchema,
  ItemStatus,
  type RetryRun,
  type RunRecord,
  RunRecordSchema,
} from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import { STATUS_MASK } from "../actor/items.js";
import { planOf } from "../definition/plan.js";
import type { Effect } from "../effects.js";
import { ITEMS_A_CHUNK } from "../limits.js";
import { chunkKey, definitionKey, itemKey, runKey } from "../state/tables.js";
import { must } from "./must.js";
import type { StateBytes } from "./memory-view.js";

interface Step {
  readonly before: StateBytes;
  readonly after: StateBytes;
  readonly batch: CommandBatch;
  readonly effects: readonly Effect[];
}

/** Of an entry that holds one such retry and nothing else. */
export function checkItemRetry({ before, after, batch, effects }: Step): void {
  const kind = batch.commands[0]?.kind;
  if (batch.commands.length !== 1 || kind?.case !== "retryRun") return;
  const { runId, action: name, items: wanted, deadLetters } = kind.value;
  if (name === "" && wanted.length === 0 && !deadLetters) return;
  const answer = effects.find((effect) => effect.kind === "reply" && effect.outcome.result.case !== "ended");
  if (answer?.kind !== "reply" || answer.outcome.result.case !== "accepted") return;
  const [was, is] = [runIn(before, runId), runIn(after, runId)];
  // What is sent again changes nothing; a run that is in the dead letters as a whole is retried as a whole.
  const isWhole = name === "" && wanted.length === 0 && (was.deadLetters?.runAtNs ?? 0n) > 0n;
  if (was.generation === is.generation || isWhole) return;
  const bytes = before.get(definitionKey(was.definitionHash));
  must(bytes !== undefined, "a run pins a definition that is there");
  const plan = planOf(decode(DefinitionRecordSchema, bytes).definition ?? never());
  const named = namedBy(kind.value, was, plan.byName.get(name) ?? -1);
  must(named.size > 0, "a retry of single items names some");
  const origins = new Set([...named].map((each) => Number(each.split("/")[0])));
  let count = 0;
  for (const { index, ancestors } of plan.actions) {
    const follows = ancestors.some((ancestor) => origins.has(ancestor));
    for (const item of failedIn(before, runId, was, index)) {
      const each = `${index}/${item}`;
      if (named.has(each)) {
        count += 1;
        const key = itemKey(runId, index, item);
        const failsAnew =
          statusIn(after, runId, index, item) !== ItemStatus.FAILED || !same(before.get(key), after.get(key));
        must(failsAnew, `item ${each} was named: it is set off`);
        must(letterOf(is, index, item) === undefined, `item ${each} is out of the dead letters`);
      } else if (!follows || origins.has(index)) {
        must(
          statusIn(after, runId, index, item) === ItemStatus.FAILED,
          `item ${each} was not named: it stays failed`,
        );
        const key = itemKey(runId, index, item);
        must(same(before.get(key), after.get(key)), `I8: item ${each} was not named: it keeps all it has`);
        must(
          letterOf(was, index, item) === letterOf(is, index, item),
          `item ${each} keeps its place in the dead letters`,
        );
      }
    }
  }
  must(count === named.size, "only what failed is set off");
  must(answer.outcome.result.value.items >= named.size, "a retry says how many items it set off");
}

const never = (): never => {
  throw new Error("a definition record holds a definition");
};

const runIn = (bytes: StateBytes, runId: string): RunRecord =>
  decode(RunRecordSchema, bytes.get(runKey(runId)) as Uint8Array);

/** `action/item` of each. */
function namedBy(
  { action: name, items, deadLetters }: RetryRun,
  run: RunRecord,
  action: number,
): Set<string> {
  if (!deadLetters || items.length > 0) return new Set(items.map((item) => `${action}/${item}`));
  const held = run.deadLetters?.items.filter((group) => name === "" || group.action === action) ?? [];
  return new Set(held.flatMap((group) => group.items.map((item) => `${group.action}/${item}`)));
}

function failedIn(bytes: StateBytes, runId: string, run: RunRecord, action: number): number[] {
  const bound = run.actions[action]?.items?.bound ?? 0;
  return Array.from({ length: bound }, (_, item) => item).filter(
    (item) => statusIn(bytes, runId, action, item) === ItemStatus.FAILED,
  );
}

function statusIn(bytes: StateBytes, runId: string, action: number, item: number): ItemStatus {
  const chunk = bytes.get(chunkKey(runId, action, Math.floor(item / ITEMS_A_CHUNK)));
  if (chunk === undefined) return ItemStatus.UNSPECIFIED;
  return (decode(ItemChunkRecordSchema, chunk).statuses[item % ITEMS_A_CHUNK] ?? 0) & STATUS_MASK;
}

const letterOf = ({ deadLetters }: RunRecord, action: number, item: number): bigint | undefined =>
  deadLetters?.items.find((group) => group.action === action && group.items.includes(item))?.atNs;

const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
