/** The codec against protobuf-es as the oracle: same bytes, same messages. */
import { clone, equals, fromBinary, isMessage, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, decodeView, encode } from "./index.js";
import { All, Empty, Flat, Leaf } from "./test-schema.js";
import { arbitrary } from "./test-arbitrary.js";

const runs = { numRuns: 400 };

describe.each([
  ["every kind of field", All],
  ["no maps", Flat],
  ["a leaf", Leaf],
  ["no fields", Empty],
])("a message with %s", (_, schema) => {
  it("encodes to the bytes that protobuf-es writes", () => {
    fc.assert(
      fc.property(arbitrary(schema), (message) => {
        expect(encode(schema, message)).toEqual(toBinary(schema, message));
      }),
      runs,
    );
  });

  it("decodes to the message that protobuf-es reads", () => {
    fc.assert(
      fc.property(arbitrary(schema), (message) => {
        const bytes = toBinary(schema, message);
        const expected = fromBinary(schema, bytes);
        expect(decode(schema, bytes)).toEqual(expected);
        expect(decodeView(schema, bytes)).toEqual(expected);
      }),
      runs,
    );
  });

  it("comes back from its own bytes, known to protobuf-es as the same message", () => {
    fc.assert(
      fc.property(arbitrary(schema), (message) => {
        const bytes = encode(schema, message);
        const back = decode(schema, bytes);
        expect(isMessage(back, schema)).toBe(true);
        expect(encode(schema, back)).toEqual(bytes);
        expect(toBinary(schema, back)).toEqual(bytes);
        const reference = fromBinary(schema, bytes);
        expect(equals(schema, back, reference)).toBe(equals(schema, clone(schema, reference), reference));
      }),
      runs,
    );
  });

  it("merges two messages written one after the other", () => {
    fc.assert(
      fc.property(arbitrary(schema), arbitrary(schema), (one, two) => {
        const bytes = Uint8Array.from([...toBinary(schema, one), ...toBinary(schema, two)]);
        expect(decode(schema, bytes)).toEqual(fromBinary(schema, bytes));
      }),
      runs,
    );
  });
});
