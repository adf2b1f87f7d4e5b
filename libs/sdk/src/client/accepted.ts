/** What the fold said of a command, as a value or as an error. */
import type { Accepted, Outcome } from "@holdfast/proto";
import { fromRejected, HoldfastError } from "../errors.js";

/** Throws a `HoldfastError` where it was refused. */
export function acceptedOf({ result }: Outcome): Accepted {
  if (result.case === "accepted") return result.value;
  if (result.case === "rejected") throw fromRejected(result.value);
  throw new HoldfastError(
    "INTERNAL",
    `a command was answered with ${result.case ?? "nothing"}: its node may be of another version`,
  );
}
