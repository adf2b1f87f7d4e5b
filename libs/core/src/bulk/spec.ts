/** What a bulk operation may be asked for. Whoever asks is told what is wrong in words that name the fields. */
import { BulkKind, type BulkSpec } from "@holdfast/proto";
import { isKnownMode } from "../failure/modes.js";
import { CANCEL_GRACE_MS_MAX, DETAIL_CHARS_MAX, WHO_CHARS_MAX } from "../limits.js";
import { isSignatureId, nameProblem, quoted } from "../names.js";
import { type BulkIds, idsProblem } from "./ids.js";

const KINDS: ReadonlySet<BulkKind> = new Set([
  BulkKind.RETRY,
  BulkKind.CANCEL,
  BulkKind.MOVE_TO_DEAD_LETTERS,
  BulkKind.DISCARD,
]);

/** A sentence that says what is wrong; undefined: it can be done. */
export function bulkSpecProblem(spec: BulkSpec, ids: BulkIds): string | undefined {
  if (!KINDS.has(spec.kind)) return `${spec.kind} is no kind of bulk operation`;
  return selectorProblem(spec, ids) ?? filterProblem(spec) ?? canaryProblem(spec) ?? wordsProblem(spec);
}

function selectorProblem(spec: BulkSpec, ids: BulkIds): string | undefined {
  const given = [
    ...(spec.workflow === "" ? [] : ["workflow"]),
    ...(spec.queue === "" ? [] : ["queue"]),
    ...(spec.signature === "" ? [] : ["signature"]),
    ...(spec.byIds || ids.runIds.length + ids.wrongIds.length > 0 ? ["run_ids"] : []),
  ];
  const wanted = "give exactly one selector: workflow, queue, signature or run_ids";
  if (given.length === 0) return `no selector was given; ${wanted}`;
  if (given.length > 1) return `${given.join(" and ")} were given together; ${wanted}`;
  if (spec.workflow !== "") return nameProblem("workflow", spec.workflow);
  if (spec.queue !== "") return nameProblem("queue", spec.queue);
  if (spec.signature !== "")
    return isSignature(spec) ? undefined : `${quoted(spec.signature)} is no failure signature to select by`;
  // Without it the partitions would look for what matches, and with no other selector everything does.
  if (!spec.byIds) return "run_ids were given, but by_ids is not set: set it";
  return idsProblem(ids);
}

/** Failed runs alone have one. */
const isSignature = (spec: BulkSpec): boolean =>
  spec.kind !== BulkKind.CANCEL && isSignatureId(spec.signature);

function filterProblem({ modes, fromNs, untilNs, kind, graceMs }: BulkSpec): string | undefined {
  const unknown = modes.find((mode) => !isKnownMode(mode));
  if (unknown !== undefined) return `${String(unknown)} is no failure mode`;
  if (kind === BulkKind.CANCEL && modes.length > 0)
    return "a cancel is of runs that have not failed: it takes no modes";
  if (untilNs !== 0n && untilNs <= fromNs)
    return "the time bounds hold nothing: the end must be after the beginning";
  if (graceMs > CANCEL_GRACE_MS_MAX) return `a grace of ${graceMs} ms is more than ${CANCEL_GRACE_MS_MAX}`;
  return undefined;
}

function canaryProblem({ canaryFirst, canaryThen, dryRun, kind }: BulkSpec): string | undefined {
  if (canaryThen > 0 && canaryFirst === 0) return "canary.then needs canary.first";
  if (canaryFirst === 0) return undefined;
  if (kind !== BulkKind.RETRY) return "only a retry goes in waves: leave canary out";
  return dryRun ? "a dry run sets nothing off, so it has no waves: leave canary out" : undefined;
}

function wordsProblem({ kind, who, reason }: BulkSpec): string | undefined {
  if (kind === BulkKind.DISCARD && reason.trim() === "")
    return "a discard needs a reason: it is kept with each run";
  if (who.length > WHO_CHARS_MAX)
    return `who has ${who.length} characters; at most ${WHO_CHARS_MAX} are allowed`;
  if (reason.length <= DETAIL_CHARS_MAX) return undefined;
  return `the reason has ${reason.length} characters; at most ${DETAIL_CHARS_MAX} are allowed`;
}
