/** Schemas that the compiled codec leaves to protobuf-es keep its promises; groups are refused. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError, decode, EncodeError, encode, init, UnsupportedSchemaError } from "./index.js";
import { field, Leaf, messageOf, registryOf } from "./test-schema.js";

describe("schemas that are not compiled", () => {
  const proto2 = messageOf(
    registryOf(
      [
        create(DescriptorProtoSchema, {
          name: "Old",
          field: [
            field({ name: "n", number: 1, type: Type.INT32 }),
            field({ name: "b", number: 2, type: Type.BYTES }),
            field({ name: "c", number: 3, type: Type.ENUM, typeName: ".codec.Color" }),
          ],
        }),
      ],
      "proto2",
    ),
    "Old",
  );

  it("go through protobuf-es with the same promises", () => {
    fc.assert(
      fc.property(fc.integer(), fc.uint8Array(), (n, b) => {
        const partial: object = { n, b, c: 1 };
        const message = init(proto2, partial);
        const bytes = encode(proto2, message);
        const back = decode(proto2, bytes);
        expect(bytes).toEqual(toBinary(proto2, message));
        bytes.fill(0);
        expect(back).toEqual(message);
        expect(Object.getPrototypeOf(back)).toBe(Object.getPrototypeOf(create(proto2)));
      }),
    );
    expect(() => decode(proto2, Uint8Array.of(8))).toThrow(DecodeError);
    expect(() => encode(proto2, create(proto2, { n: 0.5 }))).toThrow(EncodeError);
    expect(decode(FileDescriptorProtoSchema, toBinary(FileDescriptorProtoSchema, Leaf.file.proto))).toEqual(
      fromBinary(FileDescriptorProtoSchema, toBinary(FileDescriptorProtoSchema, Leaf.file.proto)),
    );
  });

  it("are refused if they use groups, however deep", () => {
    const schema = messageOf(
      registryOf(
        [
          create(DescriptorProtoSchema, {
            name: "G",
            field: [field({ name: "x", number: 1, type: Type.INT32 })],
          }),
          create(DescriptorProtoSchema, {
            name: "Mid",
            field: [field({ name: "g", number: 1, type: Type.GROUP, typeName: ".codec.G" })],
          }),
          create(DescriptorProtoSchema, {
            name: "Top",
            field: [field({ name: "mid", number: 1, type: Type.MESSAGE, typeName: ".codec.Mid" })],
          }),
        ],
        "proto2",
      ),
      "Top",
    );
    expect(() => encode(schema, create(schema))).toThrow(UnsupportedSchemaError);
    expect(() => decode(schema, new Uint8Array(0))).toThrow(UnsupportedSchemaError);
  });
});
