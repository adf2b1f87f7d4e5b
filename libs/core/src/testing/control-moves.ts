/** Moves of operators, drawn blindly: what they cancel, pause, resume and change, rightly or not. */
import {
  BreakerOpeningSchema,
  BreakerResetSchema,
  type ChangeBreaker,
  ChangeBreakerSchema,
  type Command,
  PauseRunSchema,
  PauseWorkflowSchema,
  ResumeRunSchema,
  ResumeWorkflowSchema,
  RetentionPolicySchema,
  SetRetentionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { cancel } from "./build.js";

export const WORKFLOWS = ["first", "second"] as const;
export const RUNS = ["r1", "r2", "r3", "r4", "r5"] as const;
/** Whatever the index, one of the list. */
export const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;

/** Now, after a moment, after longer than any test takes, and longer than is allowed. */
export const cancelMove = (runs: readonly string[], pick: number, how: number): Command["kind"] =>
  cancel(at([...runs, "nobody"], pick), "no longer wanted", at([0, 0, 60, 3_600_000, 3_600_001], how >> 2));

/** Whatever is paused is mostly resumed, so that sequences go on. */
export function pauseMove(
  runs: readonly string[],
  paused: readonly string[],
  pick: number,
  how: number,
): Command["kind"] {
  if (paused.length > 0 && how % 4 !== 0)
    return { case: "resumeRun", value: init(ResumeRunSchema, { runId: at(paused, pick) }) };
  const runId = at([...runs, "nobody", "Ł"], pick);
  return how % 8 !== 7
    ? { case: "pauseRun", value: init(PauseRunSchema, { runId, who: "ann" }) }
    : { case: "resumeRun", value: init(ResumeRunSchema, { runId }) };
}

export function pauseWorkflowMove(paused: readonly string[], pick: number, how: number): Command["kind"] {
  if (paused.length > 0 && how % 4 !== 0)
    return { case: "resumeWorkflow", value: init(ResumeWorkflowSchema, { workflow: at(paused, pick) }) };
  const workflow = at([...WORKFLOWS, "unknown", "no way"], pick);
  return how % 8 !== 7
    ? { case: "pauseWorkflow", value: init(PauseWorkflowSchema, { workflow }) }
    : { case: "resumeWorkflow", value: init(ResumeWorkflowSchema, { workflow }) };
}

/** Of a breaker that there is, or not; opened for a moment, for good, or in a way that is refused. */
export function breakerMove(nowNs: bigint, pick: number, how: number): Command["kind"] {
  const untilNs = at([nowNs + 50_000_000n, nowNs + 50_000_000n, 0n, 1n], how);
  const change: ChangeBreaker["change"] =
    how % 3 === 0
      ? { case: "open", value: init(BreakerOpeningSchema, { untilNs }) }
      : how % 17 === 1
        ? { case: undefined }
        : { case: "reset", value: init(BreakerResetSchema) };
  const value = init(ChangeBreakerSchema, {
    workflow: at([...WORKFLOWS, ...WORKFLOWS, "unknown", "no way"], pick),
    action: at(["a0", "a1", "a2", "nothing"], pick >> 3),
    key: at(["", "", "1"], how >> 2),
    change,
    who: "tester",
    reason: "to see",
  });
  return { case: "changeBreaker", value };
}

export function retentionMove(pick: number, how: number): Command["kind"] {
  const policy = init(RetentionPolicySchema, {
    completedRetentionS: at([0, 1, 3_600, 99 * 365 * 86_400], how),
    failedRetentionS: at([0, 3_600, 30 * 86_400], how >> 2),
    maxTerminalRuns: at([0, 0, 1], how >> 4),
    deadLetterRetentionS: at([0, 1, 3_600, 60 * 86_400], how >> 3),
  });
  const value = init(SetRetentionSchema, {
    workflow: at([...WORKFLOWS, "", "no way"], pick),
    policy: how % 5 === 0 ? undefined : policy,
    who: "tester",
  });
  return { case: "setRetention", value };
}
