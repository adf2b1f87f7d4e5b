/** A member is put where its names lead, and nothing else of the text changes. */
import { describe, expect, it } from "vitest";
import { NoObject, withMember } from "./json-member.js";

describe("a member of a JSON text", () => {
  it.each([
    ["null", ["rows"], '{"rows":7}'],
    [" null\n", ["batch", "rows"], '{"batch":{"rows":7}}'],
    ["{}", ["rows"], '{"rows":7}'],
    ["{ }", ["rows"], '{ "rows":7}'],
    ['{"id": 9007199254740993, "x":1e400 }', ["rows"], '{"id": 9007199254740993, "x":1e400 ,"rows":7}'],
    ['{"rows": [1, -0], "n":-0}', ["rows"], '{"rows": 7, "n":-0}'],
    ['{"batch":{"ä":1.10}, "n":2}', ["batch", "rows"], '{"batch":{"ä":1.10,"rows":7}, "n":2}'],
    ['{"b":{}}', ["b", "c", "d/e~f"], '{"b":{"c":{"d/e~f":7}}}'],
  ])("%j with one at %j is %j", (text, names, wanted) => {
    expect(withMember(text, names, "7")).toBe(wanted);
  });

  it.each([
    ["7", ["rows"], []],
    ["[1]", ["0"], []],
    ['{"a":"b"}', ["a", "b"], ["a"]],
  ])("%j has none at %j", (text, names, at) => {
    expect(() => withMember(text, names, "7")).toThrow(new NoObject(at));
  });
});
