/** A check goes through every part of the state, and what is planted in one is found there and nowhere else. */
import { signatureKey } from "@holdfast/core";
import { expect, test } from "vitest";
import { PartitionState } from "../partition/state.js";
import { readGolden } from "./golden-file.js";
import { checkAll, worldOf } from "./opened.js";

/** The breaches of the first golden store that has such rows, with one of them changed. */
async function planted(prefix: string, plant: (state: PartitionState, keys: readonly string[]) => void) {
  const world = await worldOf(readGolden(2), "stored");
  await world.startNode();
  await world.until(world.node?.stop() ?? Promise.resolve());
  let isPlanted = false;
  for (let partition = 0; partition < world.partitions && !isPlanted; partition++) {
    const db = await world.store.open(partition);
    const state = new PartitionState(db, 1_000);
    const keys = (await state.range(prefix, `${prefix}\xff`, 100)).map(([key]) => key);
    if (keys.length > 0) {
      plant(state, keys);
      isPlanted = true;
    }
    await state.commit(() => undefined);
    await db.close();
  }
  expect(isPlanted).toBe(true);
  await world.startNode();
  return (await checkAll(world)).breaches;
}

test("nothing is found where nothing is planted", async () => {
  expect(await planted("A", () => undefined)).toEqual([]);
});

test("totals of a signature that are not its runs'", async () => {
  const found = await planted("f", (state, [key = ""]) => {
    const record = state.get(signatureKey(key.slice(1)));
    if (record === undefined) throw new Error("there is no signature");
    record.items += 3n;
    record.runs += 1;
    state.put(signatureKey(key.slice(1)), record);
  });
  expect(found).toEqual([
    expect.stringMatching(/^I7 .*counts \d+ failed runs, there are \d+$/),
    expect.stringMatching(/^I7 .*counts \d+ failed items, there are \d+$/),
    expect.stringMatching(/^I7 .*a retry by it would find \d+$/),
  ]);
});

test("a held action without its row", async () => {
  const found = await planted("H", (state, [key = ""]) => state.del(key));
  expect(found).toEqual([
    expect.stringMatching(/^I10 .*it is held, but its breaker would never let it go$/),
    expect.stringMatching(/^I7 .*actions are counted as held/),
  ]);
});
