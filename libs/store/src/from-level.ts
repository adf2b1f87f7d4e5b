/** The one translation of what LevelDB and the file system throw into the ports' errors. By code, never by message. */
import { PortError } from "@holdfast/engine";

/**
 * @param what what was being done, as in "reading 3 keys"; `folder` is named in every message.
 * Throws what is no fault of the disk but of the caller (a key that is not binary) or of this code.
 */
export function fromLevel(error: unknown, what: string, folder: string): PortError {
  if (error instanceof PortError) return error;
  if (error instanceof RangeError || error instanceof TypeError || error instanceof ReferenceError)
    throw error;
  const details = { folder };
  const options = { cause: error };
  switch (codeOf(error)) {
    case "LEVEL_LOCKED":
      return new PortError(
        "locked",
        `The state in ${folder} is in use by another process, or twice in this one. Probably a second node was started on the same data ` +
          "folder, or the last one has not ended yet: stop it, or give this node a data folder of its own.",
        details,
        options,
      );
    case "LEVEL_CORRUPTION":
      return new PortError(
        "corrupt",
        `LevelDB found damage in ${folder} while ${what}: ${messageOf(error)}.`,
        details,
        options,
      );
    case "LEVEL_DATABASE_NOT_OPEN":
    case "LEVEL_ITERATOR_NOT_OPEN":
    case "LEVEL_BATCH_NOT_OPEN":
      return new PortError("closed", `The state in ${folder} was closed while ${what}.`, details, options);
    default:
      return new PortError(
        "io",
        `The disk refused while ${what} in ${folder}: ${messageOf(error)}. Check free space, permissions and the disk, then open the partition again.`,
        details,
        options,
      );
  }
}

/** The code of the innermost error: a failed open wraps its reason. LevelDB's answer to a wrong argument has none. */
export function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at.cause instanceof Error) continue;
    return "code" in at && typeof at.code === "string" ? at.code : undefined;
  }
  return undefined;
}

function messageOf(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : String(at);
}
