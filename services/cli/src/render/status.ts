/**
 * Statuses, modes and strategies in the product's words, each with the tone and the mark that go with it.
 * The words are the enum names of the contract without their prefix: this file makes up none.
 */
import { type DescEnum } from "@bufbuild/protobuf";
import {
  ActionStatus,
  ActionStatusSchema,
  FailureMode,
  FailureModeSchema,
  ItemStatus,
  ItemStatusSchema,
  RecoveryStrategy,
  RecoveryStrategySchema,
  RejectCode,
  RejectCodeSchema,
  RunStatus,
  RunStatusSchema,
} from "@holdfast/proto";
import type { Tone } from "./style.js";

function wordOf(desc: DescEnum, value: number): string {
  const known = desc.value[value];
  // A newer server may send a value that this client does not know: its number is better than nothing.
  if (known === undefined) return `UNKNOWN_${value}`;
  return known.name.slice((desc.sharedPrefix ?? "").length);
}

export const runStatusWord = (status: RunStatus): string => wordOf(RunStatusSchema, status);
export const actionStatusWord = (status: ActionStatus): string => wordOf(ActionStatusSchema, status);
export const itemStatusWord = (status: ItemStatus): string => wordOf(ItemStatusSchema, status);
export const modeWord = (mode: FailureMode): string => wordOf(FailureModeSchema, mode);
export const strategyWord = (strategy: RecoveryStrategy): string => wordOf(RecoveryStrategySchema, strategy);
export const rejectWord = (code: RejectCode): string => wordOf(RejectCodeSchema, code);

const RUN_TONES: Readonly<Record<RunStatus, Tone>> = {
  [RunStatus.UNSPECIFIED]: "plain",
  [RunStatus.PENDING]: "plain",
  [RunStatus.RUNNING]: "plain",
  [RunStatus.PAUSED]: "warn",
  [RunStatus.COMPLETED]: "good",
  [RunStatus.COMPLETED_WITH_FAILURES]: "warn",
  [RunStatus.FAILED]: "bad",
  [RunStatus.CANCELLED]: "bad",
};

const ACTION_TONES: Readonly<Record<ActionStatus, Tone>> = {
  [ActionStatus.UNSPECIFIED]: "plain",
  [ActionStatus.PENDING]: "dim",
  [ActionStatus.RUNNING]: "plain",
  [ActionStatus.RETRYING]: "warn",
  [ActionStatus.WAITING]: "warn",
  [ActionStatus.COMPLETED]: "good",
  [ActionStatus.COMPLETED_WITH_FAILURES]: "warn",
  [ActionStatus.FAILED]: "bad",
  [ActionStatus.SKIPPED]: "dim",
  [ActionStatus.CANCELLED]: "bad",
};

const ITEM_TONES: Readonly<Record<ItemStatus, Tone>> = {
  [ItemStatus.UNSPECIFIED]: "plain",
  [ItemStatus.PENDING]: "dim",
  [ItemStatus.RUNNING]: "plain",
  [ItemStatus.RETRYING]: "warn",
  [ItemStatus.SUCCEEDED]: "good",
  [ItemStatus.FAILED]: "bad",
  [ItemStatus.SKIPPED]: "dim",
  [ItemStatus.CANCELLED]: "bad",
};

export const runTone = (status: RunStatus): Tone => RUN_TONES[status] ?? "plain";
export const actionTone = (status: ActionStatus): Tone => ACTION_TONES[status] ?? "plain";
export const itemTone = (status: ItemStatus): Tone => ITEM_TONES[status] ?? "plain";

/** One cell wide, different in shape as well as in colour. */
export const MARKS: Readonly<Record<Tone, string>> = {
  good: "✓",
  warn: "▲",
  bad: "✗",
  dim: "○",
  strong: "●",
  plain: "●",
};
