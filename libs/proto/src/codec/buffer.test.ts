/** The output buffer at its edge: every kind of write must notice, wherever the free room runs out. */
import { create, type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { encode } from "./index.js";
import { SHORT_WRITE_MAX } from "./text.js";
import { arbitrary } from "./test-arbitrary.js";
import { All, Flat, Leaf, SCALARS, Tight } from "./test-schema.js";

const INITIAL_BYTES = 4096;

/** Encodes with a fresh buffer of INITIAL_BYTES, as every encoding inside another one gets. */
function encodeInSmallBuffer(schema: DescMessage, message: Message): Uint8Array {
  let bytes: Uint8Array = new Uint8Array(0);
  const outer = create(Leaf);
  Object.defineProperty(outer, "s", {
    get() {
      bytes = Uint8Array.from(encode(schema, message));
      return "";
    },
  });
  encode(Leaf, outer);
  return bytes;
}

/** Unknown fields are written first: this one leaves `free` bytes of the buffer for the rest. */
function filled(message: Message, free: number): Message {
  const data = new Uint8Array(INITIAL_BYTES - 2 - free);
  return { ...message, $unknown: [{ no: 600, wireType: WireType.LengthDelimited, data }] };
}

/** The amounts of free room with which the bytes come out wrong. */
function wrongEdges(schema: DescMessage, message: Message): number[] {
  const size = toBinary(schema, message).length;
  const wrong: number[] = [];
  for (let free = 0; free < Math.min(size + 40, 1000); free++) {
    const one = filled(message, free);
    if (Buffer.compare(encodeInSmallBuffer(schema, one), toBinary(schema, one)) !== 0) wrong.push(free);
  }
  return wrong;
}

it("gives the right bytes wherever in a random message the buffer ends", () => {
  const cases = fc
    .constantFrom(All, Flat)
    .chain((schema) => arbitrary(schema).map((message) => ({ schema, message })));
  fc.assert(
    fc.property(cases, ({ schema, message }) => {
      expect(wrongEdges(schema, message)).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

it("gives the right bytes wherever in maps, lists and nested messages the buffer ends", () => {
  const texts = ["", "a", "é", "x".repeat(30), "é".repeat(70)];
  const inner = texts.map((one) => create(Tight, { one, texts: [one] }));
  // Around where one way of writing a text ends and the other begins.
  for (let length = SHORT_WRITE_MAX - 4; length < SHORT_WRITE_MAX + 4; length++)
    texts.push("x".repeat(length));
  let chain = create(Tight, { one: "x" });
  for (let depth = 0; depth < 10; depth++) chain = create(Tight, { child: chain });
  const values: Record<string, unknown> = {
    child: chain,
    longs: Array.from({ length: 10 }, () => -1n),
    texts,
    blobs: texts.map((one) => Buffer.from(one)),
    byText: Object.fromEntries(texts.map((one) => [one, one])),
    byLong: Object.fromEntries(texts.map((one, i) => [String(-(2n ** 62n) - BigInt(i)), one])),
    byInt: Object.fromEntries(inner.map((one, i) => [-1 - i, one])),
    children: [...inner, ...inner.map((one) => create(Tight, { children: [one, one] }))],
  };
  for (const [name, value] of Object.entries(values)) {
    expect(wrongEdges(Tight, create(Tight, { [name]: value }))).toEqual([]);
  }
  for (const text of texts) {
    expect(
      wrongEdges(Tight, create(Tight, { one: text, two: text, three: "x".repeat(SHORT_WRITE_MAX) })),
    ).toEqual([]);
  }
  expect(wrongEdges(Tight, create(Tight, values))).toEqual([]);
});

it("gives the right bytes wherever among the longest numbers the buffer ends", () => {
  const longest = (type: Type) => {
    if (type === Type.BOOL) return true;
    if (type === Type.FLOAT || type === Type.DOUBLE) return -1;
    if (type === Type.UINT32 || type === Type.FIXED32) return 2 ** 32 - 1;
    if (type === Type.UINT64 || type === Type.FIXED64) return 2n ** 64n - 1n;
    return [Type.INT64, Type.SINT64, Type.SFIXED64].includes(type) ? -(2n ** 63n) : -(2 ** 31);
  };
  const values: Record<string, unknown> = { e: -5, optE: -5, far: -1, listE: [-5, -5, -5] };
  for (const type of SCALARS) {
    if (type === Type.STRING || type === Type.BYTES) continue;
    for (const prefix of ["one", "opt"]) values[`${prefix}${type}`] = longest(type);
    for (const prefix of ["list", "loose"]) values[`${prefix}${type}`] = [1, 2, 3].map(() => longest(type));
  }
  expect(wrongEdges(Flat, create(Flat, values))).toEqual([]);
});
