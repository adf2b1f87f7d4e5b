/** What is a reference of an artifact, and what is said of anything else. */
import { describe, expect, test } from "vitest";
import { artifactNameProblem, readArtifact } from "./artifact.js";
import { ARTIFACT_NAME_CHARS_MAX } from "./limits.js";
import type { Json } from "./text.js";

const facts = { name: "rows.jsonl", size: 12, sha256: "ab".repeat(32), contentType: "application/x-ndjson" };

test("a reference is read as it stands; what else stands beside it does not matter", () => {
  expect(readArtifact({ $artifact: facts })).toEqual(facts);
  expect(readArtifact({ $artifact: { ...facts, more: 1 }, beside: true })).toEqual(facts);
});

test("a content type may be missing", () => {
  const { contentType: _, ...rest } = facts;
  expect(readArtifact({ $artifact: rest })).toEqual({ ...rest, contentType: "" });
});

const others: readonly [string, Json | undefined, RegExp][] = [
  ["nothing", undefined, /^nothing, not the reference/],
  ["null", null, /^null, not/],
  ["an array", [{ $artifact: facts }], /^an array, not/],
  ["another object", { artifact: facts }, /^an object, not/],
  ["an inherited property", Object.create({ $artifact: facts }) as Json, /^an object, not/],
  ["no facts", { $artifact: "rows.jsonl" }, /holds no object/],
  ["no name", { $artifact: { ...facts, name: 7 } }, /has no name/],
  ["an empty name", { $artifact: { ...facts, name: "" } }, /1 to 255 characters/],
  ["a path", { $artifact: { ...facts, name: "../rows" } }, /not allowed/],
  ["a negative size", { $artifact: { ...facts, size: -1 } }, /size/],
  ["half a byte", { $artifact: { ...facts, size: 0.5 } }, /size/],
  ["a size as text", { $artifact: { ...facts, size: "12" } }, /size/],
  ["a short digest", { $artifact: { ...facts, sha256: "ab" } }, /digest/],
  ["a digest in capitals", { $artifact: { ...facts, sha256: "AB".repeat(32) } }, /digest/],
  ["a long content type", { $artifact: { ...facts, contentType: "x".repeat(129) } }, /content type/],
];
test.each(others)("%s is no reference, and it is said why", (_, value, problem) => {
  expect(readArtifact(value)).toMatch(problem);
});

describe("a name", () => {
  test.each(["a", "rows.jsonl", "Zeilen für März.jsonl", "x".repeat(ARTIFACT_NAME_CHARS_MAX)])(
    "may be %j",
    (name) => {
      expect(artifactNameProblem(name)).toBeUndefined();
    },
  );
  test.each(["", "x".repeat(ARTIFACT_NAME_CHARS_MAX + 1), "a/b", "a\\b", "a\nb", "\u0000"])(
    "may not be %j",
    (name) => {
      expect(artifactNameProblem(name)).toBeDefined();
    },
  );
});
