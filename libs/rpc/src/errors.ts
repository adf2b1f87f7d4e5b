/**
 * The one error of RPC, and the only place where errors become gRPC statuses and gRPC statuses errors.
 *
 * 1. A status code is an `RpcCode`; nothing outside this folder sees gRPC's numbers.
 * 2. What is not an `RpcError` leaves as INTERNAL without its text: a stack or a query is nobody's business outside.
 * 3. Message and details are bounded, since they travel as HTTP/2 trailers.
 */
import { create, fromBinary, fromJson, toBinary, toJson, type JsonObject } from "@bufbuild/protobuf";
import { anyPack, anyUnpack, StructSchema } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, status, type StatusObject } from "@grpc/grpc-js";
import { StatusSchema } from "@holdfast/proto/grpc";

/** gRPC's codes by name. OK is none: it is no error. */
export type RpcCode = Exclude<keyof typeof status, "OK">;

/** Longest message that leaves, in UTF-16 units; each may take up to nine bytes of a trailer. */
export const ERROR_MESSAGE_MAX = 1_000;
/** Encoded details beyond this are left out: the message has to do alone. */
export const ERROR_DETAILS_BYTES_MAX = 4_096;

const DETAILS_KEY = "grpc-status-details-bin";

/** Total over whatever number a server sends. */
function codeName(code: number): RpcCode {
  const name: string | undefined = status[code];
  return name === undefined || name === "OK" ? "UNKNOWN" : (name as RpcCode);
}

/** What a call fails with, on either side of the wire. */
export class RpcError extends Error {
  override readonly name = "RpcError";

  constructor(
    readonly code: RpcCode,
    /** What happened, to what, why, and what to do now. */
    message: string,
    /** The same for programs: plain JSON, such as `{ reason: "NOT_FAILED", runId: "…" }`. */
    readonly details: JsonObject = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Translates errors that a server's own layers throw; undefined for what it does not know. */
export type ErrorTranslator = (error: unknown) => RpcError | undefined;

/** The funnel on the server: whatever was thrown becomes an `RpcError`; unknown things become INTERNAL. */
export function toRpcError(error: unknown, translate?: ErrorTranslator): RpcError {
  if (error instanceof RpcError) return error;
  const translated = translate?.(error);
  if (translated !== undefined) return translated;
  return new RpcError(
    "INTERNAL",
    "The server failed in a way that it did not foresee; its log has the cause under this call's request id.",
    {},
    { cause: error },
  );
}

/** An error as it leaves in trailers. */
export function toGrpcStatus(error: RpcError): StatusObject {
  const metadata = new Metadata();
  const message = cut(error.message);
  if (Object.keys(error.details).length > 0) {
    const encoded = create(StatusSchema, {
      code: status[error.code],
      message,
      details: [anyPack(StructSchema, fromJson(StructSchema, error.details))],
    });
    const bytes = toBinary(StatusSchema, encoded);
    if (bytes.length <= ERROR_DETAILS_BYTES_MAX) {
      metadata.set(DETAILS_KEY, Buffer.from(bytes));
    }
  }
  return { code: status[error.code], details: message, metadata };
}

/** The funnel on the client: what grpc-js reports becomes an `RpcError`. */
export function fromServiceError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (!isServiceError(error)) {
    const text = error instanceof Error ? error.message : String(error);
    return new RpcError("UNKNOWN", text, {}, { cause: error });
  }
  return new RpcError(codeName(error.code), error.details, readDetails(error.metadata), {
    cause: error,
  });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && typeof error.code === "number";
}

function readDetails(metadata: Metadata | undefined): JsonObject {
  const value = metadata?.get(DETAILS_KEY)[0];
  if (!(value instanceof Uint8Array)) return {};
  try {
    for (const any of fromBinary(StatusSchema, value).details) {
      const struct = anyUnpack(any, StructSchema);
      if (struct === undefined) continue;
      const json = toJson(StructSchema, struct);
      if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
    }
  } catch {
    // Details of a server that is not ours, in a shape of its own: the code and the message are enough.
  }
  return {};
}

/** Cuts on a whole character, and says that it did. */
function cut(message: string): string {
  if (message.length <= ERROR_MESSAGE_MAX) return message.toWellFormed();
  return `${message.slice(0, ERROR_MESSAGE_MAX - 1).toWellFormed()}…`;
}
