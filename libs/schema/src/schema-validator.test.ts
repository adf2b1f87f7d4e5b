/** Inputs against declared schemas: dialects, places, and schemas that can't be used. */
import { describe, expect, test } from "vitest";
import { PROBLEM_CHARS_MAX, PROBLEMS_MAX, SchemaValidator, schemaProblem } from "./schema-validator.js";

let hashes = 0;
const validator = new SchemaValidator();

function verdict(schema: unknown, input: unknown): string {
  const text = typeof schema === "string" ? schema : JSON.stringify(schema);
  const found = validator.validate({ hash: `h${++hashes}`, definition: { inputSchema: text } }, input);
  return found.ok ? "ok" : found.message;
}

const rows = {
  type: "object",
  required: ["rows"],
  properties: { rows: { type: "array", items: { type: "object", required: ["id"] } } },
};

describe("an input", () => {
  test("is right where no schema is declared", () => expect(verdict("", { any: 1 })).toBe("ok"));

  test.each(["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"])(
    "is checked by the dialect %s, and its place is named",
    ($schema) => {
      expect(verdict({ ...rows, $schema }, { rows: [{ id: 1 }] })).toBe("ok");
      expect(verdict({ ...rows, $schema }, { rows: [{ id: 1 }, { od: 1 }] })).toBe(
        "/rows/1 must have required property 'id'",
      );
      expect(verdict({ ...rows, $schema }, null)).toBe("the input must be object");
    },
  );

  test("is checked by what is special to 2020-12 where no dialect is named", () => {
    const tuple = { type: "array", prefixItems: [{ type: "number" }], items: false };
    expect(verdict(tuple, [1])).toBe("ok");
    expect(verdict(tuple, ["x"])).toBe("/0 must be number");
  });

  test("gets a bounded error, however long what is wrong with it", () => {
    const name = "x".repeat(10_000);
    expect(
      verdict({ type: "object", additionalProperties: false }, { [name]: 1 }).length,
    ).toBeLessThanOrEqual(PROBLEM_CHARS_MAX);
  });

  test("that is small is told all that is wrong with it, up to a bound", () => {
    expect(verdict(rows, { rows: [{}, { id: 1 }, {}] })).toBe(
      "/rows/0 must have required property 'id'; /rows/2 must have required property 'id'",
    );
    const twenty = { rows: Array.from({ length: 20 }, () => ({})) };
    expect(verdict(rows, twenty).split("; ")).toHaveLength(PROBLEMS_MAX);
  });

  test("with very many wrong rows costs one error", () => {
    const many = { rows: Array.from({ length: 200_000 }, () => ({})) };
    expect(verdict(rows, many)).toBe("/rows/0 must have required property 'id'");
  });
});

describe("a schema that can't be used", () => {
  test.each([
    ["{", "JSON"],
    ["null", "neither an object nor a boolean"],
    ["[]", "neither an object nor a boolean"],
    ["7", "neither an object nor a boolean"],
    ['{"type":"nonsense"}', "type"],
    ['{"$ref":"https://example.org/elsewhere.json"}', "reference"],
    ['{"$async":true}', "$async"],
    ['{"$schema":"http://json-schema.org/draft-03/schema#"}', "neither draft 2020-12 nor draft-07"],
    ['{"pattern":"("}', "regular expression"],
    [`${'{"not":'.repeat(50_000)}{}${"}".repeat(50_000)}`, "can't be used"],
  ])("%.40s refuses every input and says why", (schema, why) => {
    expect(verdict(schema, {})).toContain("can't be used");
    expect(verdict(schema, {})).toContain(why);
    expect(schemaProblem(schema)).toContain(why);
  });

  test("true and false are schemas", () => {
    expect(verdict("true", 1)).toBe("ok");
    expect(verdict("false", 1)).not.toBe("ok");
    expect(schemaProblem("true")).toBeUndefined();
  });
});

test("compiled schemas are bounded, and those in use stay", () => {
  const small = new SchemaValidator(3);
  for (const hash of ["a", "b", "c", "a", "d", "e"]) {
    expect(small.problems({ hash, definition: { inputSchema: "true" } }, 1)).toEqual([]);
  }
  expect(small.size).toBe(3);
});
