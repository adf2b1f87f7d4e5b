/** How moves to the dead letters, discards, and retries of single items are refused. */
import {
  type Command,
  DiscardDeadLettersSchema,
  MoveToDeadLettersSchema,
  RecoveryStrategy,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { DEAD_LETTER_ITEMS_MAX, RETRY_ITEMS_MAX } from "../limits.js";
import { failed, json, retry, succeeded } from "./build.js";
import type { TestPartition } from "./partition.js";
import { begun, type Case, ended, pruned } from "./refused-scene.js";

const move = (name = "", items: number[] = []): Command["kind"] => ({
  case: "moveToDeadLetters",
  value: init(MoveToDeadLettersSchema, { runId: "r", action: name, items, reason: "poison" }),
});
const discard = (name = "", items: number[] = [], reason = "of no use"): Command["kind"] => ({
  case: "discardDeadLetters",
  value: init(DiscardDeadLettersSchema, { runId: "r", action: name, items, reason }),
});
/** So many items fail, after one that succeeded. */
const rows = (p: TestPartition, count = 1): void => {
  begun(p, "rows");
  p.load(
    "r",
    "row",
    Array.from({ length: count + 1 }, (_, row) => json(row)),
  );
  for (let item = 0; item <= count; item++) p.finish("r", "row", item === 0 ? succeeded() : failed(), item);
};
const moved = (p: TestPartition): void => {
  ended(p, failed());
  p.control(move());
};

export const REFUSED_OF_DEAD_LETTERS: readonly Case[] = [
  ["moveToDeadLetters", "RUN_NOT_FOUND", "no run", (p) => p.control(move())],
  ["moveToDeadLetters", "PRUNED", "a pruned run", (p) => (pruned(p), p.control(move()))],
  ["moveToDeadLetters", "NOT_FAILED", "a run that goes on", (p) => (begun(p), p.control(move()))],
  ["moveToDeadLetters", "NOT_FAILED", "a completed run", (p) => (ended(p), p.control(move()))],
  [
    "moveToDeadLetters",
    "NOT_FAILED",
    "an item that succeeded",
    (p) => (rows(p), p.control(move("row", [0]))),
  ],
  ["moveToDeadLetters", "DEAD_LETTER", "what is there", (p) => (moved(p), p.control(move()))],
  ["moveToDeadLetters", "NO_SUCH_ITEM", "an item that is not", (p) => (rows(p), p.control(move("row", [9])))],
  ["moveToDeadLetters", "MALFORMED", "no item of an action", (p) => (rows(p), p.control(move("row")))],
  [
    "moveToDeadLetters",
    "TOO_LARGE",
    "too many items",
    (p) => {
      rows(p, DEAD_LETTER_ITEMS_MAX + 1);
      return p.control(
        move(
          "row",
          Array.from({ length: DEAD_LETTER_ITEMS_MAX + 1 }, (_, i) => i + 1),
        ),
      );
    },
  ],
  [
    "retryRun",
    "NO_SUCH_ITEM",
    "of an action that is not",
    (p) => (rows(p), p.control(retry("r", { action: "zz", items: [1] }))),
  ],
  ["retryRun", "NO_SUCH_ITEM", "items of no action", (p) => (rows(p), p.control(retry("r", { items: [1] })))],
  [
    "retryRun",
    "NO_SUCH_ITEM",
    "an item that is not",
    (p) => (rows(p), p.control(retry("r", { action: "row", items: [1, 9] }))),
  ],
  [
    "retryRun",
    "NOT_FAILED",
    "an item that succeeded",
    (p) => (rows(p), p.control(retry("r", { action: "row", items: [0, 1] }))),
  ],
  [
    "retryRun",
    "MALFORMED",
    "no item of an action",
    (p) => (rows(p), p.control(retry("r", { action: "row" }))),
  ],
  [
    "retryRun",
    "UNSUPPORTED",
    "single items with what begins all over",
    (p) => (
      rows(p), p.control(retry("r", { action: "row", items: [1], strategy: RecoveryStrategy.RETRY_ALL }))
    ),
  ],
  [
    "retryRun",
    "TOO_LARGE",
    "too many items",
    (p) => {
      rows(p, RETRY_ITEMS_MAX + 1);
      return p.control(
        retry("r", { action: "row", items: Array.from({ length: RETRY_ITEMS_MAX + 1 }, (_, i) => i + 1) }),
      );
    },
  ],
  [
    "retryRun",
    "NOT_DEAD_LETTER",
    "of the dead letters, what is not there",
    (p) => (rows(p), p.control(retry("r", { deadLetters: true }))),
  ],
  ["discardDeadLetters", "RUN_NOT_FOUND", "no run", (p) => p.control(discard())],
  ["discardDeadLetters", "PRUNED", "a pruned run", (p) => (pruned(p), p.control(discard()))],
  ["discardDeadLetters", "MALFORMED", "without a reason", (p) => (moved(p), p.control(discard("", [], " ")))],
  [
    "discardDeadLetters",
    "NOT_DEAD_LETTER",
    "what is not there",
    (p) => (ended(p, failed()), p.control(discard())),
  ],
  ["discardDeadLetters", "NO_SUCH_ITEM", "no such action", (p) => (moved(p), p.control(discard("zz", [1])))],
];
