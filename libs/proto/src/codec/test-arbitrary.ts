/** Owns the fast-check generators of messages for any schema: every field is set now and then. */
import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { isJson, isUnwrapped } from "./support.js";

const int32 = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, 1, 127, 128, 16383, 16384, -1, 2 ** 31 - 1, -(2 ** 31)),
);
const uint32 = fc.oneof(
  fc.nat({ max: 2 ** 32 - 1 }),
  fc.constantFrom(0, 127, 128, 16383, 16384, 2 ** 21, 2 ** 28, 2 ** 32 - 1),
);
const edges = [
  0n,
  1n,
  127n,
  128n,
  2n ** 28n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 35n,
  2n ** 53n,
  2n ** 56n,
  2n ** 63n - 1n,
];
const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(...edges, -1n, -(2n ** 31n), -(2n ** 63n)),
);
const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(...edges, 2n ** 64n - 1n),
);
/** protobuf-es 2.12 drops a leading byte-order mark when it decodes; ours is tested apart. */
const text = fc
  .oneof(
    fc.string({ maxLength: 40 }),
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({ unit: "grapheme", minLength: 20, maxLength: 300 }),
    fc.string({ unit: "binary-ascii", minLength: 100, maxLength: 200 }),
  )
  .filter((one) => !one.startsWith("\ufeff"));

export function scalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return int32;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return uint32;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return int64;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return uint64;
    case ScalarType.FLOAT:
      return fc.float();
    case ScalarType.DOUBLE:
      return fc.double();
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.STRING:
      return text;
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 200 });
  }
}

const unknownFields = fc.array(
  fc.oneof(
    fc.record({
      no: fc.integer({ min: 500, max: 1999 }),
      wireType: fc.constant(0),
      data: fc.constantFrom(Uint8Array.of(5), Uint8Array.of(0x80, 1)),
    }),
    fc.record({
      no: fc.integer({ min: 500, max: 1999 }),
      wireType: fc.constant(5),
      data: fc.uint8Array({ minLength: 4, maxLength: 4 }),
    }),
    fc.record({
      no: fc.integer({ min: 500, max: 1999 }),
      wireType: fc.constant(2),
      data: fc.uint8Array({ maxLength: 100 }).map((bytes) => Uint8Array.of(bytes.length, ...bytes)),
    }),
  ),
  { minLength: 1, maxLength: 3 },
);

/** The value of a singular field, of a list's element or of a map's value. */
function value(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.enum !== undefined) return fc.constantFrom(0, 1, -5, 77);
  if (field.message === undefined) {
    const plain = scalar(field.scalar);
    return "longAsString" in field && field.longAsString ? plain.map(String) : plain;
  }
  if (isJson(field))
    return fc.dictionary(
      fc.string({ maxLength: 5 }).filter((name) => name !== "__proto__"),
      fc.jsonValue({ maxDepth: 2 }).filter((v) => !JSON.stringify(v).includes("__proto__")),
    ) as fc.Arbitrary<unknown>;
  if (isUnwrapped(field)) return scalar(field.message.fields[0]?.scalar ?? ScalarType.INT32);
  return arbitrary(field.message, depth + 1);
}

function key(type: ScalarType): fc.Arbitrary<string> {
  if (type === ScalarType.STRING) return text.filter((one) => one !== "__proto__");
  return scalar(type).map((one) => String(Object.is(one, -0) ? 0 : one));
}

function fieldValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const maxLength = field.message === undefined ? 6 : 3;
  if (field.fieldKind === "list") return fc.array(value(field, depth), { maxLength });
  if (field.fieldKind === "map")
    return fc.dictionary(key(field.mapKey), value(field, depth), { maxKeys: maxLength });
  return value(field, depth);
}

/** Messages of `schema` with a few random fields set, made by `create` of protobuf-es. */
export function arbitrary(schema: DescMessage, depth = 0): fc.Arbitrary<Message> {
  const usable = schema.fields.filter((field) => depth < 3 || field.message === undefined);
  if (usable.length === 0) return fc.constant(create(schema));
  const few = Math.min(usable.length, depth === 0 ? 12 : 4);
  return fc
    .tuple(fc.subarray(usable, { maxLength: few }), fc.option(unknownFields, { freq: 8, nil: undefined }))
    .chain(([fields, unknown]) =>
      fc
        .tuple(...fields.map((field) => fieldValue(field, depth).map((one) => [field, one] as const)))
        .map((entries) => {
          const partial: Record<string, unknown> = {};
          for (const [field, one] of entries) {
            if (field.oneof === undefined) partial[field.localName] = one;
            else partial[field.oneof.localName] = { case: field.localName, value: one };
          }
          const message = create(schema, partial);
          if (unknown !== undefined) message.$unknown = unknown;
          return message;
        }),
    );
}
