/** Inputs against declared schemas: dialects, places, and schemas that can't be used. */
import { afterAll, describe, expect, test } from "vitest";
import { CheckPool } from "./check-pool.js";
import { PROBLEM_CHARS_MAX, PROBLEMS_MAX } from "./schema-check.js";
import { SchemaValidator, schemaProblem } from "./schema-validator.js";

let hashes = 0;
const validator = new SchemaValidator();
/** For what takes long where the machine is busy, and is right all the same. */
const unhurriedPool = new CheckPool(120_000);
const unhurried = new SchemaValidator(undefined, unhurriedPool);
afterAll(() => unhurriedPool.close());

function verdict(schema: unknown, input: unknown): string {
  const text = typeof schema === "string" ? schema : JSON.stringify(schema);
  const found = validator.validate({ hash: `h${++hashes}`, definition: { inputSchema: text } }, input);
  if (found instanceof Promise) throw new Error("it was not checked at once");
  return found.ok ? "ok" : found.message;
}

/** At once or not. */
async function settled(schema: string, input: unknown): Promise<string> {
  const found = await validator.validate(
    { hash: `h${++hashes}`, definition: { inputSchema: schema } },
    input,
  );
  return found.ok ? "ok" : found.message;
}

/** Of what may take long. */
async function late(schema: unknown, input: unknown, by = validator): Promise<string> {
  const inputSchema = typeof schema === "string" ? schema : JSON.stringify(schema);
  const found = by.validate({ hash: `h${++hashes}`, definition: { inputSchema } }, input);
  if (!(found instanceof Promise)) throw new Error("it was checked at once");
  const settledAs = await found;
  return settledAs.ok ? "ok" : settledAs.message;
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

  test("with very many wrong rows costs one error", async () => {
    const many = { rows: Array.from({ length: 200_000 }, () => ({})) };
    expect(await late(rows, many, unhurried)).toBe("/rows/0 must have required property 'id'");
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
    ['{"pattern":"(?=a)b"}', "looks ahead or behind"],
    ['{"pattern":"(a)\\\\1"}', "refers back to a group"],
    ['{"pattern":"(a{1,5000})+"}', "linear time"],
    ['{"patternProperties":{"(?<!a)b":{}}}', "looks ahead or behind"],
    ['{"$ref":"#"}', "leads back to itself"],
    [
      '{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}',
      "leads back",
    ],
    [`${'{"not":'.repeat(201)}{}${"}".repeat(201)}`, "200 levels"],
  ])("%.40s refuses every input and says why", async (schema, why) => {
    expect(await settled(schema, {})).toContain("can't be used");
    expect(await settled(schema, {})).toContain(why);
    expect(schemaProblem(schema)).toContain(why);
  });

  test("nested without an end refuses every input too", async () => {
    const deep = `${'{"not":'.repeat(50_000)}{}${"}".repeat(50_000)}`;
    expect(await late(deep, {}, unhurried)).toContain("200 levels");
    expect(schemaProblem(deep)).toContain("200 levels");
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

describe("a pattern that backtracking would never end with", () => {
  const attack = `${"a".repeat(43)}!`;

  test.each(["^(a+)+$", "^(a|aa)+$", "(a*)*b", "(.*a){20}$", "a+a+a+a+a+a+b"])(
    "%s is decided at once",
    (pattern) => {
      const beganMs = performance.now();
      verdict({ pattern }, attack.repeat(20));
      verdict({ patternProperties: { [pattern]: false } }, { [attack.repeat(20)]: 1 });
      // Backtracking would need longer than there is time.
      expect(performance.now() - beganMs).toBeLessThan(5_000);
      expect(verdict({ pattern: "^(a+)+$" }, attack)).toContain("must match pattern");
      expect(verdict({ pattern: "^(a+)+$" }, "aaaa")).toBe("ok");
    },
  );
});

describe("what takes too long", () => {
  // Each definition is met twice as often as the one before: 2^60 times.
  const $defs = Object.fromEntries(
    Array.from({ length: 60 }, (_, n) => [
      `d${n}`,
      { allOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] },
    ]),
  );
  const doubling = { $defs: { ...$defs, d60: true }, $ref: "#/$defs/d0" };

  test("is refused with that, in its time; what waits behind it is checked", async () => {
    const pool = new CheckPool(1_500);
    const patient = new SchemaValidator(10, pool);
    const declared = { hash: "doubling", definition: { inputSchema: JSON.stringify(doubling) } };
    const tree = { hash: "tree", definition: { inputSchema: TREE } };
    const verdicts = await Promise.all([
      patient.validate(tree, TREE_INPUT),
      patient.validate(declared, 1),
      patient.validate(tree, { next: { next: 1 } }),
      patient.validate(declared, 1),
      patient.validate(tree, TREE_INPUT),
    ]);
    expect(verdicts.map((one) => (one.ok ? "ok" : one.message))).toEqual([
      "ok",
      expect.stringContaining("longer than 1500 ms"),
      "/next/next must be object",
      expect.stringContaining("longer than 1500 ms"),
      "ok",
    ]);
    pool.close();
  });

  const TREE = JSON.stringify({
    $ref: "#/$defs/t",
    $defs: { t: { type: "object", properties: { next: { $ref: "#/$defs/t" } } } },
  });
  const TREE_INPUT = { next: { next: {} } };

  test("never holds up what is checked at once", async () => {
    const slow = late(doubling, 1);
    expect(verdict(rows, { rows: [{ id: 1 }] })).toBe("ok");
    expect(await slow).toContain("longer than");
  });

  test("lists whose values are compared with each other are not compared on the caller's thread when they are long", async () => {
    const objects = Array.from({ length: 2_000 }, (_, n) => ({ n }));
    expect(await late({ uniqueItems: true }, objects, unhurried)).toBe("ok");
    expect(verdict({ uniqueItems: true }, [{ n: 1 }, { n: 1 }])).toContain("must NOT have duplicate items");
  });

  test.each([
    ["no dialect", {}],
    ["draft-07", { $schema: "http://json-schema.org/draft-07/schema#" }],
    ["an id", { $id: "https://example.org/tree" }],
    ["the id of a dialect", { $id: "http://json-schema.org/draft-07/schema" }],
  ])("a schema that refers to itself as a whole can be used: %s", async (_what, fields) => {
    const whole = { ...fields, type: "object", properties: { next: { $ref: "#" } } };
    expect(await late(whole, { next: { next: {} } }, unhurried)).toBe("ok");
    expect(await late(whole, { next: { next: 1 } }, unhurried)).toContain("/next/next must be object");
  });

  test("what is wrong deep down is told with the end of its place", async () => {
    let nested: unknown = { next: 1 };
    for (let depth = 0; depth < 150; depth++) nested = { next: nested };
    const whole = { type: "object", properties: { next: { $ref: "#" } } };
    expect(await late(whole, nested, unhurried)).toMatch(/^….*\/next\/next must be object$/);
  });

  test("a value nested deeper than the stack reaches is refused with that", async () => {
    let nested: unknown = {};
    for (let depth = 0; depth < 200_000; depth++) nested = { next: nested };
    expect(await late(TREE, nested, unhurried)).toMatch(/value is nested too deep/);
  });
});
