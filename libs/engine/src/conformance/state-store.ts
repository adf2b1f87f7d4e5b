/**
 * What every `StateStore` does, as tests: each implementation calls `stateStoreConformance` from a test file of its own.
 * Needs vitest and fast-check; nothing but tests imports it.
 */
import { assert as assertProperty, asyncProperty } from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PartitionStore, StateStore } from "../ports/index.js";
import { byteOrder, hex, playSteps, storeSteps } from "./state-store-model.js";

/** A store that nothing was ever written to, and how to get rid of it once all its partitions are closed. */
export interface FreshStateStore {
  readonly store: StateStore;
  cleanUp(): Promise<void>;
}

const EVERY_KEY = { from: "", to: "\xff\xff\xff\xff", limit: 10_000 } as const;
const MODEL_RUNS = 60;

export function stateStoreConformance(name: string, makeStore: () => Promise<FreshStateStore>): void {
  describe(`state store conformance: ${name}`, () => {
    let fresh: FreshStateStore;
    let state: PartitionStore;

    beforeEach(async () => {
      fresh = await makeStore();
      state = await fresh.store.open(0);
    });

    afterEach(async () => {
      await state.close();
      await fresh.cleanUp();
    });

    test("what was put is read, in the order of the keys asked for", async () => {
      await put(state, { a: "1", b: "2", c: "" });
      expect((await state.getMany(["c", "none", "a", "a", "b"])).map(text)).toEqual([
        "",
        undefined,
        "1",
        "1",
        "2",
      ]);
      expect(text(state.getSync("b"))).toBe("2");
      expect(state.getSync("none")).toBeUndefined();
      expect(await state.getMany([])).toEqual([]);
    });

    test("a later write replaces, a deletion removes, an unknown deletion does nothing", async () => {
      await put(state, { a: "1", b: "2" });
      await state.write({ puts: [["a", bytes("3")]], dels: ["b", "unknown"] });
      expect(await everything(state)).toEqual([["a", "3"]]);
    });

    test("a key that stands in both is put", async () => {
      await state.write({ puts: [["a", bytes("1")]], dels: ["a"] });
      expect(text(state.getSync("a"))).toBe("1");
    });

    test("keys of a range are counted, its end not among them", async () => {
      await put(state, { a: "1", b: "2", ba: "3", c: "4" });
      expect(await state.count({ from: "a", to: "c" })).toBe(3);
      expect(await state.count({ from: "c", to: "a" })).toBe(0);
      expect(await state.count({ from: "", to: "\xff" })).toBe(4);
    });

    test("what is counted is what was there at the call", async () => {
      await put(state, { a: "1", b: "2" });
      const counted = state.count({ from: "", to: "\xff" });
      await state.write({ puts: [["c", bytes("3")]], dels: [] });
      expect(await counted).toBe(2);
    });

    test("the last of several puts of a key wins", async () => {
      const puts: [string, Uint8Array][] = [
        ["a", bytes("1")],
        ["a", bytes("2")],
      ];
      await state.write({ puts, dels: [] });
      expect(text(state.getSync("a"))).toBe("2");
    });

    test("an empty batch is fine, and so is an empty key", async () => {
      await state.write({ puts: [], dels: [] });
      expect(await everything(state)).toEqual([]);
      await put(state, { "": "nothing" });
      expect(text(state.getSync(""))).toBe("nothing");
    });

    test("keys are bytes: every one of 256, in byte order, alone and after a prefix", async () => {
      const keys = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).flatMap((char) => [
        char,
        `${char}\x00`,
        `${char}\xff`,
        `p${char}`,
      ]);
      const shuffled = keys.toSorted((a, b) => checksum(a) - checksum(b));
      await state.write({ puts: shuffled.map((key) => [key, bytes(hex(key))] as const), dels: [] });
      const expected = [...new Set(keys)].toSorted(byteOrder);
      expect((await state.range(EVERY_KEY)).map(([key]) => hex(key))).toEqual(expected.map(hex));
      expect((await state.getMany(keys)).map(text)).toEqual(keys.map(hex));
    });

    test("a key with a char above a byte is refused, and the batch with it", async () => {
      await expect(
        state.write({
          puts: [
            ["a", bytes("1")],
            ["\u0100", bytes("2")],
          ],
          dels: [],
        }),
      ).rejects.toThrow(RangeError);
      await expect(state.getMany(["\u0161"])).rejects.toThrow(RangeError);
      await put(state, { b: "3" });
      expect(await everything(state)).toEqual([["b", "3"]]);
    });

    test("a range has its first key and not its last, up to its limit, both ways", async () => {
      await put(state, { a: "1", b: "2", ba: "3", c: "4", d: "5" });
      const keysOf = async (from: string, to: string, limit: number, reverse?: boolean) =>
        (await state.range(reverse === undefined ? { from, to, limit } : { from, to, limit, reverse })).map(
          ([key]) => key,
        );
      expect(await keysOf("b", "d", 10)).toEqual(["b", "ba", "c"]);
      expect(await keysOf("b", "d", 10, true)).toEqual(["c", "ba", "b"]);
      expect(await keysOf("b", "d", 2)).toEqual(["b", "ba"]);
      expect(await keysOf("b", "d", 2, true)).toEqual(["c", "ba"]);
      expect(await keysOf("b", "d", 0)).toEqual([]);
      expect(await keysOf("b", "b", 10)).toEqual([]);
      expect(await keysOf("d", "a", 10)).toEqual([]);
      expect(await keysOf("d", "a", 10, true)).toEqual([]);
      expect(await keysOf("aa", "az", 10)).toEqual([]);
    });

    test("a range of thousands of entries, some of them large, is whole", async () => {
      const key = (i: number) => `k${String(i).padStart(5, "0")}`;
      const size = (i: number) => (i % 500 === 0 ? 100_000 : i % 7);
      for (let from = 0; from < 5_000; from += 1_000) {
        const puts = Array.from(
          { length: 1_000 },
          (_, i) => [key(from + i), new Uint8Array(size(from + i)).fill(i)] as const,
        );
        await state.write({ puts, dels: [] });
      }
      const all = await state.range({ from: "k", to: "l", limit: 4_999 });
      expect(all.length).toBe(4_999);
      expect(all.every(([found, value], i) => found === key(i) && value.length === size(i))).toBe(true);
      const many = await state.getMany(all.map(([found]) => found));
      expect(many.every((value, i) => value?.length === size(i))).toBe(true);
    });

    test("bytes are copied both ways: neither side sees the other's later changes", async () => {
      const mine = bytes("before");
      const written = state.write({ puts: [["a", mine]], dels: [] });
      mine.fill(0x78);
      await written;
      const yours = state.getSync("a");
      yours?.fill(0x79);
      const [[, ranged] = []] = await state.range(EVERY_KEY);
      ranged?.fill(0x7a);
      expect(text(state.getSync("a"))).toBe("before");
    });

    test("writes not waited for take effect in the order of the calls", async () => {
      await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          state.write({ puts: [["n", bytes(String(i))]], dels: [`k${i - 1}`] }),
        ),
      );
      expect(text(state.getSync("n"))).toBe("49");
    });

    test("a range sees whole batches only, also while others are written", async () => {
      const batch = (round: number) =>
        Array.from({ length: 200 }, (_, i) => [`k${i}`, bytes(String(round))] as const);
      await state.write({ puts: batch(0), dels: [] });
      const writing = Array.from({ length: 30 }, (_, i) => state.write({ puts: batch(i + 1), dels: [] }));
      for (let i = 0; i < 10; i++) {
        const seen = new Set((await state.range(EVERY_KEY)).map(([, value]) => text(value)));
        expect(seen.size).toBe(1);
      }
      await Promise.all(writing);
    });

    test("closing waits for writes, and what was written is there when it is opened again", async () => {
      const writing = Array.from({ length: 20 }, (_, i) =>
        state.write({ puts: [[`k${i}`, bytes(String(i))]], dels: [] }),
      );
      await state.close();
      await Promise.all(writing);
      state = await fresh.store.open(0);
      expect((await everything(state)).length).toBe(20);
    });

    test("a closed store says so, whatever is asked of it; closing it again is fine", async () => {
      await state.close();
      await state.close();
      const closed = expect.objectContaining({ name: "PortError", code: "closed", retry: "never" });
      await expect(state.getMany(["a"])).rejects.toEqual(closed);
      await expect(state.range(EVERY_KEY)).rejects.toEqual(closed);
      await expect(state.write({ puts: [], dels: [] })).rejects.toEqual(closed);
      await expect(state.sizeBytes()).rejects.toEqual(closed);
      expect(() => state.getSync("a")).toThrow(closed);
    });

    test("opening a partition twice is refused; another partition is another store", async () => {
      await expect(fresh.store.open(0)).rejects.toMatchObject({ name: "PortError", code: "locked" });
      const other = await fresh.store.open(1);
      await put(state, { a: "0" });
      await put(other, { a: "1" });
      expect(text(state.getSync("a"))).toBe("0");
      expect(text(other.getSync("a"))).toBe("1");
      await other.close();
    });

    test("its size grows with what is written", async () => {
      const before = await state.sizeBytes();
      await state.write({
        puts: [["a", new Uint8Array(100_000).map((_, i) => i * 31 + (i >> 8))]],
        dels: [],
      });
      expect(await state.sizeBytes()).toBeGreaterThan(before);
    });

    test("it agrees with a sorted map over any sequence of writes, reads, ranges and reopenings", async () => {
      expect.hasAssertions();
      let partition = 1;
      await assertProperty(
        asyncProperty(storeSteps, async (steps) => {
          // A partition of its own for each sequence, so that all begin empty.
          const { real, model } = await playSteps(fresh.store, partition++, steps);
          expect(real).toEqual(model);
        }),
        { numRuns: MODEL_RUNS },
      );
    });
  });
}

function put(state: PartitionStore, entries: Record<string, string>): Promise<void> {
  return state.write({
    puts: Object.entries(entries).map(([at, content]) => [at, bytes(content)] as const),
    dels: [],
  });
}

async function everything(state: PartitionStore): Promise<[string, string | undefined][]> {
  return (await state.range(EVERY_KEY)).map(([at, content]) => [at, text(content)]);
}

function bytes(content: string): Uint8Array {
  return Uint8Array.from(Buffer.from(content));
}

function text(content: Uint8Array | undefined): string | undefined {
  return content === undefined ? undefined : Buffer.from(content).toString();
}

/** A number that has nothing to do with the key's order. */
function checksum(at: string): number {
  return Buffer.from(at, "latin1").reduce((sum, byte) => (sum * 31 + byte * 167) % 1_009, 7);
}
