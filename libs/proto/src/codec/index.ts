/**
 * The codec: the same messages and the same bytes as `toBinary`, `fromBinary` and `create` of
 * protobuf-es, several times as fast, compiled once for each message descriptor.
 *
 * 1. `encode` gives byte for byte what `toBinary` gives. Stored bytes never depend on who wrote them.
 * 2. `decode` accepts what `fromBinary` accepts and gives an equal message; deliberate differences:
 *    nesting beyond 100 is malformed, a leading U+FEFF in a string is kept, a map key `__proto__` is kept,
 *    and unknown fields inside a map entry are skipped.
 * 3. Malformed input throws DecodeError and nothing else. Other errors are bugs or the machine's.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { codecFor } from "./compile.js";

export { DecodeError, EncodeError, UnsupportedSchemaError } from "./errors.js";
export { DEPTH_MAX, setOwn } from "./reader.js";

/** Fields of a new message; whatever is missing or undefined gets its default. */
export type Init<M> = {
  readonly [K in keyof M as K extends "$typeName" | "$unknown" ? never : K]?: M[K] | undefined;
};

/**
 * The message's bytes, in an array of exactly their length that the caller may keep and change. Arrays
 * of 65 to 1,024 bytes share 8 KiB pages (as Node's Buffers do): use the array, not its `.buffer`.
 * Throws EncodeError for a value that its field cannot hold.
 */
export function encode<D extends DescMessage>(schema: D, message: MessageShape<D>): Uint8Array {
  return codecFor(schema).encode(message);
}

/** The message in `bytes`; keeps no reference to them. Throws DecodeError if they are malformed. */
export function decode<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  return codecFor(schema).decode(bytes, true) as MessageShape<D>;
}

/**
 * Like `decode`, but bytes fields and unknown fields are views of `bytes`: for input that nobody
 * changes afterwards and a message that is not kept longer than its input should be.
 */
export function decodeView<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  return codecFor(schema).decode(bytes, false) as MessageShape<D>;
}

/**
 * A new message with defaults for all that `partial` leaves out. Unlike `create` it converts nothing:
 * nested messages must be messages already, and lists, maps and oneofs are taken as they are, not copied.
 */
export function init<D extends DescMessage>(schema: D, partial?: Init<MessageShape<D>>): MessageShape<D> {
  return codecFor(schema).init(partial) as MessageShape<D>;
}
