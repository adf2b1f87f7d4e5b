/**
 * Commands as plain objects, ready to be sent. Built by hand, field by field, because starts and reports are the hottest
 * messages there are. Nothing here checks names or ids: whoever takes them from outside does, and the fold does again.
 */
import { CANCEL_GRACE_DEFAULT_MS } from "@holdfast/core";
import {
  BreakerOpeningSchema,
  BreakerResetSchema,
  type ChangeBreaker,
  ChangeBreakerSchema,
  CancelRunSchema,
  type Command,
  type DecideApproval,
  type DefineWorkflow,
  DiscardDeadLettersSchema,
  Encoding,
  MoveToDeadLettersSchema,
  OnConflict,
  PauseRunSchema,
  PauseWorkflowSchema,
  type Payload,
  RecoveryStrategy,
  RestartSchema,
  ResumeRunSchema,
  ResumeWorkflowSchema,
  type RetentionPolicy,
  type RetryRun,
  SetRetentionSchema,
  type SignalRun,
  type StartRun,
  type TaskReport,
  type WorkflowDefinition,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";

const NS_PER_MS = 1_000_000n;

/** `correlation` and, for control commands, `id` make a command; the rest of its envelope is here. */
export function command(kind: Command["kind"], id = "", issuedAtMs = 0): Command {
  return {
    $typeName: "holdfast.v1.Command",
    id,
    issuedAtNs: issuedAtMs === 0 ? 0n : BigInt(Math.floor(issuedAtMs)) * NS_PER_MS,
    correlation: 0n,
    kind,
  };
}

/** JSON that travels inline. */
export function inlinePayload(body: Uint8Array): Payload {
  return {
    $typeName: "holdfast.v1.Payload",
    body: { case: "inline", value: body },
    encoding: Encoding.UNSPECIFIED,
  };
}

export interface StartRunFields {
  readonly runId: string;
  readonly workflow: string;
  /** Empty: the latest that the partition knows. */
  readonly definitionHash?: string;
  /** A payload, or the bytes of inline JSON. */
  readonly input?: Payload | Uint8Array | undefined;
  readonly priority?: number | undefined;
  readonly startAtMs?: number | undefined;
  readonly traceparent?: string | undefined;
  readonly onConflict?: OnConflict | undefined;
  /** Where it came from, for people. */
  readonly origin?: string | undefined;
  /** Who starts it is told of its end. */
  readonly notifyEnd?: boolean | undefined;
  /** The run that it takes the place of. */
  readonly restarts?: { readonly runId: string; readonly who: string; readonly reason: string } | undefined;
  /** The answer says whether a run that is there already was begun with another input. */
  readonly compareInput?: boolean | undefined;
}

export function startRunCommand(fields: StartRunFields): Command {
  const { input, startAtMs } = fields;
  const value: StartRun = {
    $typeName: "holdfast.v1.StartRun",
    runId: fields.runId,
    workflow: fields.workflow,
    definitionHash: fields.definitionHash ?? "",
    input: input instanceof Uint8Array ? inlinePayload(input) : input,
    priority: fields.priority ?? 0,
    startAtNs: startAtMs === undefined ? 0n : BigInt(Math.floor(startAtMs)) * NS_PER_MS,
    traceparent: fields.traceparent ?? "",
    onConflict: fields.onConflict ?? OnConflict.UNSPECIFIED,
    notifyEnd: fields.notifyEnd ?? false,
    origin: fields.origin ?? "",
    restarts: fields.restarts && init(RestartSchema, fields.restarts),
    compareInput: fields.compareInput ?? false,
  };
  return command({ case: "startRun", value });
}

interface ControlFields {
  /** Names the command for ever: the same id gets the same answer. */
  readonly id: string;
  readonly runId: string;
  readonly who: string;
  readonly reason: string;
  /** Unix milliseconds by the sender's clock. */
  readonly nowMs: number;
}

export interface RetryRunFields extends ControlFields {
  readonly strategy?: RecoveryStrategy | undefined;
  readonly force?: boolean | undefined;
  /** Name in the definition, with failed items of it; empty: whatever failed. */
  readonly action?: string | undefined;
  readonly items?: readonly number[] | undefined;
  /** Of what failed, that which is in the dead letters. */
  readonly deadLetters?: boolean | undefined;
}

export function retryRunCommand(fields: RetryRunFields): Command {
  const value: RetryRun = {
    $typeName: "holdfast.v1.RetryRun",
    runId: fields.runId,
    strategy: fields.strategy ?? RecoveryStrategy.UNSPECIFIED,
    force: fields.force ?? false,
    who: fields.who,
    reason: fields.reason,
    action: fields.action ?? "",
    items: [...(fields.items ?? [])],
    deadLetters: fields.deadLetters ?? false,
  };
  return command({ case: "retryRun", value }, fields.id, fields.nowMs);
}

export interface CancelRunFields extends ControlFields {
  /** How long attempts under way may still end well; default 10 s, 0: no time at all. */
  readonly graceMs?: number | undefined;
}

export function cancelRunCommand(fields: CancelRunFields): Command {
  const value = init(CancelRunSchema, {
    runId: fields.runId,
    who: fields.who,
    reason: fields.reason,
    // Said here and not by the fold: what stands in a log means for ever what it meant.
    graceMs: fields.graceMs ?? CANCEL_GRACE_DEFAULT_MS,
  });
  return command({ case: "cancelRun", value }, fields.id, fields.nowMs);
}

export interface DeadLettersFields extends ControlFields {
  /** Name in the definition; empty: the run as a whole, or all that is there of it. */
  readonly action: string;
  readonly items: readonly number[];
}

export function moveToDeadLettersCommand(fields: DeadLettersFields): Command {
  const { runId, action, items, who, reason, id, nowMs } = fields;
  const value = init(MoveToDeadLettersSchema, { runId, action, items: [...items], who, reason });
  return command({ case: "moveToDeadLetters", value }, id, nowMs);
}

export function discardDeadLettersCommand(fields: DeadLettersFields): Command {
  const { runId, action, items, who, reason, id, nowMs } = fields;
  const value = init(DiscardDeadLettersSchema, { runId, action, items: [...items], who, reason });
  return command({ case: "discardDeadLetters", value }, id, nowMs);
}

export function pauseRunCommand({ runId, who, reason, id, nowMs }: ControlFields): Command {
  const value = init(PauseRunSchema, { runId, who, reason });
  return command({ case: "pauseRun", value }, id, nowMs);
}

export function resumeRunCommand({ runId, who, id, nowMs }: Omit<ControlFields, "reason">): Command {
  return command({ case: "resumeRun", value: init(ResumeRunSchema, { runId, who }) }, id, nowMs);
}

/** Of a whole workflow: appended to every partition's log. */
export interface WorkflowControlFields extends Omit<ControlFields, "runId"> {
  readonly workflow: string;
}

export function pauseWorkflowCommand(fields: WorkflowControlFields): Command {
  const { workflow, who, reason, id, nowMs } = fields;
  const value = init(PauseWorkflowSchema, { workflow, who, reason });
  return command({ case: "pauseWorkflow", value }, id, nowMs);
}

export function resumeWorkflowCommand(fields: Omit<WorkflowControlFields, "reason">): Command {
  const { workflow, who, id, nowMs } = fields;
  return command({ case: "resumeWorkflow", value: init(ResumeWorkflowSchema, { workflow, who }) }, id, nowMs);
}

/** Appended to every partition's log. `policy` undefined: nothing is said any more. */
export function setRetentionCommand(
  fields: WorkflowControlFields & { readonly policy: RetentionPolicy | undefined },
): Command {
  const { workflow, policy, who, reason, id, nowMs } = fields;
  const value = init(SetRetentionSchema, { workflow, policy, who, reason });
  return command({ case: "setRetention", value }, id, nowMs);
}

export interface ChangeBreakerFields extends WorkflowControlFields {
  readonly action: string;
  readonly key: string;
  /** Until when it is to be open, 0 for good; undefined: it is to be reset. */
  readonly untilNs: bigint | undefined;
}

/** Appended to every partition's log. */
export function changeBreakerCommand(fields: ChangeBreakerFields): Command {
  const { workflow, action, key, untilNs, who, reason, id, nowMs } = fields;
  const change: ChangeBreaker["change"] =
    untilNs === undefined
      ? { case: "reset", value: init(BreakerResetSchema) }
      : { case: "open", value: init(BreakerOpeningSchema, { untilNs }) };
  const value = init(ChangeBreakerSchema, { workflow, action, key, change, who, reason });
  return command({ case: "changeBreaker", value }, id, nowMs);
}

export function signalRunCommand(
  fields: Omit<ControlFields, "reason"> & { readonly name: string; readonly payload: Payload | undefined },
): Command {
  const { runId, name, who, payload } = fields;
  const value: SignalRun = {
    $typeName: "holdfast.v1.SignalRun",
    runId,
    name,
    who,
    ...(payload === undefined ? {} : { payload }),
  };
  return command({ case: "signalRun", value }, fields.id, fields.nowMs);
}

export function decideApprovalCommand(
  fields: Omit<ControlFields, "reason"> & {
    /** Empty: the only action that waits. */
    readonly action: string;
    readonly approved: boolean;
    readonly comment: string;
  },
): Command {
  const { runId, action, approved, comment, who } = fields;
  const value: DecideApproval = {
    $typeName: "holdfast.v1.DecideApproval",
    runId,
    action,
    approved,
    comment,
    who,
  };
  return command({ case: "decideApproval", value }, fields.id, fields.nowMs);
}

export function defineWorkflowCommand(definition: WorkflowDefinition, hash: string): Command {
  const value: DefineWorkflow = { $typeName: "holdfast.v1.DefineWorkflow", definition, hash };
  return command({ case: "defineWorkflow", value });
}

export function taskReportCommand(value: TaskReport): Command {
  return command({ case: "taskReport", value });
}
