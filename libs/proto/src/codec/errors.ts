/**
 * Owns the three errors of the codec. Each has one literal `code`; nothing may match on message text.
 * A codec error is always about the data or the schema at hand: it must never stand for a failure of
 * the machine (memory, I/O), because a caller may answer a malformed message by rejecting it for ever.
 */

/** The bytes are not a message of this schema. Decoding the same bytes again gives the same error. */
export class DecodeError extends Error {
  readonly code = "malformed";
  override readonly name = "DecodeError";
}

/** A field holds a value that its type cannot represent, or a message is not of the schema's type. */
export class EncodeError extends Error {
  readonly code = "unencodable";
  override readonly name = "EncodeError";
}

/** The schema uses a protobuf feature that this codec refuses (groups, delimited encoding). */
export class UnsupportedSchemaError extends Error {
  readonly code = "unsupported_schema";
  override readonly name = "UnsupportedSchemaError";
}
