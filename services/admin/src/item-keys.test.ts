/** Items named by their keys, the whole way: what is shown, what is looked for, what a retry takes, and what it refuses. */
import { ItemStatus } from "@holdfast/proto";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type MemorySystem, memorySystem } from "./memory-system.js";

interface Order {
  readonly id: string | number;
  readonly bad?: boolean | undefined;
}

let broken = true;
const charge = ({ item }: { item: Order }): number => {
  if (broken && item.bad === true) throw new ActionError("VALIDATION", `order ${item.id} is bad`);
  return 1;
};
const orders = workflow("orders", { input: typed<{ rows: Order[] }>() })
  .forEach("charge", { items: "rows", key: "id" }, charge)
  .forEach("plain", { items: "rows" }, charge);

let system: MemorySystem;
let admin: MemorySystem["admin"];
beforeEach(async () => {
  broken = true;
  system = await memorySystem([orders]);
  admin = system.admin;
});
afterEach(() => system.close());

const ROWS: Order[] = [
  { id: "a" },
  { id: "order-1", bad: true },
  { id: 17, bad: true },
  { id: "twin", bad: true },
  { id: "twin", bad: true },
  { id: "order-1" },
];

async function ended(runId: string, rows: readonly Order[] = ROWS): Promise<void> {
  await admin.startRun({ workflow: "orders", runId, inputJson: JSON.stringify({ rows }) });
  await settled(runId);
}

const settled = (runId: string) =>
  expect.poll(async () => (await admin.getRun({ runId })).run?.summary?.endedAt).toBeDefined();

const failed = async (runId: string, action = "charge") =>
  (await admin.listItems({ runId, action, statuses: [ItemStatus.FAILED] })).items.map(({ index }) => index);

it("an item's key stands beside its index, and items are listed by it", async () => {
  await ended("r1");
  const { items } = await admin.listItems({ runId: "r1", action: "charge" });
  expect(items.map(({ key }) => key)).toEqual(["a", "order-1", "17", "twin", "twin", "order-1"]);
  const plain = await admin.listItems({ runId: "r1", action: "plain" });
  expect(plain.items.map(({ key }) => key)).toEqual(ROWS.map(() => ""));
  const some = await admin.listItems({ runId: "r1", action: "charge", keys: ["17", "order-1", "none"] });
  expect(some.items.map(({ index }) => index)).toEqual([1, 2, 5]);
  for (const [keys, message] of [
    [[""], "1 to 128 characters"],
    [["x".repeat(129)], "1 to 128 characters"],
    [Array.from({ length: 101 }, (_, n) => `k${n}`), "101 values are too many; at most 100"],
  ] as const)
    await expect(admin.listItems({ runId: "r1", action: "charge", keys: [...keys] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(message),
    });
});

it("a retry takes keys and indices together; the same request gets the same answer", async () => {
  await ended("r2");
  broken = false;
  const request = {
    runId: "r2",
    action: "charge",
    items: [3],
    itemKeys: ["order-1", "17"],
    requestId: "once",
  };
  const first = await admin.retryRun(request);
  expect(first).toMatchObject({ items: 3, actions: 1 });
  await settled("r2");
  expect(await failed("r2")).toEqual([4]);
  expect(await admin.retryRun(request)).toEqual(first);
  // The twin that is left is the only failed one of its key.
  expect(await admin.retryRun({ runId: "r2", action: "charge", itemKeys: ["twin"] })).toMatchObject({
    items: 1,
  });
  await settled("r2");
  expect(await failed("r2")).toEqual([]);
});

it("nothing is retried unless every key names one failed item", async () => {
  await ended("r3");
  const twins = /several failed items of action charge of run r3 have the key "twin": 3, 4; name/;
  for (const [itemKeys, code, message] of [
    [["order-1", "twin"], "INVALID_ARGUMENT", twins],
    [["order-1", "none"], "NOT_FOUND", /no failed item of action charge of run r3 has the key "none"; look/],
    [["order-1", "a"], "NOT_FOUND", /has the key "a" \(item 0 has it, and is not failed\)/],
    [["order-1", ""], "INVALID_ARGUMENT", /item_keys: a key has 1 to 128 characters/],
  ] as const) {
    const asked = admin.retryRun({ runId: "r3", action: "charge", itemKeys: [...itemKeys] });
    await expect(asked).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  }
  const plain = admin.retryRun({ runId: "r3", action: "plain", itemKeys: ["order-1"] });
  await expect(plain).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/items of action plain of run r3 have no keys.*forEach: key: "orderId"/),
  });
  await expect(admin.retryRun({ runId: "r3", itemKeys: ["order-1"] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("action: it is empty"),
  });
  expect(await failed("r3")).toEqual([1, 2, 3, 4]);
  expect((await admin.getRun({ runId: "r3" })).run?.summary?.generation).toBe(1);
});

it("dead letters are moved, discarded and retried by key as well", async () => {
  await ended("r4");
  const twice = { runId: "r4", action: "charge", itemKeys: ["17", "twin"], reason: "asked" };
  await expect(admin.moveToDeadLetters(twice)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  const healthy = admin.moveToDeadLetters({ ...twice, itemKeys: ["a"] });
  await expect(healthy).rejects.toMatchObject({
    code: "NOT_FOUND",
    message: expect.stringContaining('"a" (item 0'),
  });
  expect((await admin.listDeadLetters({ runId: "r4" })).letters).toEqual([]);
  const moved = { ...twice, items: [3], itemKeys: ["17"], requestId: "once" };
  expect(await admin.moveToDeadLetters(moved)).toMatchObject({ items: 2 });
  expect(await admin.moveToDeadLetters(moved)).toMatchObject({ items: 2 });
  const given = { runId: "r4", action: "charge", items: [3], reason: "of no use" };
  expect(await admin.discardDeadLetters({ ...given, items: [], itemKeys: ["17"] })).toMatchObject({
    items: 1,
  });
  expect(await admin.discardDeadLetters(given)).toMatchObject({ items: 1 });
  await admin.moveToDeadLetters({ ...moved, requestId: "again" });
  broken = false;
  const letter = { runId: "r4", action: "charge", deadLetters: true };
  await expect(admin.retryRun({ ...letter, itemKeys: ["order-1"] })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
  });
  expect(await admin.retryRun({ ...letter, itemKeys: ["17"] })).toMatchObject({ items: 1 });
  await settled("r4");
  expect(await failed("r4")).toEqual([1, 3, 4]);
});

it("a key is found behind more items than one answer looks at", async () => {
  const rows = Array.from({ length: 4_500 }, (_, n) => ({ id: n, bad: n >= 2_000 }));
  await ended("r5", rows);
  const { items, nextPageToken } = await admin.listItems({ runId: "r5", action: "charge", keys: ["4499"] });
  expect([items, nextPageToken === ""]).toEqual([[], false]);
  broken = false;
  expect(await admin.retryRun({ runId: "r5", action: "charge", itemKeys: ["4499"] })).toMatchObject({
    items: 1,
  });
  await settled("r5");
  expect(await failed("r5")).not.toContain(4_499);
});
