/** PutArtifact: a file, streamed into the object store, for runs to refer to. Never held whole. */
import {
  type ArtifactFacts,
  artifactNameProblem,
  CONTENT_TYPE_CHARS_MAX,
  contentTypeOf,
} from "@holdfast/core";
import type { ArtifactHeader, PutArtifactRequest } from "@holdfast/proto";
import type { AdminParts } from "./parts.js";
import * as check from "./validate/fields.js";

export async function putArtifact({ store }: AdminParts, requests: AsyncIterable<PutArtifactRequest>) {
  const parts = requests[Symbol.asyncIterator]();
  const first = await parts.next();
  const header = checked(first.done === true ? undefined : first.value);
  const ref = await store.putStream(bytesOf(parts));
  const sha256 = Buffer.from(ref.sha256).toString("hex");
  const facts: ArtifactFacts = { ...header, size: Number(ref.size), sha256 };
  const { name, contentType, size } = facts;
  const referenceJson = JSON.stringify({ $artifact: { name, size, sha256, contentType } });
  return { name, size: ref.size, sha256, contentType, referenceJson };
}

function checked(first: PutArtifactRequest | undefined): Pick<ArtifactHeader, "name" | "contentType"> {
  if (first?.part.case !== "header")
    throw check.invalid("header", "the first message says the artifact's name; the others carry its bytes");
  const { name, contentType } = first.part.value;
  const problem = artifactNameProblem(name);
  if (problem !== undefined) throw check.invalid("header.name", problem);
  if (contentType.length > CONTENT_TYPE_CHARS_MAX)
    throw check.invalid("header.content_type", `at most ${CONTENT_TYPE_CHARS_MAX} characters are allowed`);
  return { name, contentType: contentType === "" ? contentTypeOf(name) : contentType };
}

/** What is sent between header and end. Throws where the end does not come, or says that more was sent. */
async function* bytesOf(parts: AsyncIterator<PutArtifactRequest>): AsyncGenerator<Uint8Array> {
  let bytes = 0n;
  for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
    const { part } = next.value;
    if (part.case === "end") {
      if (part.value.size === bytes) return;
      throw check.invalid(
        "end.size",
        `${part.value.size} bytes were sent, and ${bytes} arrived: send all again`,
      );
    }
    if (part.case !== "data") throw check.invalid("part", "between header and end come bytes alone");
    bytes += BigInt(part.value.length);
    yield part.value;
  }
  throw check.invalid(
    "end",
    "it did not come, so not all of the artifact did, and nothing is kept: send all again",
  );
}
