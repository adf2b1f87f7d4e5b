/** What is a key of an item, and what is none. */
import { expect, test } from "vitest";
import { ITEM_KEY_CHARS_MAX } from "../limits.js";
import { utf8 } from "../text.js";
import { keyOfItem } from "./item-key.js";

const LONG = "x".repeat(ITEM_KEY_CHARS_MAX);

test.each<[string, string, string, string | undefined]>([
  ["a text", '{"id":"order-17"}', "/id", "order-17"],
  ["a text with escapes", String.raw`{"id":"a\u0062\"c"}`, "/id", 'ab"c'],
  ["a number", '{"id":17}', "/id", "17"],
  ["an equal number", '{"id":1.70e1}', "/id", "17"],
  ["a number that JavaScript can't hold", '{"id":12345678901234567891}', "/id", "12345678901234567891"],
  ["the item itself", '"Oslo"', "", "Oslo"],
  ["a place further down", '{"order":{"ids":["a","b"]}}', "/order/ids/1", "b"],
  ["the longest text", `{"id":"${LONG}"}`, "/id", LONG],
  ["one character more", `{"id":"${LONG}x"}`, "/id", undefined],
  ["an empty text", '{"id":""}', "/id", undefined],
  ["nothing there", '{"no":1}', "/id", undefined],
  ["true", '{"id":true}', "/id", undefined],
  ["null", '{"id":null}', "/id", undefined],
  ["an object", '{"id":{"a":1}}', "/id", undefined],
  ["an array", '{"id":["a"]}', "/id", undefined],
  ["what is no JSON", '{"id":"a"', "/id", undefined],
])("%s", (_what, input, pointer, key) => {
  expect(keyOfItem(utf8(input), pointer)).toBe(key);
});

test("an item that is not kept, or whose action says nothing of keys, has none", () => {
  expect(keyOfItem(undefined, "/id")).toBeUndefined();
  expect(keyOfItem(utf8('"a"'), undefined)).toBeUndefined();
});
