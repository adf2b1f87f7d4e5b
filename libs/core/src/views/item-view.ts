/** What is shown of one item: its disposition, how its attempts went, and a snapshot of its input. Reads only. */
import {
  ItemStatus,
  type ItemRecord,
  type ItemView,
  ItemViewSchema,
  type RunRecord,
  type StepRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { SNAPSHOT_BYTES_MAX } from "../limits.js";
import { itemLetterAt } from "../actor/dead-letters.js";
import { STATUS_MASK } from "../actor/items.js";
import { fromUtf8, snapshotOf } from "../text.js";
import type { ActionPlan } from "../definition/plan.js";
import { keyOfItem } from "./item-key.js";
import { recoverView } from "./guardrails-view.js";
import { partialOfItem, stepView } from "./partial-result.js";
import { timestamp } from "./timestamp.js";

export interface ItemViewInput {
  readonly index: number;
  /** From the chunk. */
  readonly byte: number;
  readonly record: ItemRecord | undefined;
  /** JSON as it came; undefined where it can't be shown (kept by reference). */
  readonly input: Uint8Array | undefined;
  /** What an item without a detail of its own is told of: why its action ended. */
  readonly actionDetail: string;
  /** What the breaker of its action says now, where it holds what is PENDING, or the job that is to be submitted. */
  readonly heldText?: string | undefined;
  readonly action: ActionPlan;
  readonly run: RunRecord;
  /** Steps of the item that are done. */
  readonly steps: readonly StepRecord[];
}

export function itemView(shown: ItemViewInput): ItemView {
  const { index, byte, record, input, actionDetail, action, run, steps } = shown;
  const status: ItemStatus = byte & STATUS_MASK;
  // What its job is to be submitted with is held with it.
  const isHeld =
    status === ItemStatus.PENDING || (status === ItemStatus.RUNNING && action.batch !== undefined);
  const running = status === ItemStatus.RUNNING && record === undefined ? 1 : 0;
  return init(ItemViewSchema, {
    index,
    status,
    attempts: record?.attempt ?? running,
    failure: record?.failure,
    detail: (isHeld ? shown.heldText : undefined) ?? detailOf(status, record, actionDetail),
    startedAt: timestamp(record?.startedAtNs ?? 0n),
    endedAt: timestamp(record?.endedAtNs ?? 0n),
    worker: record?.worker ?? "",
    inputSnapshot: snapshot(input),
    output: record?.output,
    generation: record?.generation ?? 0,
    retryAt: status === ItemStatus.RETRYING ? timestamp(record?.retryAtNs ?? 0n) : undefined,
    effect: record?.effect ?? 0,
    partial:
      record === undefined || status !== ItemStatus.FAILED
        ? undefined
        : partialOfItem(action, index, record, run, steps),
    steps: steps.map(stepView),
    recover: recoverView(record?.recover),
    deadLetterSince: timestamp(itemLetterAt(run, action.index, index) ?? 0n),
    key: keyOfItem(input, action.forEach?.key) ?? "",
  });
}

/** What is not text, such as the bytes that an upstream item gave, can't be shown. */
function snapshot(input: Uint8Array | undefined): string {
  if (input === undefined) return "";
  try {
    return snapshotOf(fromUtf8(input), SNAPSHOT_BYTES_MAX);
  } catch {
    return "";
  }
}

/** An item that was cancelled between attempts is told of both: why it ended, and what its last attempt left. */
function detailOf(status: ItemStatus, record: ItemRecord | undefined, actionDetail: string): string {
  const own = record?.detail?.text ?? "";
  if (status !== ItemStatus.CANCELLED) return own;
  if (record?.failure === undefined) return own || actionDetail;
  return `${actionDetail}; its last attempt failed: ${own}`;
}
