/** Short ways to write definitions and commands in tests. Everything that is left out has its default. */
import {
  type ActionDefinition,
  ActionDefinitionSchema,
  BatchSchema,
  CancelRunSchema,
  type ChildRun,
  ChildRunSchema,
  type Command,
  type CommandBatch,
  CommandBatchSchema,
  CommandSchema,
  DefineWorkflowSchema,
  type DeliverMessages,
  DeliverMessagesSchema,
  Effect,
  type Failure,
  FailureMode,
  FailureSchema,
  type ForEach,
  ForEachSchema,
  ItemsLoadedSchema,
  type ItemsLoaded,
  MessagesDeliveredSchema,
  OutputSourceSchema,
  OwnerStampSchema,
  type PartitionMessage,
  PartitionMessageSchema,
  type Payload,
  PayloadSchema,
  type Prune,
  PruneSchema,
  RequesterSchema,
  type RequestingAction,
  RequestingActionSchema,
  type RetryPolicy,
  RetryPolicySchema,
  RetryRunSchema,
  type RetryRun,
  StartRequestedSchema,
  StartRunSchema,
  type StartRun,
  TaskReportSchema,
  type TaskReport,
  TaskSkipSchema,
  TaskSuccessSchema,
  TimersFiredSchema,
  type Tolerate,
  TolerateSchema,
  UndoSchema,
  type WorkflowDefinition,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { hashDefinition } from "../definition/hash.js";
import { canonicalJson, type Json, utf8 } from "../text.js";

export const json = (value: Json): Uint8Array => utf8(canonicalJson(value));
export const inline = (value: Json): Payload =>
  init(PayloadSchema, { body: { case: "inline", value: json(value) } });

export const overInput = (pointer = "", window = 0): ForEach =>
  init(ForEachSchema, { source: { case: "inputPointer", value: pointer }, window });
export const overItemsOf = (action: string, window = 0): ForEach =>
  init(ForEachSchema, { source: { case: "itemsOf", value: action }, window });
export const overOutputOf = (action: string, pointer = "", window = 0): ForEach =>
  init(ForEachSchema, {
    source: { case: "outputOf", value: init(OutputSourceSchema, { action, pointer }) },
    window,
  });
export const overLines = (pointer = "", window = 0): ForEach =>
  init(ForEachSchema, { source: { case: "linesOfInput", value: pointer }, window });
export const overLinesOf = (action: string, pointer = "", window = 0): ForEach =>
  init(ForEachSchema, {
    source: { case: "linesOfOutput", value: init(OutputSourceSchema, { action, pointer }) },
    window,
  });
export const tolerateCount = (value: number): Tolerate =>
  init(TolerateSchema, { limit: { case: "count", value } });
export const tolerateBasisPoints = (value: number): Tolerate =>
  init(TolerateSchema, { limit: { case: "basisPoints", value } });
export const retryPolicy = (policy: Init<RetryPolicy>): RetryPolicy => init(RetryPolicySchema, policy);
/** Has an undo handler. */
export const UNDO = init(UndoSchema);
/** An outside system does it, in jobs that are checked every second. */
export const BATCH = init(BatchSchema, {
  poll: init(RetryPolicySchema, { initialBackoffMs: 1_000, maxBackoffMs: 1_000, jitterMilli: 0 }),
});
/** No second attempt: what fails has failed. */
export const ONE_ATTEMPT = retryPolicy({ maxAttempts: 1 });

/** A run of another workflow; its input is the run's. */
export const childRun = (workflowName: string, fields: Init<ChildRun> = {}): ChildRun =>
  init(ChildRunSchema, { workflow: workflowName, ...fields });

export const action = (name: string, fields: Init<ActionDefinition> = {}): ActionDefinition =>
  init(ActionDefinitionSchema, { name, ...fields });
export const workflow = (
  name: string,
  actions: ActionDefinition[],
  fields: Init<WorkflowDefinition> = {},
): WorkflowDefinition => init(WorkflowDefinitionSchema, { name, actions, ...fields });

export const failure = (mode: FailureMode, message = "it broke", fields: Init<Failure> = {}): Failure =>
  init(FailureSchema, { mode, message, rawClass: "Error", ...fields });

export const succeeded = (output: Json = "done", effect = Effect.VALUE): TaskReport["outcome"] => ({
  case: "success",
  value: init(TaskSuccessSchema, { output: inline(output), effect }),
});
export const failed = (mode = FailureMode.VALIDATION, message = "it broke"): TaskReport["outcome"] => ({
  case: "failure",
  value: failure(mode, message),
});
export const skipped = (reason = "not wanted"): TaskReport["outcome"] => ({
  case: "skip",
  value: init(TaskSkipSchema, { reason }),
});

export const command = (kind: Command["kind"], fields: Init<Command> = {}): Command =>
  init(CommandSchema, { ...fields, kind });
export const define = (definition: WorkflowDefinition, hash = hashDefinition(definition)): Command =>
  command({ case: "defineWorkflow", value: init(DefineWorkflowSchema, { definition, hash }) });
export const start = (runId: string, workflowName: string, fields: Init<StartRun> = {}): Command =>
  command({ case: "startRun", value: init(StartRunSchema, { runId, workflow: workflowName, ...fields }) });
export const report = (runId: string, fields: Init<TaskReport>): Command =>
  command({ case: "taskReport", value: init(TaskReportSchema, { runId, attempt: 1, ...fields }) });
export const loaded = (runId: string, fields: Init<ItemsLoaded>): Command =>
  command({ case: "itemsLoaded", value: init(ItemsLoadedSchema, { runId, generation: 1, ...fields }) });
export const timersFired = (upToNs: bigint): Command =>
  command({ case: "timersFired", value: init(TimersFiredSchema, { upToNs }) });
export const pruning = (fields: Init<Prune>): Command =>
  command({ case: "prune", value: init(PruneSchema, fields) });
export const retry = (runId: string, fields: Init<RetryRun> = {}): Command["kind"] => ({
  case: "retryRun",
  value: init(RetryRunSchema, { runId, ...fields }),
});
export const cancel = (runId: string, reason = "no longer wanted", graceMs = 0): Command["kind"] => ({
  case: "cancelRun",
  value: init(CancelRunSchema, { runId, who: "tester", reason, graceMs }),
});

/** `stored` is what a sender says that has nothing else under way. */
export const delivery = (messages: PartitionMessage["kind"][], fields: Init<DeliverMessages> = {}): Command =>
  command({
    case: "deliverMessages",
    value: init(DeliverMessagesSchema, {
      incarnation: 1n,
      firstN: 1n,
      stored: (fields.firstN ?? 1n) - 1n,
      messages: messages.map((kind) => init(PartitionMessageSchema, { kind })),
      ...fields,
    }),
  });
export const delivered = (to: number, upTo: bigint): Command =>
  command({ case: "messagesDelivered", value: init(MessagesDeliveredSchema, { to, upTo }) });
/** A request for a run by an action of run `from`. */
export const requestStart = (
  runId: string,
  workflowName: string,
  from: string,
  fields: Init<RequestingAction> = {},
): PartitionMessage["kind"] => ({
  case: "startRequested",
  value: init(StartRequestedSchema, {
    start: init(StartRunSchema, { runId, workflow: workflowName }),
    requester: init(RequesterSchema, {
      of: { case: "action", value: init(RequestingActionSchema, { runId: from, attempt: 1, ...fields }) },
      depth: 1,
    }),
  }),
});

export const INBOX = "_INBOX.tests";

export const batch = (commands: Command[], fields: Init<CommandBatch> = {}): CommandBatch =>
  init(CommandBatchSchema, { producer: "worker-test", replyInbox: INBOX, commands, ...fields });
export const ownerStamp = (epoch: bigint, n: bigint): NonNullable<CommandBatch["owner"]> =>
  init(OwnerStampSchema, { epoch, n });
