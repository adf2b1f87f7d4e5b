/**
 * Owns the fall-back: the codec of protobuf-es behind the same interface, for messages that are not
 * compiled (proto2, editions with tracked presence, closed enums). Bytes and errors keep their promises:
 * copies unless views are asked for, DecodeError for malformed input.
 */
import {
  create,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Codec } from "./compile.js";
import { DecodeError, EncodeError } from "./errors.js";

export function reflectiveCodec(schema: DescMessage): Codec {
  return {
    encode(message) {
      try {
        return toBinary(schema, message as Message);
      } catch (cause) {
        throw new EncodeError(`cannot encode ${schema.typeName}`, { cause });
      }
    },
    decode(bytes, copy) {
      // Fields are views of what is decoded: a copy of the whole keeps the caller's buffer out of them.
      const input = copy ? new Uint8Array(bytes) : bytes;
      try {
        return fromBinary(schema, input);
      } catch (cause) {
        throw new DecodeError(`cannot decode ${schema.typeName}`, { cause });
      }
    },
    init: (partial) => create(schema, partial as MessageInitShape<DescMessage>),
  };
}
