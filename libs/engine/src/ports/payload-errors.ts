/** What every payload store says of a body that it has not, that is too large, or that is not what its reference says. */
import type { PayloadRef } from "@holdfast/proto";
import { PortError } from "./errors.js";

const NAME_CHARS_SHOWN = 80;

/** Whether a body of so many bytes and this digest is the one that is referred to. */
export function isBody({ size, sha256 }: PayloadRef, bytes: number, digest: Uint8Array): boolean {
  return (
    BigInt(bytes) === size && digest.length === sha256.length && digest.every((byte, i) => byte === sha256[i])
  );
}

/** `what`: "a payload", "an artifact". */
export function payloadTooLarge(what: string, bytes: number, maxBytes: number): PortError {
  return new PortError(
    "too-large",
    `${what} of ${bytes} bytes or more is over the limit of ${maxBytes}; nothing of it is kept: split it`,
    { bytes, maxBytes },
  );
}

export function payloadNotFound(name: string): PortError {
  const shown = name.slice(0, NAME_CHARS_SHOWN);
  return new PortError(
    "not-found",
    `payload ${JSON.stringify(shown)} is not in the object store (any more)`,
    {
      name: shown,
    },
  );
}

export function payloadCorrupt({ name, size }: PayloadRef, bytes: number): PortError {
  return new PortError(
    "corrupt",
    `payload ${name} is not what its reference says: ${bytes} bytes came where ${size} were stored, or the digest differs; ` +
      "restore the object store from a copy",
    { name, bytes },
  );
}
