/** Any workflow of 1 to 6 actions: graphs, items from everywhere, tolerances, triggers, retry policies, small windows, undos, recoveries, guardrails. */
import {
  type ActionDefinition,
  type ApprovalTimeout,
  ApprovalWaitSchema,
  type ChildRun,
  type Batch,
  BatchSchema,
  type Breaker,
  BreakerSchema,
  FailureMode,
  type ForEach,
  OnOpen,
  OutputSourceSchema,
  RecoveryPolicySchema,
  SignalWaitSchema,
  type Timeouts,
  TimeoutsSchema,
  TriggerRule,
  type Wait,
  WaitSchema,
  type WorkflowDefinition,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import {
  action,
  childRun,
  overInput,
  overItemsOf,
  overLines,
  overLinesOf,
  overOutputOf,
  retryPolicy,
  tolerateBasisPoints,
  tolerateCount,
  UNDO,
  workflow,
} from "./build.js";
import { arbitraryGuardrails } from "./guardrail-moves.js";

const ACTIONS_MAX = 6;

interface Draft {
  /** Bit i: waits for draft i. Taken only of drafts before it, so that there is no circle. */
  readonly after: number;
  readonly source: "none" | "input" | "items" | "output";
  readonly sourceOf: number;
  readonly window: number;
  readonly tolerate: number | undefined;
  readonly basisPoints: boolean;
  readonly optional: boolean;
  readonly trigger: TriggerRule;
  readonly maxAttempts: number;
  readonly jitterMilli: number;
  readonly policy: "by-mode" | "only-validation" | "never-network";
  readonly place: number;
  readonly undo: boolean;
  readonly recover: boolean;
  readonly batch: "none" | "patient" | "hasty";
  readonly breaker: "none" | "hold" | "keyed" | "by-item" | "fail" | "skip";
  readonly wait: "none" | "sleep" | "signal" | "patient-signal" | "approval" | "child";
  readonly childInput: "all" | "part" | "output" | "output-part";
}

const draft: fc.Arbitrary<Draft> = fc.record({
  after: fc.nat(2 ** ACTIONS_MAX - 1),
  source: fc.constantFrom(
    "none" as const,
    "none" as const,
    "input" as const,
    "items" as const,
    "output" as const,
  ),
  sourceOf: fc.nat(ACTIONS_MAX - 1),
  window: fc.integer({ min: 1, max: 4 }),
  tolerate: fc.option(fc.nat(3), { nil: undefined }),
  basisPoints: fc.boolean(),
  optional: fc.boolean(),
  trigger: fc.constantFrom(
    TriggerRule.UNSPECIFIED,
    TriggerRule.UNSPECIFIED,
    TriggerRule.ALL_DONE,
    TriggerRule.ANY_COMPLETED,
  ),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  jitterMilli: fc.constantFrom(0, 200, 1000),
  policy: fc.constantFrom(
    "by-mode" as const,
    "by-mode" as const,
    "only-validation" as const,
    "never-network" as const,
  ),
  place: fc.nat(1000),
  batch: fc.constantFrom(
    "none" as const,
    "none" as const,
    "none" as const,
    "patient" as const,
    "hasty" as const,
  ),
  undo: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  recover: fc.boolean(),
  breaker: fc.constantFrom(
    "none" as const,
    "none" as const,
    "hold" as const,
    "hold" as const,
    "hold" as const,
    "keyed" as const,
    "by-item" as const,
    "fail" as const,
    "skip" as const,
  ),
  wait: fc.constantFrom(
    "none" as const,
    "none" as const,
    "none" as const,
    "none" as const,
    "sleep" as const,
    "signal" as const,
    "patient-signal" as const,
    "approval" as const,
    "child" as const,
    "child" as const,
  ),
  childInput: fc.constantFrom(
    "all" as const,
    "all" as const,
    "part" as const,
    "output" as const,
    "output-part" as const,
  ),
});

export const SIGNAL = "go";

function waitOf({ wait, maxAttempts }: Draft): Wait | undefined {
  if (wait === "none" || wait === "child") return undefined;
  if (wait === "sleep") return init(WaitSchema, { for: { case: "sleepMs", value: 30n } });
  if (wait === "approval") {
    const onTimeout: ApprovalTimeout = maxAttempts - 1;
    const value = init(ApprovalWaitSchema, { prompt: "well?", timeoutMs: 100n, onTimeout });
    return init(WaitSchema, { for: { case: "approval", value } });
  }
  const value = init(SignalWaitSchema, { name: SIGNAL, timeoutMs: wait === "signal" ? 80n : 0n });
  return init(WaitSchema, { for: { case: "signal", value } });
}

function batchOf({ batch, window }: Draft, overItems: boolean): Batch | undefined {
  if (batch === "none") return undefined;
  return init(BatchSchema, {
    poll: retryPolicy({ initialBackoffMs: 15, factorMilli: 1500, maxBackoffMs: 60, jitterMilli: 0 }),
    timeoutMs: batch === "hasty" ? 150n : 0n,
    itemsAJob: overItems ? window : 0,
    cancellable: window > 1,
  });
}

/** Opens easily, and not for long. */
function breakerOf({ breaker, maxAttempts }: Draft, overItems: boolean): Breaker | undefined {
  if (breaker === "none") return undefined;
  const onOpen = {
    hold: OnOpen.UNSPECIFIED,
    keyed: OnOpen.UNSPECIFIED,
    "by-item": OnOpen.UNSPECIFIED,
    fail: OnOpen.FAIL,
    skip: OnOpen.SKIP,
  };
  return init(BreakerSchema, {
    failureRateBp: 4_000,
    minSamples: maxAttempts,
    windowMs: 500,
    openForMs: 40,
    maxOpenForMs: 100,
    probes: maxAttempts,
    onOpen: onOpen[breaker],
    key: breaker === "keyed" ? "/rows/0" : "",
    itemKey: breaker === "by-item" && overItems ? "/host" : undefined,
  });
}

/** Of a child how long it has; of what workers do how soon one must have it. */
function timeoutsOf({ window }: Draft, isChild: boolean, isWorked: boolean): Timeouts | undefined {
  if (isChild && window <= 2) return init(TimeoutsSchema, { startToCloseMs: 120 });
  return isWorked && window === 3 ? init(TimeoutsSchema, { scheduleToStartMs: 25 }) : undefined;
}

const nameOf = (index: number): string => `a${index}`;

function forEachOf(drafts: readonly Draft[], index: number): ForEach | undefined {
  const { source, sourceOf, window } = drafts[index] as Draft;
  if (source === "none") return undefined;
  if (source === "input") return sourceOf % 2 === 0 ? overInput("/rows", window) : overLines("/file", window);
  const candidates = drafts
    .slice(0, index)
    .flatMap((_, i) => ((forEachOf(drafts, i) !== undefined) === (source === "items") ? [nameOf(i)] : []));
  const chosen = candidates[sourceOf % Math.max(candidates.length, 1)];
  if (chosen === undefined) return overInput("", window);
  if (source === "items") return overItemsOf(chosen, window);
  return sourceOf % 2 === 0 ? overOutputOf(chosen, "/list", window) : overLinesOf(chosen, "/file", window);
}

/** A run of the workflow that children are of; where there is none, the action has a handler. */
function childOf(drafts: readonly Draft[], index: number, childWorkflow: string): ChildRun | undefined {
  const { wait, childInput, sourceOf } = drafts[index] as Draft;
  if (wait !== "child" || childWorkflow === "" || forEachOf(drafts, index) !== undefined) return undefined;
  // Now and then it is of a workflow that nobody knows.
  const workflowName = sourceOf === 0 ? "unknown" : childWorkflow;
  if (childInput === "part")
    return childRun(workflowName, { input: { case: "inputPointer", value: "/rows" } });
  const sources = drafts
    .slice(0, index)
    .flatMap((_, i) => (forEachOf(drafts, i) === undefined ? [nameOf(i)] : []));
  const source = sources[sourceOf % Math.max(sources.length, 1)];
  if (childInput === "all" || source === undefined) return childRun(workflowName);
  const pointer = childInput === "output" ? "" : "/list";
  const value = init(OutputSourceSchema, { action: source, pointer });
  return childRun(workflowName, { input: { case: "outputOf", value } });
}

function actionOf(drafts: readonly Draft[], index: number, childWorkflow: string): ActionDefinition {
  const from = drafts[index] as Draft;
  const forEach = forEachOf(drafts, index);
  const { tolerate, basisPoints } = from;
  const limit = tolerate === undefined || forEach === undefined ? undefined : tolerate;
  const wait = forEach === undefined ? waitOf(from) : undefined;
  const child = childOf(drafts, index, childWorkflow);
  if (child !== undefined) child.checkInput = from.jitterMilli > 0;
  const isWorked = wait === undefined && child === undefined;
  const batch = isWorked ? batchOf(from, forEach !== undefined) : undefined;
  if (batch !== undefined && forEach !== undefined) forEach.window = 0;
  return action(nameOf(index), {
    after: drafts.slice(0, index).flatMap((_, i) => (((from.after >> i) & 1) === 1 ? [nameOf(i)] : [])),
    forEach,
    wait,
    child,
    batch,
    breaker:
      isWorked && (batch === undefined || from.place % 2 === 0)
        ? breakerOf(from, forEach !== undefined && batch === undefined)
        : undefined,
    undo: from.undo && isWorked ? UNDO : undefined,
    recover: from.recover && isWorked && batch === undefined,
    timeouts: timeoutsOf(from, child !== undefined, isWorked),
    optional: from.optional,
    trigger: from.trigger,
    retry: retryPolicy({
      maxAttempts: from.maxAttempts,
      initialBackoffMs: 10,
      maxBackoffMs: 100,
      jitterMilli: from.jitterMilli,
      retryOn: from.policy === "only-validation" ? [FailureMode.VALIDATION] : [],
      neverOn: from.policy === "never-network" ? [FailureMode.NETWORK] : [],
    }),
    tolerate:
      limit === undefined
        ? undefined
        : basisPoints
          ? tolerateBasisPoints(limit * 2500)
          : tolerateCount(limit),
  });
}

/**
 * The actions stand in any order, so that an action's index says nothing of its level. Some are runs of `childWorkflow`, where that
 * is named.
 */
export function arbitraryDefinition(name: string, childWorkflow = ""): fc.Arbitrary<WorkflowDefinition> {
  const recovery = fc.option(
    fc.record({
      auto: fc.boolean(),
      maxAttempts: fc.integer({ min: 1, max: 3 }),
      deadLetter: fc.boolean(),
    }),
    { nil: undefined },
  );
  return fc
    .tuple(fc.array(draft, { minLength: 1, maxLength: ACTIONS_MAX }), recovery, arbitraryGuardrails)
    .map(([drafts, policy, guardrails]) => {
      const actions = drafts.map((from, index) => ({
        place: from.place,
        made: actionOf(drafts, index, childWorkflow),
      }));
      return workflow(
        name,
        actions.sort((a, b) => a.place - b.place).map(({ made }) => made),
        {
          guardrails,
          // Only a child that is begun by a careful parent is held against it, by the owner.
          inputSchema: (drafts[0]?.place ?? 0) % 2 === 0 ? "" : "true",
          recovery:
            policy &&
            init(RecoveryPolicySchema, {
              ...policy,
              backoff: retryPolicy({ initialBackoffMs: 20, maxBackoffMs: 60 }),
            }),
        },
      );
    });
}
