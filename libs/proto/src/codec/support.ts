/**
 * Owns the decision which messages are compiled, which go through protobuf-es, and which are refused.
 * The decision covers everything that a message can reach, so that one message is never coded half by
 * one codec and half by the other. When in doubt the answer must be protobuf-es.
 */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { Edition, FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { UnsupportedSchemaError } from "./errors.js";
import { LITTLE_ENDIAN } from "./scratch.js";
import { NATIVE_TEXT } from "./text.js";

const IDENTIFIER = /^[A-Za-z][A-Za-z0-9_]*\$?$/;

/** True if `schema` can be compiled. Throws UnsupportedSchemaError if no codec may be used for it. */
export function isCompilable(schema: DescMessage): boolean {
  let compilable = LITTLE_ENDIAN && NATIVE_TEXT;
  const seen = new Set<DescMessage>([schema]);
  // A Set iterates over what is added meanwhile: this visits the whole graph.
  for (const message of seen) {
    if (message.file.edition === Edition.EDITION_PROTO2) compilable = false;
    for (const field of message.fields) {
      if (isDelimited(field)) {
        throw new UnsupportedSchemaError(
          `${field.toString()} uses group (delimited) encoding, which the codec does not support`,
        );
      }
      if (!isPlain(field)) compilable = false;
      if (field.message !== undefined) seen.add(field.message);
    }
  }
  return compilable;
}

function isDelimited(field: DescField): boolean {
  return "delimitedEncoding" in field && field.delimitedEncoding;
}

/** Whether protobuf-es keeps the field as a plain property with nothing on the prototype chain. */
function isPlain(field: DescField): boolean {
  if (field.enum !== undefined && !field.enum.open) return false;
  if (!field.utf8Validation && holdsText(field)) return false;
  if (!isOwnName(field.localName)) return false;
  if (field.oneof !== undefined) return isOwnName(field.oneof.localName);
  if (field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED) return false;
  // Outside proto3, presence of scalars and enums is tracked by own properties over a prototype.
  const tracksPresence = field.presence !== FeatureSet_FieldPresence.IMPLICIT && field.message === undefined;
  return !tracksPresence || field.parent.file.edition === Edition.EDITION_PROTO3;
}

/** Names like hasOwnProperty are inherited by every object, so "unset" cannot be told from "set". */
function isOwnName(name: string): boolean {
  return IDENTIFIER.test(name) && !(name in Object.prototype);
}

function holdsText(field: DescField): boolean {
  return (
    field.scalar === ScalarType.STRING || (field.fieldKind === "map" && field.mapKey === ScalarType.STRING)
  );
}

/** Singular fields of wrapper types, outside a oneof, hold the bare value. */
export function isUnwrapped(field: DescField): boolean {
  return field.fieldKind === "message" && field.oneof === undefined && WRAPPERS.has(field.message.typeName);
}

/** Fields of type Struct hold a JSON object, except inside google.protobuf.Value. */
export function isJson(field: DescField): boolean {
  return (
    field.message?.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value"
  );
}

const WRAPPERS = new Set(
  ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"].map(
    (name) => `google.protobuf.${name}Value`,
  ),
);
