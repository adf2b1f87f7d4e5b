/** How decisions about rejected work meet: the first one counts, whoever makes the next. */
import { PortError } from "./errors.js";
import type { RejectedDecision } from "./registry.js";

/** `edit` names what a replay was changed to; empty: nothing, or whatever was decided. */
export type Decided = RejectedDecision & { readonly edit: string };

/** Throws `conflict` where what counts is not what is wanted. A replay that names no change is any replay. */
export function checkDecided(counts: Decided, wanted: Pick<Decided, "what" | "edit">): void {
  const same = counts.what === wanted.what && (wanted.edit === "" || counts.edit === wanted.edit);
  if (same) return;
  const by = counts.who === "" ? "somebody" : counts.who;
  const how =
    counts.what === "discard" ? "discard it" : counts.edited ? "replay it changed" : "replay it as it came";
  const next = counts.what === "discard" ? "discard it, too" : "replay it without changes";
  throw new PortError(
    "conflict",
    `rejected work ${counts.id}: ${by} has decided at ${new Date(counts.atMs).toISOString()} to ${how}, and that counts. If it is still there, that was cut short: ${next}, which finishes what was decided`,
    { id: counts.id },
  );
}
