/** Input that is cut, changed or made up: the codec rejects and accepts what protobuf-es does, and never hangs. */
import {
  create,
  type DescMessage,
  fromBinary,
  type Message,
  type ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError, DEPTH_MAX, decode, decodeView } from "./index.js";
import { arbitrary, scalar } from "./test-arbitrary.js";
import { All, Empty, Flat, Leaf } from "./test-schema.js";

const REJECTED = Symbol("rejected");

function ours(
  schema: DescMessage,
  bytes: Uint8Array,
  read: typeof decode = decode,
): Message | typeof REJECTED {
  try {
    return read(schema, bytes);
  } catch (error) {
    // Anything but a DecodeError is a bug of the codec and must surface.
    if (error instanceof DecodeError && error.code === "malformed") return REJECTED;
    throw error;
  }
}

function theirs(schema: DescMessage, bytes: Uint8Array): Message | typeof REJECTED {
  try {
    return fromBinary(schema, bytes);
  } catch {
    return REJECTED;
  }
}

interface Mutation {
  readonly at: number;
  readonly kind: "flip" | "set" | "delete" | "insert" | "cut";
  readonly byte: number;
}

const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    at: fc.nat({ max: 100_000 }),
    kind: fc.constantFrom("flip", "set", "delete", "insert", "cut"),
    byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 0x7f, 0x80, 0xff)),
  }),
  { minLength: 1, maxLength: 4 },
);

function mutate(bytes: Uint8Array, changes: readonly Mutation[]): Uint8Array {
  const list = [...bytes];
  for (const { at, kind, byte } of changes) {
    const index = at % (list.length + 1);
    if (kind === "cut") list.length = index;
    else if (kind === "delete") list.splice(index, 1);
    else if (kind === "insert") list.splice(index, 0, byte);
    else list[index] = kind === "set" ? byte : (list[index] ?? 0) ^ (1 << (byte & 7));
  }
  return Uint8Array.from(list);
}

describe("mutated bytes", () => {
  it("are rejected by both codecs or give equal messages", () => {
    let rejected = 0;
    let accepted = 0;
    fc.assert(
      fc.property(arbitrary(Flat), mutations, (message, changes) => {
        const bytes = mutate(toBinary(Flat, message), changes);
        const expected = theirs(Flat, bytes);
        const found = ours(Flat, bytes);
        if (expected === REJECTED) rejected++;
        else accepted++;
        expect(found).toEqual(expected);
        expect(ours(Flat, bytes, decodeView)).toEqual(expected);
      }),
      { numRuns: 6000 },
    );
    // Both outcomes must have been tried, or the property says nothing.
    expect(Math.min(rejected, accepted)).toBeGreaterThan(500);
  });

  it("never throw anything but DecodeError, maps and JSON included", () => {
    fc.assert(
      fc.property(arbitrary(All), mutations, (message, changes) => {
        expect(() => ours(All, mutate(toBinary(All, message), changes))).not.toThrow();
      }),
      { numRuns: 1000 },
    );
  });

  it("of a map keep the meaning of entries whose parts are missing, repeated or swapped", () => {
    const maps = All.fields.filter((field) => field.fieldKind === "map" && field.mapKind === "scalar");
    const input = fc.constantFrom(...maps).chain((field) => {
      if (field.fieldKind !== "map" || field.mapKind !== "scalar") throw new Error("not a map of scalars");
      const some = fc.oneof(part(1, field.mapKey), part(2, field.scalar));
      const entry = fc
        .array(some, { maxLength: 4 })
        .map((parts) => Uint8Array.from(parts.flatMap((bytes) => [...bytes])));
      return fc.array(entry, { minLength: 1, maxLength: 3 }).map((entries) => {
        const writer = new BinaryWriter();
        for (const bytes of entries) writer.tag(field.number, WireType.LengthDelimited).bytes(bytes);
        return writer.finish();
      });
    });
    fc.assert(
      fc.property(input, (bytes) => {
        const expected = theirs(All, bytes);
        expect(expected).not.toBe(REJECTED);
        expect(ours(All, bytes)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });
});

/** Tag and random value of field `number`; the message Flat knows how to write every scalar. */
function part(number: number, type: ScalarType): fc.Arbitrary<Uint8Array> {
  return scalar(type).map((value) => {
    const bytes = toBinary(Flat, create(Flat, { pick: { case: `pick${type}`, value } }));
    const reader = new BinaryReader(bytes);
    const [, wireType] = reader.tag();
    return new BinaryWriter().tag(number, wireType).raw(bytes.subarray(reader.pos)).finish();
  });
}

it("treats random bytes as protobuf-es does", () => {
  fc.assert(
    fc.property(fc.constantFrom(Flat, Leaf, Empty), fc.uint8Array({ maxLength: 40 }), (schema, bytes) => {
      expect(ours(schema, bytes)).toEqual(theirs(schema, bytes));
    }),
    { numRuns: 5000 },
  );
});

describe("malformed input", () => {
  const s = (...bytes: number[]) => Uint8Array.from(bytes);
  it.each([
    ["field number zero", s(0, 0)],
    ["field number zero in two bytes", s(0x80, 0, 0)],
    ["wire type 6", s(0x0e)],
    ["wire type 7", s(0x17)],
    ["a tag above 32 bits", s(0xff, 0xff, 0xff, 0xff, 0x1f, 0)],
    ["a tag of six bytes", s(0x88, 0x80, 0x80, 0x80, 0x80, 0, 1)],
    ["a lone tag", s(0x08)],
    ["a varint without end", s(0x08, 0xff, 0xff)],
    ["a varint of eleven bytes", s(0x08, ...Array.from({ length: 10 }, () => 0xff), 1)],
    ["a length beyond the end", s(0x12, 5, 65)],
    ["a length of four gigabytes", s(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f)],
    ["invalid UTF-8, short", s(0x12, 1, 0xff)],
    ["invalid UTF-8, overlong", s(0x12, 2, 0xc0, 0x80)],
    ["invalid UTF-8, a surrogate", s(0x12, 3, 0xed, 0xa0, 0x80)],
    ["invalid UTF-8 beside a true U+FFFD", s(0x12, 4, 0xef, 0xbf, 0xbd, 0xff)],
    ["invalid UTF-8, long", s(0x12, 40, ...Array.from({ length: 39 }, () => 65), 0x80)],
    ["the end of a group that was not begun", s(0x24)],
    ["a group without end", s(0x23, 0x28, 1)],
    ["a group ended by another number", s(0x23, 0x2c)],
    ["an unknown fixed32 cut short", s(0x25, 1, 2, 3)],
    ["an unknown fixed64 cut short", s(0x21, 1, 2, 3, 4, 5, 6, 7)],
    ["an unknown varint without end", s(0x20, 0x80)],
  ])("with %s is a DecodeError", (_, bytes) => {
    expect(ours(Leaf, bytes)).toBe(REJECTED);
    expect(theirs(Leaf, bytes)).toBe(REJECTED);
  });

  function nested(depth: number): Uint8Array {
    const child = Flat.field["child"]?.number ?? 0;
    let bytes: Uint8Array = new Uint8Array(0);
    for (let i = 1; i < depth; i++) {
      bytes = new BinaryWriter().tag(child, WireType.LengthDelimited).bytes(bytes).finish();
    }
    return bytes;
  }
  const groups = (depth: number) =>
    Uint8Array.from([...Array<number>(depth).fill(0x23), ...Array<number>(depth).fill(0x24)]);

  it("may nest messages to the limit and not beyond", () => {
    expect(ours(Flat, nested(DEPTH_MAX))).not.toBe(REJECTED);
    expect(ours(Flat, nested(DEPTH_MAX + 1))).toBe(REJECTED);
  });

  it("may nest unknown groups to the limit and not beyond", () => {
    expect(ours(Leaf, groups(DEPTH_MAX - 1))).not.toBe(REJECTED);
    expect(ours(Leaf, groups(DEPTH_MAX))).toBe(REJECTED);
    expect(ours(Leaf, groups(1_000_000))).toBe(REJECTED);
  });
});
