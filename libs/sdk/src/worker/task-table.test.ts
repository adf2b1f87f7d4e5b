/** Whose tasks a worker takes: those of its partition's owner, whatever epochs others name. */
import { type Task, TaskSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import { DOUBTED_MS, PARTITIONS_MAX, REPORTED_MS, TaskTable } from "./task-table.js";

let table: TaskTable;
let runs = 0;

beforeEach(() => {
  table = new TaskTable(1_000);
});

const task = (epoch: bigint, partition = 0): Task =>
  init(TaskSchema, { runId: `r-${++runs}`, attempt: 1, epoch, partition });
const takes = (epoch: bigint, atMs: number): boolean => table.take(task(epoch), atMs) !== undefined;

test("a task of an owner that another has followed is left, however late it comes", () => {
  expect([takes(1n, 0), takes(2n, 10), takes(1n, 20), takes(1n, 1_000)]).toEqual([true, true, false, false]);
});

test("an epoch that nobody has does not shut the owner out for longer than a moment", () => {
  for (const forged of [3n, 1_000n, 2n ** 64n - 1n]) {
    table = new TaskTable(1_000);
    expect([takes(2n, 0), takes(forged, 10)]).toEqual([true, true]);
    expect([takes(2n, 20), takes(2n, DOUBTED_MS)]).toEqual([false, false]);
    expect([takes(2n, 20 + DOUBTED_MS), takes(2n, 30 + DOUBTED_MS)]).toEqual([true, true]);
  }
});

test("one who is behind is not believed while the owner goes on sending", () => {
  const taken = [];
  for (let atMs = 0; atMs < DOUBTED_MS * 4; atMs += DOUBTED_MS / 5) {
    expect(takes(8n, atMs)).toBe(true);
    taken.push(takes(7n, atMs + 1));
  }
  expect(taken).not.toContain(true);
});

test("however many partitions are named, what is remembered is bounded, and the owner's tasks are taken", () => {
  for (let partition = 1; partition < 20_000; partition++) table.take(task(9n, partition), 0);
  expect(takes(1n, 1)).toBe(true);
  expect(table.partitionsKnown).toBe(PARTITIONS_MAX);
});

test("an attempt that was reported is left for as long as its report may take, and taken when it still comes after that", () => {
  const sent = task(1n);
  const again = (atMs: number) => table.take(sent, atMs);
  const held = again(0);
  expect([held !== undefined, again(10)]).toEqual([true, undefined]);
  if (held !== undefined) table.letGo(held, 1_000);
  expect([again(1_010), again(REPORTED_MS)]).toEqual([undefined, undefined]);
  const second = again(1_000 + REPORTED_MS);
  expect(second).toBeDefined();
  if (second !== undefined) table.letGo(second, 50_000);
  expect([again(50_001), again(50_000 + REPORTED_MS) !== undefined]).toEqual([undefined, true]);
});

test("of what was reported so many are remembered, and no more", () => {
  table = new TaskTable(10);
  const sent = Array.from({ length: 25 }, () => task(1n));
  for (const each of sent) {
    const held = table.take(each, 0);
    if (held !== undefined) table.letGo(held, 0);
  }
  expect(sent.filter((each) => table.take(each, 1) === undefined)).toHaveLength(10);
});
