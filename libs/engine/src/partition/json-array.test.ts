/** Elements of an array come out whole, wherever the array stands, however the bytes come in, and as JSON.parse would have them. */
import { atPointer, type Json } from "@holdfast/core";
import { array, assert, constantFrom, integer, jsonValue, property, record, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { ArrayProblem, ArrayScanner } from "./json-array.js";

const LIMIT = 1_000;

function scan(text: string, pointer: string, sizes: readonly number[], limit = LIMIT): Json[] {
  const scanner = new ArrayScanner(pointer, limit);
  const bytes = Buffer.from(text);
  const found: Json[] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] as number;
    const piece = new Uint8Array(bytes.subarray(at, at + size));
    at += size;
    for (const element of scanner.push(piece))
      found.push(JSON.parse(Buffer.from(element).toString()) as Json);
    piece.fill(0x21);
  }
  scanner.end();
  return found;
}

const problemOf = (text: string, pointer: string, sizes: readonly number[] = [1], limit = LIMIT): unknown => {
  try {
    return scan(text, pointer, sizes, limit);
  } catch (error) {
    if (!(error instanceof ArrayProblem)) throw error;
    return [error.problem, error.what];
  }
};

const SIZES = [[1], [2], [3, 1], [7], [100_000]];

const texts: readonly [string, string, Json[]][] = [
  ["[]", "", []],
  [" [ ] ", "", []],
  ["[1]", "", [1]],
  [' [ 1 , "a,]" , [2,[3]] , {"b":[1,2],"c":"}"} ] ', "", [1, "a,]", [2, [3]], { b: [1, 2], c: "}" }]],
  ['{"rows":[1,2]}', "/rows", [1, 2]],
  ['{ "a" : {"rows":[9]} , "rows" : [ 1 ] , "z" : "]}" }', "/rows", [1]],
  ['{"a":"\\"rows\\":[","rows":[1],"more":{"x":[[]]}}', "/rows", [1]],
  ['{"a":{"b":[[0],[1,2]]}}', "/a/b/1", [1, 2]],
  ['[{"rows":[1]},{"rows":[2]}]', "/1/rows", [2]],
  ['{"ro\\u0077s":[1]}', "/rows", [1]],
  ['{"a/b":{"~":[1]}}', "/a~1b/~0", [1]],
  ['{"":[1]}', "/", [1]],
  ['{"ä€😀":["ä€😀\\\\"]}', "/ä€😀", ["ä€😀\\"]],
];
describe.each(texts)("%s at %j", (text, pointer, elements) => {
  test.each(SIZES.map((sizes) => [sizes]))("in pieces of %j bytes", (sizes) => {
    expect(scan(text, pointer, sizes)).toEqual(elements);
  });
});

const problems: readonly [string, string, string, string | RegExp][] = [
  ["{}", "/rows", "kind", "nothing"],
  ['{"a":1}', "/rows", "kind", "nothing"],
  ["[]", "/0", "kind", "nothing"],
  ["[]", "/0/rows", "kind", "nothing"],
  ["[[1]]", "/1", "kind", "nothing"],
  ["[[1]]", "/00", "kind", "nothing"],
  ["7", "/rows", "kind", "nothing"],
  ['{"rows":{"a":1}}', "/rows", "kind", "an object"],
  ['{"rows":"[1]"}', "/rows", "kind", "a string"],
  ['{"rows":null}', "/rows", "kind", "null"],
  ['{"rows":true}', "/rows", "kind", "a boolean"],
  ['{"rows":-1}', "/rows", "kind", "a number"],
  ["", "", "syntax", /in the middle/],
  ["[1,2", "", "syntax", /in the middle/],
  ['["a', "", "syntax", /in the middle/],
  ['{"rows":[1]', "/rows", "syntax", /in the middle/],
  ['{"rows":[1],"a":"', "/rows", "syntax", /in the middle/],
  ["[1]]", "", "syntax", /^"]"/],
  ['{"rows":[1]]', "/rows", "syntax", /^"]"/],
  ["[1,]", "", "syntax", /^"]"/],
  ["[,1]", "", "syntax", /^","/],
  ["[1}", "", "syntax", /^"}"/],
  ['{"a" 1}', "/rows", "syntax", /^"1"/],
  ["{a:1}", "/rows", "syntax", /^"a"/],
  ['{"a":}', "/rows", "syntax", /^"}"/],
  ['{"a":1]', "/rows", "syntax", /^"]"/],
  ["#", "", "syntax", /^"#"/],
  ['{"rows":[1],"rows":[2]}', "/rows", "syntax", /^the name "rows" stands twice/],
  ['{"rows":[1],"a":[{"rows":1}],"\\u0072ows":2}', "/rows", "syntax", /^the name "rows" stands twice/],
  ['[{"a":{"b":[]},"a":1}]', "/0/a/b", "syntax", /^the name "a" stands twice/],
  ['[{"a":{"b":[],"b":1},"a":1}]', "/0/a/b", "syntax", /^the name "b" stands twice/],
  ['{"rows":[1],}', "/rows", "syntax", /^"}"/],
  ['{"rows":[1] "a":2}', "/rows", "syntax", /^""""|^"\\""/],
  ["[[1],]", "/0", "syntax", /^"]"/],
];
test.each(problems)("%s at %j: %s, %s", (text, pointer, problem, what) => {
  for (const sizes of SIZES)
    expect(problemOf(text, pointer, sizes)).toEqual([
      problem,
      typeof what === "string" ? what : (expect.stringMatching(what) as unknown),
    ]);
});

test("an element that is too large is told as soon as that is known, by its index", () => {
  const text = `[1,"${"x".repeat(50)}"]`;
  for (const sizes of SIZES)
    expect(problemOf(text, "", sizes, 20)).toEqual(["size", "item 1 is more than 20 bytes"]);
  const scanner = new ArrayScanner("", 20);
  expect(() => scanner.push(Buffer.from(`["${"x".repeat(50)}`))).toThrow(/^item 0 is more than/);
});

test("whatever stands in it and around it, it is what JSON.parse has at that place", () => {
  const around = record({ a: jsonValue(), "b/c~": jsonValue(), rows: array(jsonValue(), { maxLength: 6 }) });
  const wrapped = tuple(jsonValue(), around, jsonValue());
  assert(
    property(
      wrapped,
      constantFrom("/1/rows", "/1/b~1c~0", "/0", "/1/a/0", "/2"),
      constantFrom(0, 1, 3),
      array(integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }),
      (value, pointer, indent, sizes) => {
        const found = atPointer(JSON.parse(JSON.stringify(value)) as Json, pointer);
        const got = problemOf(JSON.stringify(value, null, indent), pointer, sizes, 100_000);
        if (Array.isArray(found)) expect(got).toEqual(found);
        else expect((got as [string])[0]).toBe("kind");
      },
    ),
    { numRuns: 1_000 },
  );
});
