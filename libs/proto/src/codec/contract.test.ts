/** What the codec promises beyond parity: ownership of bytes, stable shapes, errors. */
import { clone, create, equals, fromBinary, type Message, toBinary, toJson } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  FieldDescriptorProto_Type as Type,
  StructSchema,
  TimestampSchema,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { decode, decodeView, EncodeError, encode, init } from "./index.js";
import { All, Flat, Leaf, SCALARS } from "./test-schema.js";

type Fields = Message & Record<string, unknown>;
const fields = (message: Message) => message as Fields;
const bytesField = `one${Type.BYTES}`;
const textField = `one${Type.STRING}`;

/** The bytes, or undefined if encoding refuses the message. */
function outcome(run: () => Uint8Array): Uint8Array | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

describe("encode", () => {
  it("gives bytes of exact length that later calls never change, whatever their size", () => {
    const kept: { bytes: Uint8Array; expected: Uint8Array }[] = [];
    for (let size = 0; size < 3000; size += 7) {
      const message = create(Flat, {
        [textField]: "x".repeat(size),
        [bytesField]: new Uint8Array(size % 50).fill(size),
      });
      kept.push({ bytes: encode(Flat, message), expected: toBinary(Flat, message) });
    }
    for (const { bytes, expected } of kept) expect(Buffer.compare(bytes, expected)).toBe(0);
  });

  it("grows for large messages at every depth and gives the memory back", () => {
    const big = "ä".repeat(700_000);
    let message = create(Flat, { [textField]: big });
    for (let depth = 0; depth < 5; depth++)
      message = create(Flat, { child: message, [bytesField]: new Uint8Array(5000) });
    expect(Buffer.compare(encode(Flat, message), toBinary(Flat, message))).toBe(0);
    const list = create(Flat, {
      [`list${Type.INT64}`]: Array.from({ length: 100_000 }, (_, i) => BigInt(i) ** 3n),
    });
    expect(Buffer.compare(encode(Flat, list), toBinary(Flat, list))).toBe(0);
  });

  it("may be entered again from a getter of a message that is being encoded", () => {
    const inner = create(Leaf, { n: 7n, s: "inner" });
    const message = create(Flat, { [textField]: "outer", [`one${Type.UINT32}`]: 9 });
    const expected = toBinary(Flat, { ...message, [bytesField]: toBinary(Leaf, inner) } as Message);
    Object.defineProperty(message, bytesField, { get: () => encode(Leaf, inner) });
    expect(encode(Flat, message)).toEqual(expected);
  });

  it("works on after a failure", () => {
    const bad = create(Flat, { [`one${Type.INT32}`]: 1.5 });
    expect(() => encode(Flat, bad)).toThrow(EncodeError);
    expect(encode(Leaf, create(Leaf, { n: 1n }))).toEqual(Uint8Array.of(8, 1));
  });

  it.each(SCALARS)("accepts and refuses odd values of scalar type %i like protobuf-es", (type) => {
    const odd = [
      1.5,
      NaN,
      Infinity,
      -1,
      2 ** 31,
      2 ** 32,
      1e39,
      -(2 ** 31) - 1,
      2n ** 63n,
      2n ** 64n,
      -1n,
      -(2n ** 63n) - 1n,
      "12",
      "-3",
      "x",
      true,
      -0,
      1e-50,
    ];
    for (const value of odd) {
      if (type === Type.STRING || type === Type.BYTES) continue;
      for (const shape of [
        { [`one${type}`]: value },
        { [`list${type}`]: [value] },
        { pick: { case: `pick${type}`, value } },
      ]) {
        const message = { ...create(Flat), ...shape };
        expect(outcome(() => encode(Flat, message))).toEqual(outcome(() => toBinary(Flat, message)));
      }
    }
  });

  it("refuses what is not text or bytes, and messages of another type", () => {
    expect(() => encode(Flat, { ...create(Flat), [textField]: 5 } as Message)).toThrow(EncodeError);
    expect(() => encode(Flat, { ...create(Flat), [bytesField]: [1, 2] } as Message)).toThrow(EncodeError);
    expect(() => encode(Flat, create(Leaf))).toThrow(EncodeError);
    expect(() => encode(Flat, { ...create(Flat), children: [undefined] } as Message)).toThrow(EncodeError);
  });

  it("writes lone surrogates as U+FFFD, like TextEncoder", () => {
    for (const s of ["\ud800", "abc\udc00def", `${"é".repeat(30)}\ud83d`]) {
      const message = create(Leaf, { s });
      expect(encode(Leaf, message)).toEqual(toBinary(Leaf, message));
    }
  });
});

describe("decode", () => {
  const source = create(Flat, {
    [bytesField]: Uint8Array.of(1, 2, 3),
    [`list${Type.BYTES}`]: [new Uint8Array(100).fill(7)],
  });
  source.$unknown = [{ no: 1500, wireType: WireType.LengthDelimited, data: Uint8Array.of(2, 8, 9) }];

  it.each([
    ["a Uint8Array", (bytes: Uint8Array) => bytes],
    ["a Buffer", (bytes: Uint8Array) => Buffer.from(bytes)],
    [
      "the middle of a larger buffer",
      (bytes: Uint8Array) => Uint8Array.from([9, 9, ...bytes, 9]).subarray(2, 2 + bytes.length),
    ],
  ])("keeps no view of its input: %s", (_, shape) => {
    const bytes = shape(toBinary(Flat, source));
    const message = decode(Flat, bytes);
    bytes.fill(0xff);
    expect(message).toEqual(fromBinary(Flat, toBinary(Flat, source)));
    expect(fields(message)[bytesField]?.constructor).toBe(Uint8Array);
  });

  it("gives views of its input when asked for", () => {
    const bytes = toBinary(Flat, source);
    const message = fields(decodeView(Flat, bytes));
    expect((message[bytesField] as Uint8Array).buffer).toBe(bytes.buffer);
    expect(message.$unknown?.[0]?.data.buffer).toBe(bytes.buffer);
    expect(message).toEqual(fromBinary(Flat, bytes));
  });

  it("sets the same properties in the same order, whatever the input", () => {
    const empty = Object.keys(decode(Flat, new Uint8Array(0)));
    expect(empty).toEqual(["$typeName", ...Flat.members.map((member) => member.localName)]);
    const partial: object = { far: 1 };
    const late = create(Flat, { far: 1, child: create(Flat), [`opt${Type.INT32}`]: 0 });
    expect(Object.keys(decode(Flat, toBinary(Flat, late)))).toEqual(empty);
    expect(Object.keys(init(Flat, partial))).toEqual(empty);
  });

  it("merges a message field that occurs twice, and lets the last scalar and oneof case win", () => {
    const one = create(Flat, {
      child: { far: 1, listE: [1] },
      far: 1,
      pick: { case: "pickM", value: { far: 1 } },
    });
    const two = create(Flat, {
      child: { e: 1, listE: [1] },
      far: 2,
      pick: { case: "pickM", value: { e: 1 } },
    });
    const bytes = Uint8Array.from([...toBinary(Flat, one), ...toBinary(Flat, two)]);
    const merged = create(Flat, {
      child: { far: 1, e: 1, listE: [1, 1] },
      far: 2,
      pick: { case: "pickM", value: { far: 1, e: 1 } },
    });
    expect(decode(Flat, bytes)).toEqual(merged);
  });

  it("keeps a leading U+FEFF, which is text", () => {
    for (const s of ["\ufeff", "\ufeffabc", `\ufeff${"x".repeat(50)}`, "\ufffd", "\ufffd".repeat(30)]) {
      expect(decode(Leaf, encode(Leaf, create(Leaf, { s })))).toEqual(create(Leaf, { s }));
    }
  });

  it("skips unknown fields in map entries and keeps the key __proto__ as a key", () => {
    const map = All.field["mapM"]?.number ?? 0;
    const entry = Uint8Array.of(8, 5, 0x18, 1, 0x12, 2, 8, 9);
    const bytes = new BinaryWriter().tag(map, WireType.LengthDelimited).bytes(entry).finish();
    expect(fields(decode(All, bytes))["mapM"]).toEqual({ 5: create(Leaf, { n: 9n }) });
    const text = `k${Type.STRING}`;
    const own: object = JSON.parse('{"__proto__":"x"}');
    const back = fields(decode(All, encode(All, { ...create(All), [text]: own } as Message)));
    expect(Object.entries(back[text] as object)).toEqual([["__proto__", "x"]]);
    expect(Object.getPrototypeOf(back[text])).toBe(Object.prototype);
  });

  it("gives messages that protobuf-es prints, compares and clones", () => {
    const at = create(TimestampSchema, { seconds: 1_700_000_000n, nanos: 5 });
    const message = create(All, {
      at,
      wrapped: "w",
      json: { a: [1, null, { b: "c" }] },
      value: create(ValueSchema),
    });
    const back = decode(All, encode(All, message));
    expect(equals(All, back, message)).toBe(true);
    expect(clone(All, back)).toEqual(message);
    expect(toJson(Flat, decode(Flat, new Uint8Array(0)))).toEqual({});
    expect(decode(TimestampSchema, encode(TimestampSchema, at))).toEqual(at);
    expect(decode(StructSchema, toBinary(StructSchema, create(StructSchema)))).toEqual(create(StructSchema));
  });
});

describe("init", () => {
  it("gives what create gives", () => {
    expect(init(All)).toEqual(create(All));
    const partial = {
      [textField]: "x",
      child: create(All),
      pick: { case: "pickE", value: 1 },
      listE: [1],
      optE: 0,
    };
    expect(init(All, partial)).toEqual(create(All, partial));
    const whole = create(Leaf);
    expect(init(Leaf, whole)).toBe(whole);
  });

  it("shares no mutable default between messages", () => {
    const [one, two] = [fields(init(All)), fields(init(All))];
    for (const name of ["pick", "listE", "mapE"]) expect(one[name]).not.toBe(two[name]);
  });
});
