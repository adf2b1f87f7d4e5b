/** Files on their way to the object store, for `artifacts put` and `start --artifact`. */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { PutArtifactRequestSchema, PutArtifactResponse } from "@holdfast/proto";
import type { AdminClient } from "./context.js";
import { usageError } from "./exit-codes.js";

export interface ArtifactFile {
  readonly path: string;
  /** Default: the file's. */
  readonly name?: string | undefined;
  /** Default: by the name. */
  readonly contentType?: string | undefined;
}

/** Streams a file, of whatever size. A file that can't be read is a usage error. */
export function uploadFile(
  admin: AdminClient,
  file: ArtifactFile,
  signal: AbortSignal,
): Promise<PutArtifactResponse> {
  return admin.putArtifact(messagesOf(file), { signal });
}

async function* messagesOf({
  path,
  name = basename(path),
  contentType = "",
}: ArtifactFile): AsyncGenerator<MessageInitShape<typeof PutArtifactRequestSchema>> {
  yield { part: { case: "header", value: { name, contentType } } };
  let bytes = 0n;
  try {
    for await (const piece of createReadStream(path) as AsyncIterable<Uint8Array>) {
      bytes += BigInt(piece.length);
      yield { part: { case: "data", value: piece } };
    }
  } catch (error) {
    throw usageError(`${path} could not be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
  yield { part: { case: "end", value: { size: bytes } } };
}
