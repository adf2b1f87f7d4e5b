/** For tests: any request of a method, made from its descriptor: each field missing, likely, at its edge, oversized or hostile. */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import * as fc from "fast-check";

const text = fc.oneof(
  fc.constantFrom(
    "",
    "orders",
    "r1",
    "load",
    "null",
    "{}",
    '{"a":',
    "a.b",
    "*",
    ">",
    "..",
    "a/b",
    "a\0b",
    "x".repeat(10_000),
  ),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.json({ maxDepth: 3 }),
);

const scalars: Partial<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.BYTES]: fc.uint8Array({ maxLength: 40 }),
  [ScalarType.INT32]: fc.oneof(
    fc.integer({ min: -2, max: 1_002 }),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  ),
  [ScalarType.UINT32]: fc.oneof(fc.integer({ min: 0, max: 1_002 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  [ScalarType.INT64]: fc.oneof(
    fc.bigInt({ min: -2n, max: 5_000_000_000n }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  ),
  [ScalarType.UINT64]: fc.oneof(fc.bigInt({ min: 0n, max: 9n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
};

function valueOf(field: DescField): fc.Arbitrary<unknown> {
  const one = (scalar: ScalarType): fc.Arbitrary<unknown> => {
    const arbitrary = scalars[scalar];
    if (arbitrary === undefined) throw new Error(`no values for ${field.toString()}`);
    return arbitrary;
  };
  const numbers = fc.oneof(
    fc.integer({ min: 0, max: 20 }),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  );
  switch (field.fieldKind) {
    case "scalar":
      return one(field.scalar);
    case "enum":
      return numbers;
    case "message":
      return requestOf(field.message);
    case "list":
      if (field.listKind === "message") return fc.array(requestOf(field.message), { maxLength: 3 });
      return fc.array(field.listKind === "enum" ? numbers : one(field.scalar), { maxLength: 40 });
    case "map":
      if (field.mapKey !== ScalarType.STRING || field.scalar === undefined)
        throw new Error(`no values for ${field.toString()}`);
      return fc.dictionary(text, one(field.scalar), { maxKeys: 5, noNullPrototype: true });
  }
}

/** Any message of that type: each field present or not, with likely and unlikely values. */
export function requestOf(schema: DescMessage): fc.Arbitrary<Record<string, unknown>> {
  const plain = schema.fields
    .filter((field) => field.oneof === undefined)
    .map((field) => [field.localName, valueOf(field)] as const);
  const choices = schema.oneofs.map(({ localName, fields }) => {
    const cases = fields.map((field) =>
      fc.record({ case: fc.constant(field.localName), value: valueOf(field) }),
    );
    return [localName, fc.oneof(...cases)] as const;
  });
  return fc.record(Object.fromEntries<fc.Arbitrary<unknown>>([...plain, ...choices]), { requiredKeys: [] });
}
