/** What users declare of a breaker, and what is refused of it. */
import { FailureMode, OnOpen } from "@holdfast/proto";
import { expect, test } from "vitest";
import type { BreakerOptions, ItemBreakerOptions } from "./breaker.js";
import { typed } from "./schema.js";
import { workflow } from "./workflow.js";

const compiled = (breaker: BreakerOptions) =>
  workflow("pay").action("charge", { breaker }, () => 1).definition.actions[0]?.breaker;

test("a breaker is declared in the words of its docs", () => {
  expect(
    compiled({
      failureRate: 0.25,
      minSamples: 10,
      window: "30s",
      openFor: "10s",
      factor: 1.5,
      maxOpenFor: "5m",
      probes: 2,
      onOpen: "fail",
      key: "shop.region",
      modes: ["NETWORK"],
    }),
  ).toMatchObject({
    failureRateBp: 2_500,
    minSamples: 10,
    windowMs: 30_000,
    openForMs: 10_000,
    factorMilli: 1_500,
    maxOpenForMs: 300_000,
    probes: 2,
    onOpen: OnOpen.FAIL,
    key: "/shop/region",
    modes: [FailureMode.NETWORK],
  });
  expect(compiled({})).toMatchObject({ failureRateBp: 0, probes: 0, key: "", modes: [] });
});

const orders = typed<{ rows: { host: string; shop: { id: number }; tags: string[] }[]; names: string[] }>();

test("an action over items may take the key from the item", () => {
  const keyOf = (itemKey: "host" | "shop.id" | "/shop/id") =>
    workflow("pay", { input: orders }).forEach("charge", { items: "rows", breaker: { itemKey } }, () => 1)
      .definition.actions[0]?.breaker?.itemKey;
  expect([keyOf("host"), keyOf("shop.id"), keyOf("/shop/id")]).toEqual(["/host", "/shop/id", "/shop/id"]);
  const itself = workflow("pay", { input: orders }).forEach(
    "charge",
    { items: "names", breaker: { itemKey: "" } },
    ({ item }) => item.length,
  );
  expect(itself.definition.actions[0]?.breaker).toMatchObject({ key: "", itemKey: "" });
  expect(compiled({ key: "item.host" })).toMatchObject({ key: "/item/host", itemKey: undefined });
});

test("a key that the item does not have, or from both places, or of an action without items, is refused", () => {
  const over = (breaker: ItemBreakerOptions) =>
    workflow("pay").forEach("charge", { items: "rows", breaker }, () => 1).definition;
  expect(() => over({ itemKey: "host", key: "shop" })).toThrow(/from the run's input or from the item/);
  expect(() => over({ itemKey: "/~host" })).toThrow(/breaker.item_key "\/~host" is no JSON pointer/);
  expect(() => compiled({ itemKey: "host" } as BreakerOptions)).toThrow(
    /action "charge" is not over items: its breaker can't take its key from an item/,
  );
  const rows = workflow("pay", { input: orders });
  // @ts-expect-error its items have no such place
  rows.forEach("a", { items: "rows", breaker: { itemKey: "hots" } }, () => 1);
  // @ts-expect-error a list is no key
  rows.forEach("a", { items: "rows", breaker: { itemKey: "tags" } }, () => 1);
  // @ts-expect-error it is not over items
  expect(() => rows.action("a", { breaker: { itemKey: "host" } }, () => 1).definition).toThrow(
    /not over items/,
  );
});

test.each<[string, BreakerOptions, RegExp]>([
  ["a rate of nothing", { failureRate: 0 }, /failureRate of action charge is 0/],
  ["a rate above all", { failureRate: 1.1 }, /failureRate/],
  ["half a sample", { minSamples: 0.5 }, /minSamples/],
  ["no probes", { probes: 0 }, /probes/],
  ["too many probes", { probes: 101 }, /probes/],
  ["a shrinking time", { factor: 0.5 }, /factor/],
  ["no window", { window: 0 }, /window/],
  ["too long a window", { window: "48h" }, /window/],
  ["an unknown wish", { onOpen: "explode" as never }, /hold, fail or skip/],
  ["an unknown mode", { modes: ["SAD" as never] }, /SAD/],
  ["a mode that is not the dependency's", { modes: ["VALIDATION"] }, /VALIDATION says nothing against/],
  ["a partial success", { modes: ["PARTIAL_STEP_FAILURES"] }, /PARTIAL_STEP_FAILURES says nothing against/],
])("%s is refused", (_what, breaker, message) => {
  expect(() => compiled(breaker)).toThrow(message);
});
