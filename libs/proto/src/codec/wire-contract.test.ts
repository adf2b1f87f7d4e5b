/** Every message of Holdfast's own contract is compiled, and gives the bytes and messages of protobuf-es. */
import type { DescMessage } from "@bufbuild/protobuf";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as contract from "../index.js";
import { decode, encode, init } from "./index.js";
import { isCompilable } from "./support.js";
import { arbitrary } from "./test-arbitrary.js";

function isMessageSchema(value: unknown): value is DescMessage {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "message";
}
const schemas = Object.values<unknown>(contract).filter((value) => isMessageSchema(value));

describe.each(schemas.map((schema) => [schema.typeName, schema] as const))("%s", (_, schema) => {
  it("is compiled and coded like protobuf-es codes it", () => {
    expect(isCompilable(schema)).toBe(true);
    fc.assert(
      fc.property(arbitrary(schema), (message) => {
        const bytes = toBinary(schema, message);
        expect(encode(schema, message)).toEqual(bytes);
        expect(decode(schema, bytes)).toEqual(fromBinary(schema, bytes));
        expect(init(schema, message)).toBe(message);
      }),
      { numRuns: 30 },
    );
  });
});

it("has messages", () => {
  expect(schemas.length).toBeGreaterThan(0);
});
