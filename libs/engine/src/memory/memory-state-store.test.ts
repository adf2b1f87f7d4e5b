/** The store in memory does what every state store does. */
import { expect, test } from "vitest";
import { stateStoreConformance } from "../conformance/state-store.js";
import { MemoryStateStore } from "./memory-state-store.js";
import { SortedKeys } from "./sorted-keys.js";

stateStoreConformance("memory", async () => ({
  store: new MemoryStateStore(),
  cleanUp: async () => undefined,
}));

test("a write is visible once it has resolved, not before", async () => {
  const state = await new MemoryStateStore().open(0);
  const written = state.write({ puts: [["a", Uint8Array.of(1)]], dels: [] });
  expect(state.getSync("a")).toBeUndefined();
  await written;
  expect(state.getSync("a")).toEqual(Uint8Array.of(1));
});

test("sorted keys stay sorted over many more than a chunk holds, added and removed in any order", () => {
  const keys = new SortedKeys();
  const all = Array.from({ length: 5_000 }, (_, i) => String((i * 7_919) % 5_000).padStart(4, "0"));
  for (const key of all) keys.add(key);
  for (const key of all) keys.add(key);
  const sorted = all.toSorted();
  expect([...keys.upFrom("")]).toEqual(sorted);
  expect([...keys.downFrom("9")]).toEqual(sorted.toReversed());
  expect([...keys.upFrom("4990")].slice(0, 2)).toEqual(["4990", "4991"]);
  expect([...keys.downFrom("0003")]).toEqual(["0002", "0001", "0000"]);
  for (const key of all.filter((_, i) => i % 3 > 0)) keys.delete(key);
  expect([...keys.upFrom("")]).toEqual(all.filter((_, i) => i % 3 === 0).toSorted());
  for (const key of all) keys.delete(key);
  expect([...keys.upFrom("")]).toEqual([]);
});
