import { appliedKey, countsKey, type Key, type Row, runKey, timerKey } from "@holdfast/core";
import {
  ActionStateSchema,
  ActionStatus,
  AppliedRecordSchema,
  CommandBatchSchema,
  type CountsRecord,
  CountsRecordSchema,
  RunRecordSchema,
  TimerRecordSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryStateStore } from "../memory/index.js";
import type { PartitionStore } from "../ports/state-store.js";
import { settleRows } from "./read-rows.js";
import { PartitionState } from "./state.js";

const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
const counts = (active: number): CountsRecord => init(CountsRecordSchema, { active });

type Op =
  | { readonly op: "put"; readonly name: string; readonly value: number }
  | { readonly op: "change"; readonly name: string }
  | { readonly op: "del"; readonly name: string }
  | { readonly op: "commit" }
  | { readonly op: "begin-commit" }
  | { readonly op: "load"; readonly name: string }
  | { readonly op: "range"; readonly limit: number; readonly reverse: boolean };

const name = fc.constantFrom(...names);
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    fc.record({ op: fc.constant("put" as const), name, value: fc.nat(1000) }),
    fc.record({ op: fc.constant("change" as const), name }),
    fc.record({ op: fc.constant("del" as const), name }),
    fc.record({ op: fc.constant("commit" as const) }),
    fc.record({ op: fc.constant("begin-commit" as const) }),
    fc.record({ op: fc.constant("load" as const), name }),
    fc.record({
      op: fc.constant("range" as const),
      limit: fc.integer({ min: 1, max: 9 }),
      reverse: fc.boolean(),
    }),
  ),
  { maxLength: 60 },
);

async function stored(db: PartitionStore): Promise<string[]> {
  return (await db.range({ from: "", to: "\xff", limit: 1000 })).map(([key]) => key);
}

describe("a partition's state", () => {
  test("reads what was last put, whatever is cached, committed or on its way", async () => {
    await fc.assert(
      fc.asyncProperty(ops, fc.integer({ min: 1, max: 5 }), async (list, cacheRecords) => {
        const db = await new MemoryStateStore().open(0);
        const state = new PartitionState(db, cacheRecords);
        const model = new Map<string, number>();
        const under: Promise<void>[] = [];
        for (const op of list) {
          if (op.op === "put") {
            state.put(countsKey(op.name), counts(op.value));
            model.set(op.name, op.value);
          } else if (op.op === "change") {
            const record = state.get(countsKey(op.name));
            expect(record?.active).toBe(model.get(op.name));
            if (record === undefined) continue;
            record.active += 1;
            state.put(countsKey(op.name), record);
            model.set(op.name, record.active);
          } else if (op.op === "del") {
            state.del(countsKey(op.name));
            model.delete(op.name);
          } else if (op.op === "commit") await state.commit(() => undefined);
          else if (op.op === "begin-commit") under.push(state.commit(() => undefined));
          else if (op.op === "load") await state.load(state.missing([countsKey(op.name)]));
          else {
            const rows = await state.range("w", "x", op.limit, op.reverse);
            const wanted = [...model]
              .map(([key, value]) => [`w${key}`, value] as const)
              .sort(([a], [b]) => (a < b ? -1 : 1));
            if (op.reverse) wanted.reverse();
            expect(rows.map(([key, record]) => [key, (record as CountsRecord).active])).toEqual(
              wanted.slice(0, op.limit),
            );
          }
        }
        await Promise.all(under);
        await state.commit(() => undefined);
        const again = new PartitionState(db, 100);
        for (const each of names) expect(again.get(countsKey(each))?.active).toBe(model.get(each));
      }),
      { numRuns: 500 },
    );
  });

  test("a timer made and fired between two commits never reaches the store; one that was stored is deleted there", async () => {
    const db = await new MemoryStateStore().open(0);
    const state = new PartitionState(db, 100);
    const [first, second]: Key<object>[] = [timerKey(5n, 1, 0), timerKey(6n, 1, 1)];
    state.put(first as Key<object>, init(TimerRecordSchema));
    await state.commit(() => undefined);
    state.put(second as Key<object>, init(TimerRecordSchema));
    state.del(second as Key<object>);
    expect(state.dirtyCount).toBe(0);
    expect(await stored(db)).toEqual([first]);
    state.del(first as Key<object>);
    await state.commit(() => undefined);
    expect(await stored(db)).toEqual([]);
  });

  test("a deleted and remade row of a write-once table is in the store after the next commit", async () => {
    const db = await new MemoryStateStore().open(0);
    const state = new PartitionState(db, 100);
    const key = timerKey(5n, 1, 0);
    state.put(key, init(TimerRecordSchema));
    await state.commit(() => undefined);
    state.del(key);
    state.put(key, init(TimerRecordSchema));
    state.del(key);
    await state.commit(() => undefined);
    expect(await stored(db)).toEqual([]);
  });

  test("a run of which nothing is running takes no room once it is stored, and is read again when asked for", async () => {
    const state = new PartitionState(await new MemoryStateStore().open(0), 100);
    const run = (status: ActionStatus) =>
      init(RunRecordSchema, { actions: [init(ActionStateSchema, { status })] });
    state.put(runKey("busy"), run(ActionStatus.RUNNING));
    state.put(runKey("waiting"), run(ActionStatus.RETRYING));
    state.put(runKey("ended"), run(ActionStatus.COMPLETED));
    const under = state.commit(() => undefined);
    expect(state.get(runKey("ended"))?.actions).toHaveLength(1);
    await under;
    await state.commit(() => undefined);
    expect(state.missing(["busy", "waiting", "ended"].map(runKey))).toEqual([runKey("waiting")]);
    expect(state.get(runKey("waiting"))?.actions[0]?.status).toBe(ActionStatus.RETRYING);
    expect(state.unforeseenReads).toBe(1);
  });

  test("a commit of many stores each record as it was when the commit began, whatever is asked for and changed meanwhile", async () => {
    const MANY = 3_000;
    const nameOf = (n: number): string => `n${String(n).padStart(4, "0")}`;
    const touch = fc.record({
      n: fc.nat(MANY - 1),
      how: fc.constantFrom("change", "del", "range", "replace"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(touch, { maxLength: 40 }), fc.nat(4), async (touches, cacheExponent) => {
        const db = await new MemoryStateStore().open(0);
        const state = new PartitionState(db, 10 ** cacheExponent);
        for (let n = 0; n < MANY; n++) state.put(countsKey(nameOf(n)), counts(n));
        const model = new Map(Array.from({ length: MANY }, (_, n) => [nameOf(n), n]));
        const under = state.commit(() => undefined);
        for (const { n, how } of touches) {
          const key = countsKey(nameOf(n));
          const record = state.get(key);
          expect(record?.active).toBe(model.get(nameOf(n)));
          if (how === "range") {
            const [row] = await state.range(key, "x", 1);
            const found = row?.[1] as CountsRecord | undefined;
            if (found !== undefined) state.put(row?.[0] as Key<CountsRecord>, found);
          } else if (how === "del") {
            state.del(key);
            model.delete(nameOf(n));
          } else if (how === "replace" || record === undefined) {
            state.put(key, counts(MANY * 2 + n));
            model.set(nameOf(n), MANY * 2 + n);
          } else {
            record.active += MANY;
            state.put(key, record);
            model.set(nameOf(n), record.active);
          }
          if (n % 3 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
        }
        await under;
        const first = new PartitionState(db, 10);
        for (let n = 0; n < MANY; n++) expect(first.get(countsKey(nameOf(n)))?.active).toBe(n);
        await state.commit(() => undefined);
        const second = new PartitionState(db, 10);
        for (let n = 0; n < MANY; n++)
          expect(second.get(countsKey(nameOf(n)))?.active).toBe(model.get(nameOf(n)));
      }),
      { numRuns: 20 },
    );
  });

  test("the applied record is stored as it was when the commit began, though nobody asks for it before it changes", async () => {
    const db = await new MemoryStateStore().open(0);
    const state = new PartitionState(db, 100);
    const applied = init(AppliedRecordSchema, { seq: 1n });
    for (let n = 0; n < 2_000; n++) state.put(countsKey(`n${n}`), counts(n));
    const under = state.commit(() => state.put(appliedKey, applied));
    applied.seq = 2n;
    await under;
    expect(new PartitionState(db, 10).get(appliedKey)?.seq).toBe(1n);
  });

  test("rows that were read before a commit began, and are changed while it is under way, are stored as they were", async () => {
    const db = await new MemoryStateStore().open(0);
    const state = new PartitionState(db, 100);
    for (let n = 0; n < 2_000; n++) state.put(countsKey(`n${n}`), counts(n));
    const rows = await state.range("w", "x", 2_000);
    const under = state.commit(() => undefined);
    const batch = init(CommandBatchSchema, {});
    settleRows(state, { seq: 1, atNs: 1n, batch, scanned: new Map([[0, rows as Row[]]]) });
    for (const [, record] of rows) (record as CountsRecord).active = 7_777;
    await under;
    const again = new PartitionState(db, 10);
    for (let n = 0; n < 2_000; n++) expect(again.get(countsKey(`n${n}`))?.active).toBe(n);
  });

  test("a commit that fails is not forgotten", async () => {
    const db = await new MemoryStateStore().open(0);
    const state = new PartitionState(db, 100);
    state.put(countsKey("a"), counts(1));
    await db.close();
    await expect(state.commit(() => undefined)).rejects.toThrow(/closed/);
  });
});
