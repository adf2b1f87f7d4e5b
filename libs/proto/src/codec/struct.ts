/**
 * Owns the mapping between google.protobuf.Struct messages and the plain JSON objects by which
 * protobuf-es represents them in fields. Must treat a key named `__proto__` like any other.
 */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { ListValue, Struct, Value } from "@bufbuild/protobuf/wkt";
import { NullValue } from "@bufbuild/protobuf/wkt";
import { setOwn } from "./reader.js";

export function structToMessage(json: JsonObject | undefined): Struct {
  const fields: Record<string, Value> = {};
  if (typeof json === "object" && json !== null) {
    for (const key of Object.keys(json)) setOwn(fields, key, valueToMessage(json[key]));
  }
  return { $typeName: "google.protobuf.Struct", fields };
}

export function structToLocal(message: Struct): JsonObject {
  const json: JsonObject = {};
  for (const key of Object.keys(message.fields)) setOwn(json, key, valueToLocal(message.fields[key]));
  return json;
}

function valueToLocal(value: Value | undefined): JsonValue {
  switch (value?.kind.case) {
    case "structValue":
      return structToLocal(value.kind.value);
    case "listValue":
      return value.kind.value.values.map(valueToLocal);
    case "numberValue":
    case "stringValue":
    case "boolValue":
      return value.kind.value;
    default:
      return null;
  }
}

function valueToMessage(json: JsonValue | undefined): Value {
  return { $typeName: "google.protobuf.Value", kind: kindOf(json) };
}

function kindOf(json: JsonValue | undefined): Value["kind"] {
  switch (typeof json) {
    case "number":
      return { case: "numberValue", value: json };
    case "string":
      return { case: "stringValue", value: json };
    case "boolean":
      return { case: "boolValue", value: json };
    case "object":
      if (json === null) return { case: "nullValue", value: NullValue.NULL_VALUE };
      if (Array.isArray(json)) return { case: "listValue", value: listToMessage(json) };
      return { case: "structValue", value: structToMessage(json) };
    default:
      return { case: undefined };
  }
}

function listToMessage(items: JsonValue[]): ListValue {
  return { $typeName: "google.protobuf.ListValue", values: items.map(valueToMessage) };
}
