/** Inputs against declared schemas: places named, dialects known, broken schemas said so. */
import { describe, expect, it } from "vitest";
import { AjvValidator } from "./ajv-validator.js";
import { definitionOf } from "./scripted-cluster.js";

const validator = new AjvValidator();
let hashes = 0;
const problems = (schema: object | undefined, input: unknown) =>
  validator.problems({ ...definitionOf("w", schema), hash: `h${++hashes}` }, input);

describe("an input", () => {
  it("is right where no schema is declared", () => {
    expect(problems(undefined, { any: 1 })).toEqual([]);
  });

  it.each([
    "https://json-schema.org/draft/2020-12/schema",
    "http://json-schema.org/draft-07/schema#",
    undefined,
  ])("is checked by dialect %s", (dialect) => {
    const schema = {
      ...(dialect === undefined ? {} : { $schema: dialect }),
      type: "object",
      properties: {
        rows: { type: "array", items: { type: "object", required: ["id"], additionalProperties: false } },
      },
    };
    expect(problems(schema, { rows: [] })).toEqual([]);
    expect(problems(schema, { rows: [{ od: 1 }] })).toEqual([
      "/rows/0 must have required property 'id'",
      "/rows/0 must NOT have additional properties (od)",
    ]);
    expect(problems(schema, null)).toEqual(["the input must be object"]);
  });

  it("ignores formats and unknown keywords, which are notes", () => {
    expect(problems({ type: "string", format: "email", note: "x" }, "no mail")).toEqual([]);
  });
});

describe("a schema that can't be used", () => {
  it.each([
    [{ type: "nothing" }],
    [{ $ref: "https://elsewhere.invalid/schema.json" }],
    [{ $async: true, type: "object" }],
  ])("%j is said so, not thrown", (schema) => {
    expect(problems(schema, {})).toEqual([
      expect.stringContaining("the workflow's input schema can't be used"),
    ]);
  });

  it("is said so where it is not JSON at all", () => {
    const broken = definitionOf("w");
    broken.definition.inputSchema = "{";
    expect(validator.problems({ ...broken, hash: "broken" }, {})[0]).toContain("can't be used");
  });
});

it("a schema that made room for others is checked all the same", () => {
  const bounded = new AjvValidator(2);
  for (let n = 0; n < 5; n++) {
    const definition = definitionOf("w", { const: n });
    expect(bounded.problems({ ...definition, hash: `b${n}` }, n)).toEqual([]);
  }
  expect(bounded.problems({ ...definitionOf("w", { const: 0 }), hash: "b0" }, 0)).toEqual([]);
});
