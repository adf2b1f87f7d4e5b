/** Items named by keys in a client's calls: numbers are indices, texts are keys. */
import { ItemStatus } from "@holdfast/proto";
import { afterEach, expect, expectTypeOf, test } from "vitest";
import { ActionError, createWorker, type RetryRunOptions, typed, type Worker, workflow } from "../index.js";
import { startTestCluster, type TestCluster } from "../testing/index.js";

let cluster: TestCluster | undefined;
let worker: Worker | undefined;
afterEach(async () => {
  await worker?.stop();
  await cluster?.close();
});

interface Row {
  readonly orderId: string;
  readonly host: { readonly id: number };
  readonly tags: string[];
}
const input = typed<{ rows: Row[]; names: string[] }>();

test("a key is a place in the item, as a breaker's is", () => {
  const keyOf = (key: "orderId" | "host.id" | "/host/id" | undefined) =>
    workflow("w", { input }).forEach(
      "a",
      key === undefined ? { items: "rows" } : { items: "rows", key },
      () => 1,
    ).definition.actions[0]?.forEach?.key;
  expect(["orderId", "host.id", "/host/id", undefined].map((key) => keyOf(key as "orderId"))).toEqual([
    "/orderId",
    "/host/id",
    "/host/id",
    undefined,
  ]);
  const itself = workflow("w", { input }).forEach("a", { items: "names", key: "" }, () => 1);
  expect(itself.definition.actions[0]?.forEach?.key).toBe("");
  // @ts-expect-error There is no such place.
  workflow("w", { input }).forEach("a", { items: "rows", key: "orderld" }, () => 1);
  // @ts-expect-error A list is no key.
  workflow("w", { input }).forEach("a", { items: "rows", key: "tags" }, () => 1);
  expect(
    () =>
      workflow("w", { input }).forEach("a", { items: "rows", key: "/~a" as "orderId" }, () => 1).definition,
  ).toThrow(/for_each\.key "\/~a" is no JSON pointer/);
  const job = { submit: () => 1, check: () => ({ status: "running" as const }) };
  expect(() => workflow("w", { input }).batch("a", { key: "x" } as object, job as never).definition).toThrow(
    /key/,
  );
});

test("a retry takes indices and keys together, or nothing", async () => {
  let broken = true;
  const mail = workflow("mail", { input: typed<{ to: string[] }>() }).forEach(
    "send",
    { items: "to", key: "", retry: { maxAttempts: 1 } },
    ({ item }) => {
      if (broken) throw new ActionError("NOT_FOUND", `where is ${item}`);
      return item;
    },
  );
  cluster = await startTestCluster();
  worker = await createWorker({ connection: cluster.holdfast, workflows: [mail] });
  const { holdfast } = cluster;
  await cluster.run(mail, { to: ["3", "ann", "bob", "bob", "eve"] }, { runId: "m" });
  expect((await holdfast.items("m", { action: "send", keys: ["eve", "3"] })).items).toMatchObject([
    { index: 0, key: "3" },
    { index: 4, key: "eve" },
  ]);
  const retry = (items: RetryRunOptions["items"], requestId: string) =>
    holdfast.retry("m", { action: "send", items: items ?? [], requestId });
  for (const [items, code, message] of [
    [
      ["ann", "bob"],
      "INVALID_ARGUMENT",
      /several failed items of action send of run m have the key "bob": 2, 3/,
    ],
    [["ann", "zoe"], "NO_SUCH_ITEM", /no failed item of action send of run m has the key "zoe"/],
    [["yan", "ann", "zoe"], "NO_SUCH_ITEM", /has any of 2 keys: "yan", "zoe"; look at its failed items/],
    [
      [0, -1, 1.5, 2 ** 32, Number.NaN],
      "INVALID_ARGUMENT",
      /items has -1, 1.5, 4294967296, NaN: give indices/,
    ],
    [[null, {}], "INVALID_ARGUMENT", /items has null, \[object Object\]/],
    [[...Array(12).keys()].map((n) => -1 - n), "INVALID_ARGUMENT", /-10 and 2 more: give indices/],
    [["ann", ""], "INVALID_ARGUMENT", /1 to 128 characters/],
    [[...Array(101).keys()].map(String), "INVALID_ARGUMENT", /101 keys of items are too many: at most 100/],
  ] as [RetryRunOptions["items"], string, RegExp][])
    await expect(retry(items, "wrong")).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  await expect(holdfast.retry("m", { items: ["ann"] })).rejects.toMatchObject({
    message: expect.stringContaining("name the action"),
  });
  broken = false;
  // The text "3" is a key, the number 3 an index.
  const first = await retry(["3", 3, "ann"], "once");
  expect(first).toMatchObject({ items: 3 });
  await holdfast.wait("m");
  const { items } = await holdfast.items("m", { action: "send", statuses: [ItemStatus.FAILED] });
  expect(items.map(({ index }) => index)).toEqual([2, 4]);
  expect(await retry(["3", 3, "ann"], "once")).toEqual(first);
  await expect(retry(["ann"], "later")).rejects.toMatchObject({
    message: expect.stringContaining('"ann" (item 1 has it, and is not failed)'),
  });
  expectTypeOf<RetryRunOptions["items"]>().toEqualTypeOf<readonly (number | string)[] | undefined>();
});
