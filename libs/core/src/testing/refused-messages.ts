/** How messages between partitions are refused, answered without more ado, or passed over. */
import {
  BulkBegunSchema,
  BulkGrantedSchema,
  BulkKind,
  BulkPartSchema,
  type BulkReported,
  BulkReportedSchema,
  CancelRequestedSchema,
  FailureMode,
  NeedAskedSchema,
  NeedToldSchema,
  type PartitionMessage,
  type RejectCode,
  RequestEndedSchema,
  type RequestEnded,
  type Requester,
  RequesterSchema,
  RequestingActionSchema,
  RequestingScheduleSchema,
  RequestRefusedSchema,
  RequestReopenedSchema,
  RetryRequestedSchema,
  RunEndedSchema,
  RunStatus,
  StartRequestedSchema,
  type StartRun,
  StartRunSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { receivedMarkKey } from "../state/tables.js";
import {
  action,
  childRun,
  define,
  delivery,
  failed,
  ONE_ATTEMPT,
  succeeded,
  UNDO,
  workflow,
} from "./build.js";
import { bulkSpec, startBulk } from "./bulk-build.js";
import type { TestPartition } from "./partition.js";
import { begun, LARGE, pruned, scheduled, STORED } from "./refused-scene.js";
import { scheduleOf } from "./schedule-build.js";

type Told = PartitionMessage["kind"];
export type MessageKind = NonNullable<Told["case"]>;
/** `IGNORED`: nothing changes, and nobody is told. `ENDED`: nothing changes but that the requester is told of the end that there was. */
export type Verdict = keyof typeof RejectCode | "IGNORED" | "ENDED";
export type MessageCase = readonly [
  kind: MessageKind,
  verdict: Verdict,
  what: string,
  told: (p: TestPartition) => Told,
];

/** Brings the next message of the partition itself. */
export function tell(p: TestPartition, kind: Told): void {
  const firstN = (p.view.get(receivedMarkKey(p.number))?.n ?? 0n) + 1n;
  const result = p.send(delivery([kind], { from: p.number, firstN }));
  if (result.case !== "accepted") throw new Error(`the message ${kind.case} was not taken`);
}

const ofAction = (runId = "p", attempt = 1): Requester =>
  init(RequesterSchema, {
    of: { case: "action", value: init(RequestingActionSchema, { runId, attempt }) },
    depth: 1,
  });
const ofSchedule = (p: TestPartition, more: bigint = 0n, name = "tick"): Requester => {
  scheduled(p);
  const incarnation = scheduleOf(p, "tick").incarnation + more;
  const value = init(RequestingScheduleSchema, { name, incarnation, instantNs: 60n });
  return init(RequesterSchema, { of: { case: "schedule", value } });
};

const starting = (fields: Init<StartRun> = {}, requester: Requester | undefined = ofAction()): Told => ({
  case: "startRequested",
  value: init(StartRequestedSchema, {
    start: init(StartRunSchema, { runId: "r", workflow: "one", ...fields }),
    requester,
  }),
});
const retrying = (requester: Requester | undefined = ofAction()): Told => ({
  case: "retryRequested",
  value: init(RetryRequestedSchema, { runId: "r", requester }),
});
const cancelling = (requester: Requester | undefined = ofAction()): Told => ({
  case: "cancelRequested",
  value: init(CancelRequestedSchema, { runId: "r", requester, reason: "to see" }),
});
const ending = (runId: string, requester: Requester | undefined, fields: Init<RequestEnded> = {}): Told => ({
  case: "requestEnded",
  value: init(RequestEndedSchema, {
    requester,
    ended: init(RunEndedSchema, { runId, status: RunStatus.COMPLETED }),
    generation: 1,
    ...fields,
  }),
});
const refusing = (runId: string, requester: Requester | undefined): Told => ({
  case: "requestRefused",
  value: init(RequestRefusedSchema, { requester, runId, message: "there is no such workflow" }),
});
const reopening = (requester: Requester | undefined): Told => ({
  case: "requestReopened",
  value: init(RequestReopenedSchema, { requester, runId: "r", generation: 2 }),
});

const asking = (requester: Requester | undefined, runId = "r"): Told => ({
  case: "needAsked",
  value: init(NeedAskedSchema, { requester, runId }),
});
const telling = (requester: Requester | undefined = ofAction(), untilNs = 0n): Told => ({
  case: "needTold",
  value: init(NeedToldSchema, { requester, runId: "r", untilNs }),
});
/** A run that action 0 of run `p` asked for. */
const requested = (p: TestPartition): void => tell(p, starting());
const requestedAndEnded = (p: TestPartition, outcome = succeeded()): void => {
  requested(p);
  p.finish("r", "a", outcome);
};
/** A run `p` that waits for a child; the id of that. */
const waiting = (p: TestPartition): string => {
  p.send(define(workflow("parents", [action("sub", { child: childRun("one") })])));
  begun(p, "parents", "p");
  return p.action("p", "sub").child?.runId ?? "";
};
/** The part of an operation that has written down what it is to come to: nothing. */
const matched = (p: TestPartition): Told => {
  const begin = beginning({ byIds: true });
  tell(p, begin);
  return begin;
};
const beginning = (spec: Parameters<typeof bulkSpec>[0] | undefined, operationId = "op"): Told => ({
  case: "bulkBegun",
  value: init(BulkBegunSchema, {
    operationId,
    spec: spec && bulkSpec({ kind: BulkKind.RETRY, ...spec }),
    last: true,
  }),
});
const granting = (runs: number, operationId = "op"): Told => ({
  case: "bulkGranted",
  value: init(BulkGrantedSchema, { operationId, runs }),
});
const closing = (operationId = "op"): Told => ({
  case: "bulkClosed",
  value: { $typeName: "holdfast.v1.BulkClosed", operationId },
});
const forgetting = (operationId = "op"): Told => ({
  case: "bulkForgotten",
  value: { $typeName: "holdfast.v1.BulkForgotten", operationId },
});
const reporting = (operationId: string, fields: Init<BulkReported> = {}): Told => ({
  case: "bulkReported",
  value: init(BulkReportedSchema, { operationId, part: init(BulkPartSchema, { matched: 1 }), ...fields }),
});
const STARTS_NOTHING: Told = {
  case: "startRequested",
  value: init(StartRequestedSchema, { requester: ofAction() }),
};
const NOBODY = init(RequesterSchema);

export const REFUSED_MESSAGES: readonly MessageCase[] = [
  ["startRequested", "IGNORED", "without a run", () => STARTS_NOTHING],
  ["startRequested", "IGNORED", "of nobody", () => starting({}, NOBODY)],
  [
    "startRequested",
    "IGNORED",
    "whose refusal could reach nobody",
    () => starting({ runId: "a b" }, ofAction("a b")),
  ],
  ["startRequested", "IGNORED", "of a run that it has, and that goes on", (p) => (requested(p), starting())],
  ["startRequested", "ENDED", "of a run that it had", (p) => (requestedAndEnded(p), starting())],
  ["startRequested", "INVALID_NAME", "of a run id that is none", () => starting({ runId: "a b" })],
  ["startRequested", "RUN_EXISTS", "of a run that somebody else began", (p) => (begun(p), starting())],
  [
    "startRequested",
    "RUN_EXISTS",
    "of another action's run",
    (p) => (requested(p), starting({}, ofAction("q"))),
  ],
  [
    "startRequested",
    "RUN_EXISTS",
    "of another workflow's run",
    (p) => (requested(p), starting({ workflow: "other" })),
  ],
  ["startRequested", "RUN_EXISTS", "of a run that was pruned", (p) => (pruned(p), starting())],
  [
    "startRequested",
    "UNKNOWN_WORKFLOW",
    "of a workflow that nobody has",
    () => starting({ workflow: "nowhere" }),
  ],
  ["startRequested", "MALFORMED", "with an input that is nowhere", () => starting({ input: STORED })],
  ["startRequested", "TOO_LARGE", "with too large an input", () => starting({ input: LARGE })],
  [
    "startRequested",
    "UNKNOWN_WORKFLOW",
    "by a schedule",
    (p) => starting({ workflow: "nowhere" }, ofSchedule(p)),
  ],

  ["retryRequested", "IGNORED", "of nobody", (p) => (requestedAndEnded(p, failed()), retrying(NOBODY))],
  ["retryRequested", "IGNORED", "of a run that goes on", (p) => (requested(p), retrying())],
  ["retryRequested", "ENDED", "of a run that completed", (p) => (requestedAndEnded(p), retrying())],
  [
    "retryRequested",
    "ENDED",
    "of a run that needs a person",
    (p) => (requestedAndEnded(p, failed(FailureMode.POLICY_SECURITY)), retrying()),
  ],
  ["retryRequested", "RUN_NOT_FOUND", "of a run that is not there", () => retrying()],
  [
    "retryRequested",
    "RUN_NOT_FOUND",
    "of somebody else's run",
    (p) => (requestedAndEnded(p, failed()), retrying(ofAction("q"))),
  ],

  ["cancelRequested", "IGNORED", "of a run that is not there", () => cancelling()],
  ["cancelRequested", "IGNORED", "of nobody", (p) => (requested(p), cancelling(NOBODY))],
  ["cancelRequested", "IGNORED", "of somebody else's run", (p) => (requested(p), cancelling(ofAction("q")))],
  ["cancelRequested", "IGNORED", "of a run that has ended", (p) => (requestedAndEnded(p), cancelling())],
  [
    "cancelRequested",
    "IGNORED",
    "of a run that is being undone",
    (p) => {
      const last = action("last", { after: ["a"], retry: ONE_ATTEMPT });
      p.send(define(workflow("undone", [action("a", { undo: UNDO }), last])));
      tell(p, starting({ workflow: "undone" }));
      p.finish("r", "a", succeeded());
      p.finish("r", "last", failed());
      return cancelling();
    },
  ],

  ["requestEnded", "IGNORED", "to nobody", (p) => ending(waiting(p), NOBODY)],
  ["requestEnded", "IGNORED", "to a run that is not there", () => ending("c", ofAction())],
  [
    "requestEnded",
    "IGNORED",
    "to an action that has no child",
    (p) => (begun(p, "one", "p"), ending("c", ofAction())),
  ],
  ["requestEnded", "IGNORED", "of a child that is not its own", (p) => (waiting(p), ending("c", ofAction()))],
  ["requestEnded", "IGNORED", "to another attempt", (p) => ending(waiting(p), ofAction("p", 7))],
  [
    "requestEnded",
    "IGNORED",
    "that does not say how",
    (p) => ending(waiting(p), ofAction(), { ended: undefined }),
  ],
  [
    "requestEnded",
    "IGNORED",
    "of what is known already",
    (p) => {
      const told = ending(waiting(p), ofAction());
      tell(p, told);
      return told;
    },
  ],
  [
    "requestEnded",
    "IGNORED",
    "to a schedule that is not there",
    (p) => ending("c", ofSchedule(p, 0n, "tock")),
  ],
  ["requestEnded", "IGNORED", "to a schedule that was made anew", (p) => ending("c", ofSchedule(p, 1n))],
  [
    "requestEnded",
    "IGNORED",
    "to a schedule, of a run that is not its own",
    (p) => ending("c", ofSchedule(p)),
  ],

  ["requestRefused", "IGNORED", "to nobody", (p) => refusing(waiting(p), NOBODY)],
  ["requestRefused", "IGNORED", "to a run that is not there", () => refusing("c", ofAction())],
  [
    "requestRefused",
    "IGNORED",
    "to an action that has no child",
    (p) => (begun(p, "one", "p"), refusing("c", ofAction())),
  ],
  [
    "requestRefused",
    "IGNORED",
    "of a child that is not its own",
    (p) => (waiting(p), refusing("c", ofAction())),
  ],
  ["requestRefused", "IGNORED", "to another attempt", (p) => refusing(waiting(p), ofAction("p", 7))],
  [
    "requestRefused",
    "IGNORED",
    "of a child that has ended",
    (p) => {
      const child = waiting(p);
      tell(p, ending(child, ofAction()));
      return refusing(child, ofAction());
    },
  ],
  [
    "requestRefused",
    "IGNORED",
    "to a schedule that is not there",
    (p) => refusing("c", ofSchedule(p, 0n, "tock")),
  ],
  ["requestRefused", "IGNORED", "to a schedule that was made anew", (p) => refusing("c", ofSchedule(p, 1n))],
  [
    "requestRefused",
    "IGNORED",
    "to a schedule, of a run that is not its own",
    (p) => refusing("c", ofSchedule(p)),
  ],

  ["requestReopened", "IGNORED", "to nobody", () => reopening(NOBODY)],
  ["requestReopened", "IGNORED", "to an action", (p) => (waiting(p), reopening(ofAction()))],
  [
    "requestReopened",
    "IGNORED",
    "to a schedule that is not there",
    (p) => reopening(ofSchedule(p, 0n, "tock")),
  ],
  ["requestReopened", "IGNORED", "to a schedule that was made anew", (p) => reopening(ofSchedule(p, 1n))],

  ["needAsked", "IGNORED", "by nobody", () => asking(NOBODY)],
  ["needAsked", "IGNORED", "under an id that is none", () => asking(ofAction(), "a b")],
  ["needTold", "IGNORED", "of a run that is not there", () => telling()],
  ["needTold", "IGNORED", "of a run that goes on", (p) => (requested(p), telling())],
  [
    "needTold",
    "IGNORED",
    "by somebody else's action",
    (p) => (requestedAndEnded(p, failed()), telling(ofAction("q"))),
  ],
  [
    "needTold",
    "IGNORED",
    "once it was told that nobody needs it",
    (p) => (requestedAndEnded(p, failed()), tell(p, telling()), telling()),
  ],

  ["bulkBegun", "IGNORED", "under an id that is none", () => beginning({ byIds: true }, "a b")],
  ["bulkBegun", "IGNORED", "that does not say what", () => beginning(undefined)],
  ["bulkBegun", "IGNORED", "once its runs are known", matched],
  ["bulkGranted", "IGNORED", "of an operation that is not there", () => granting(1)],
  ["bulkGranted", "IGNORED", "under an id that is none", () => granting(1, "a b")],
  [
    "bulkGranted",
    "IGNORED",
    "before its runs are known",
    (p) => (tell(p, beginning({ workflow: "one" })), granting(1)),
  ],
  ["bulkGranted", "IGNORED", "what it was granted already", (p) => (matched(p), granting(0))],
  ["bulkGranted", "IGNORED", "of a closed one", (p) => (matched(p), tell(p, closing()), granting(1))],
  ["bulkClosed", "IGNORED", "of an operation that is not there", () => closing()],
  ["bulkClosed", "IGNORED", "under an id that is none", () => closing("a b")],
  ["bulkClosed", "IGNORED", "of a closed one", (p) => (matched(p), tell(p, closing()), closing())],
  ["bulkForgotten", "IGNORED", "of an operation that is not there", () => forgetting()],
  ["bulkForgotten", "IGNORED", "under an id that is none", () => forgetting("a b")],
  ["bulkReported", "IGNORED", "of an operation that is not there", () => reporting("op")],
  ["bulkReported", "IGNORED", "under an id that is none", () => reporting("a b")],
  [
    "bulkReported",
    "IGNORED",
    "of a partition that there is not",
    (p) => (p.control(startBulk("op", { workflow: "one" })), reporting("op", { partition: 1 })),
  ],
  [
    "bulkReported",
    "IGNORED",
    "that does not say how far",
    (p) => (p.control(startBulk("op", { workflow: "one" })), reporting("op", { part: undefined })),
  ],
];
