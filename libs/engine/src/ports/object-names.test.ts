/** Which artifacts a body names, however it comes. */
import { expect, test } from "vitest";
import { NamedObjects, namesIn } from "./object-names.js";

const [A, B] = ["a".repeat(64), "0123456789abcdef".repeat(4)];
const reference = (sha256: string, space = "") =>
  `{"$artifact":{"contentType":"text/plain","name":"x","sha256"${space}:${space}"${sha256}","size":3}}`;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test.each([
  ["none", "[1, 2, 3]", []],
  ["a digest that is no reference", `{"$artifact":1,"digest":"${A}"}`, []],
  ["one", `{"deep":[${reference(A)}]}`, [A]],
  ["several, with spaces", `[${reference(A, " ")},${reference(B)},${reference(A)}]`, [A, B]],
  ["what is too short", reference(A.slice(1)), []],
])("%s", (_, text, names) => {
  expect([...namesIn(bytes(text))]).toEqual(names);
});

test("a body in pieces names the same, wherever it is cut", () => {
  const text = bytes(`${"é".repeat(100)}${reference(A)}${" ".repeat(300)}${reference(B, "  ")}`);
  for (let cut = 0; cut <= text.length; cut++) {
    const found = new NamedObjects();
    found.add(text.subarray(0, cut));
    found.add(text.subarray(cut));
    expect([...found.names]).toEqual([A, B]);
  }
  const byteByByte = new NamedObjects();
  for (const byte of text) byteByByte.add(Uint8Array.of(byte));
  expect([...byteByByte.names]).toEqual([A, B]);
});
