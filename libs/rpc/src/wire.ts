/**
 * From a protobuf service descriptor to what grpc-js registers.
 *
 * A request that can't be decoded must not surface as grpc-js's INTERNAL, so decoding on the server gives a value that
 * says so. A response is encoded before grpc-js sees it, so that what can't be encoded fails inside the handler's wrapper.
 */
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition } from "@grpc/grpc-js";
import { RpcError } from "./errors.js";

/** A request as it arrived: the message, or why it is none. */
export type Decoded =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly error: RpcError };

export function decodeRequest(schema: DescMessage, bytes: Uint8Array): Decoded {
  try {
    return { ok: true, message: fromBinary(schema, bytes) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return {
      ok: false,
      error: new RpcError(
        "INVALID_ARGUMENT",
        `The request is not a valid ${schema.typeName} (${why}): use a client that was generated from this server's proto files.`,
        { reason: "MALFORMED" },
        { cause },
      ),
    };
  }
}

export function encodeMessage(schema: DescMessage, value: MessageInitShape<DescMessage>): Buffer {
  const bytes = toBinary(schema, create(schema, value));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Where a method is called. `typeName` stands in for another name that the service also answers to. */
export const methodPath = (method: DescMethod, typeName = method.parent.typeName): string =>
  `/${typeName}/${method.name}`;

const asIs = (bytes: Buffer): Buffer => bytes;

/** A method as a server registers it: requests arrive as `Decoded`, responses leave as they were encoded. */
export function serverMethod(method: DescMethod, typeName?: string): MethodDefinition<Decoded, Buffer> {
  return {
    path: methodPath(method, typeName),
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestDeserialize: (bytes) => decodeRequest(method.input, bytes),
    responseSerialize: asIs,
    // A server never uses these two, but grpc-js's type of a service asks for them.
    requestSerialize: (decoded) =>
      decoded.ok ? encodeMessage(method.input, decoded.message) : Buffer.alloc(0),
    responseDeserialize: asIs,
  };
}
