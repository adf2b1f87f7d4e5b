/** An item's key stands beside its index, cut where it would take the reason's room. */
import { expect, test } from "vitest";
import { renderFailedItems, renderItemPage, renderItemTable } from "./item.js";
import { failedItem, plainScreen } from "./sample-runs.js";

const LONG = `order-${"1".repeat(60)}`;
const items = [failedItem(3, { key: "order-17" }), failedItem(17), failedItem(18, { key: LONG })];

test("of failed items, and in the table of all", () => {
  for (const lines of [
    renderFailedItems(items, plainScreen(100)),
    renderItemTable(items, plainScreen(100)),
  ]) {
    const text = lines.join("\n");
    expect(text).toMatch(/#3 order-17 +/);
    expect(text).toMatch(/#18 order-1{17}…/);
    expect(text).toMatch(/#17 +(VALIDATION|✗|x)/);
    expect(text).not.toContain(LONG);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  }
});

test("with --full nothing is cut", () => {
  const failed = renderFailedItems(items, plainScreen(200), { full: true });
  expect(failed.join("\n")).toContain(`key ${LONG}`);
  expect(renderItemTable(items, plainScreen(200), true).join("\n")).toContain(`#18 ${LONG}`);
});

test("what goes on, or finds nothing, says by which keys", () => {
  const page = { action: "check", counts: undefined, filtered: true, keys: ["a b", "c"], failedOnly: true };
  const more = renderItemPage("r", { ...page, items, more: true }, plainScreen(200), false);
  expect(more.at(-1)).toContain("items r --action check --failed --item-key 'a b' --item-key c --all");
  const none = renderItemPage("r", { ...page, items: [], more: false }, plainScreen(200), false);
  expect(none.at(-1)).toBe("  none of the asked keys");
});
