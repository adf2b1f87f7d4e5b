/**
 * The reference to an artifact, as it stands in JSON: `{"$artifact": {"name", "size", "sha256", "contentType"}}`. It may stand anywhere
 * in a run's input or in an action's output. The bytes are in the object store under their digest; this says only which they are.
 */
import { ARTIFACT_NAME_CHARS_MAX, CONTENT_TYPE_CHARS_MAX } from "./limits.js";
import { type Json, jsonKind } from "./text.js";

export interface ArtifactFacts {
  /** For people; not where it is kept. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** In hex. */
  readonly sha256: string;
  readonly contentType: string;
}

export interface ArtifactReference {
  readonly $artifact: ArtifactFacts;
}

/** Of an artifact whose lines are JSON. */
export const JSON_LINES_TYPE = "application/x-ndjson";

const BYTES_TYPE = "application/octet-stream";
const LINES_NAME = /\.(jsonl|ndjson)$/i;

/** What an artifact is by its name, where nobody says. */
export const contentTypeOf = (name: string): string => (LINES_NAME.test(name) ? JSON_LINES_TYPE : BYTES_TYPE);

const DIGEST = /^[0-9a-f]{64}$/;
// Shown to people and put into messages: one line of text, and no path.
// eslint-disable-next-line no-control-regex
const NOT_IN_A_NAME = /[\u0000-\u001f\u007f/\\]/;

/** Why a name can't be an artifact's; undefined: it can. */
export function artifactNameProblem(name: string): string | undefined {
  if (name === "" || name.length > ARTIFACT_NAME_CHARS_MAX)
    return `an artifact's name has 1 to ${ARTIFACT_NAME_CHARS_MAX} characters`;
  return NOT_IN_A_NAME.test(name)
    ? `${JSON.stringify(name)} is no artifact's name: control characters, / and \\ are not allowed in one`
    : undefined;
}

/** The reference that a value is, or a phrase that says what it is instead: "an array, not the reference of an artifact". */
export function readArtifact(value: Json | undefined): ArtifactFacts | string {
  if (
    typeof value !== "object" ||
    value === null ||
    Array.isArray(value) ||
    !Object.hasOwn(value, "$artifact")
  )
    return `${jsonKind(value)}, not the reference of an artifact`;
  const facts = (value as { readonly [key: string]: Json })["$artifact"];
  if (typeof facts !== "object" || facts === null || Array.isArray(facts))
    return broken("it holds no object");
  const { name, size, sha256, contentType = "" } = facts as { readonly [key: string]: Json };
  if (typeof name !== "string") return broken("it has no name");
  const problem = artifactNameProblem(name);
  if (problem !== undefined) return broken(problem);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    return broken("its size is no size");
  if (typeof sha256 !== "string" || !DIGEST.test(sha256)) return broken("its sha256 is no digest in hex");
  if (typeof contentType !== "string" || contentType.length > CONTENT_TYPE_CHARS_MAX)
    return broken("its contentType is no content type");
  return { name, size, sha256, contentType };
}

const broken = (why: string): string => `a broken reference of an artifact (${why})`;
