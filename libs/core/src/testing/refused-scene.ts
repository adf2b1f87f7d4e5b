/** A partition to refuse commands in, and short ways to write those. */
import {
  type AppliedRecord,
  ApprovalWaitSchema,
  BreakerOpeningSchema,
  BreakerResetSchema,
  BreakerSchema,
  type ChangeBreaker,
  ChangeBreakerSchema,
  type CheckpointStep,
  CheckpointStepSchema,
  type Command,
  DecideApprovalSchema,
  type Outcome,
  PauseRunSchema,
  PauseWorkflowSchema,
  type Payload,
  PayloadSchema,
  PruneKind,
  RejectCode,
  ResumeRunSchema,
  ResumeWorkflowSchema,
  type SetRetention,
  SetRetentionSchema,
  SignalRunSchema,
  WaitSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { INLINE_PAYLOAD_BYTES_MAX } from "../limits.js";
import { appliedKey } from "../state/tables.js";
import {
  action,
  batch,
  BATCH,
  command,
  define,
  inline,
  json,
  ONE_ATTEMPT,
  overInput,
  pruning,
  requestStart,
  start,
  succeeded,
  workflow,
} from "./build.js";
import { JobScript } from "./job-script.js";
import { TestPartition } from "./partition.js";
import { putSchedule, specOf } from "./schedule-build.js";

export const APPROVAL = init(WaitSchema, { for: { case: "approval", value: init(ApprovalWaitSchema) } });
export const DEFINITIONS = [
  workflow("one", [action("a", { retry: ONE_ATTEMPT })]),
  workflow("other", [action("a", { retry: ONE_ATTEMPT })]),
  workflow("asks", [action("ask", { wait: APPROVAL })]),
  workflow("jobs", [action("job", { forEach: overInput(), batch: BATCH })]),
  workflow("rows", [action("row", { retry: ONE_ATTEMPT, forEach: overInput() })]),
  workflow("guarded", [action("a", { breaker: init(BreakerSchema) })]),
];

export type Kind = NonNullable<Command["kind"]["case"]>;
type Result = Outcome["result"];
export type Case = readonly [
  kind: Kind,
  code: keyof typeof RejectCode,
  what: string,
  refused: (p: TestPartition) => Result,
];

/** Remembers its state as it was before the last entry. */
export class Watched extends TestPartition {
  before = new Map<string, Uint8Array>();
  override append(...args: Parameters<TestPartition["append"]>): Outcome[] {
    this.before = this.view.dump();
    return super.append(...args);
  }
}

export function scene(): Watched {
  const partition = new Watched();
  partition.announce();
  partition.append(batch(DEFINITIONS.map((definition) => define(definition))));
  return partition;
}

export const begun = (p: TestPartition, name = "one", runId = "r"): void => {
  if (p.send(start(runId, name)).case !== "accepted") throw new Error(`run ${runId} was not accepted`);
};
export const ended = (p: TestPartition, outcome = succeeded()): void => {
  begun(p);
  p.finish("r", "a", outcome);
};
/** A run that ended and was pruned, with a tombstone. */
export const pruned = (p: TestPartition): void => {
  ended(p);
  p.pass(25 * 3600 * 1000);
  p.asOwner(pruning({ kind: PruneKind.COMPLETED, workflow: "one", upToNs: 2n ** 63n }));
};
/** An owner's command, with its answer. */
export const asOwner = (p: TestPartition, sent: Command): Result => {
  sent.correlation = 77n;
  const [outcome] = p.asOwner(sent);
  if (outcome === undefined) throw new Error(`${sent.kind.case} was not answered`);
  return outcome.result;
};

export const STORED = init(PayloadSchema, { body: { case: "stored", value: 5 } });
export const LARGE = init(PayloadSchema, {
  body: { case: "inline", value: new Uint8Array(INLINE_PAYLOAD_BYTES_MAX + 1) },
});
export const step = (fields: Init<CheckpointStep> = {}): Command =>
  command({
    case: "checkpointStep",
    value: init(CheckpointStepSchema, { runId: "r", attempt: 1, name: "s", result: inline(1), ...fields }),
  });
export const pause = (runId = "r"): Command["kind"] => ({
  case: "pauseRun",
  value: init(PauseRunSchema, { runId }),
});
export const resume = (runId = "r"): Command["kind"] => ({
  case: "resumeRun",
  value: init(ResumeRunSchema, { runId }),
});
export const pauseAll = (name: string): Command["kind"] => ({
  case: "pauseWorkflow",
  value: init(PauseWorkflowSchema, { workflow: name }),
});
export const resumeAll = (name: string): Command["kind"] => ({
  case: "resumeWorkflow",
  value: init(ResumeWorkflowSchema, { workflow: name }),
});
export const signal = (name = "go", payload: Payload = inline(1), runId = "r"): Command["kind"] => ({
  case: "signalRun",
  value: init(SignalRunSchema, { runId, name, payload }),
});
export const decide = (runId = "r"): Command["kind"] => ({
  case: "decideApproval",
  value: init(DecideApprovalSchema, { runId, approved: true }),
});
export const breaker = (fields: Init<ChangeBreaker>): Command["kind"] => ({
  case: "changeBreaker",
  value: init(ChangeBreakerSchema, { workflow: "guarded", action: "a", ...fields }),
});
export const reset: ChangeBreaker["change"] = { case: "reset", value: init(BreakerResetSchema) };
export const open = (untilNs: bigint): ChangeBreaker["change"] => ({
  case: "open",
  value: init(BreakerOpeningSchema, { untilNs }),
});
export const keep = (fields: Init<SetRetention>): Command["kind"] => ({
  case: "setRetention",
  value: init(SetRetentionSchema, fields),
});
export const scheduled = (p: TestPartition): void => {
  p.control(putSchedule("tick", specOf("one")));
};
export const full = (p: TestPartition, change: (applied: AppliedRecord) => void): void => {
  const applied = p.view.get(appliedKey);
  if (applied === undefined) throw new Error("nothing was folded");
  change(applied);
  p.view.put(appliedKey, applied);
};
export const checking = (p: TestPartition): JobScript => {
  begun(p, "jobs");
  p.load("r", "job", [json(1), json(2)]);
  const job = new JobScript(p, "r", "job");
  job.submit();
  job.untilCheck();
  return job;
};
export const stranger = requestStart("r", "one", "p");
