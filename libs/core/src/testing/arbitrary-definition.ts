/** Any workflow of 1 to 6 actions: graphs, items from everywhere, tolerances, triggers, retry policies, small windows, undos. */
import {
  type ActionDefinition,
  type ApprovalTimeout,
  ApprovalWaitSchema,
  FailureMode,
  type ForEach,
  RecoveryPolicySchema,
  SignalWaitSchema,
  TriggerRule,
  type Wait,
  WaitSchema,
  type WorkflowDefinition,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import {
  action,
  overInput,
  overItemsOf,
  overOutputOf,
  retryPolicy,
  tolerateBasisPoints,
  tolerateCount,
  UNDO,
  workflow,
} from "./build.js";

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
  readonly wait: "none" | "sleep" | "signal" | "patient-signal" | "approval";
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
  undo: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  wait: fc.constantFrom(
    "none" as const,
    "none" as const,
    "none" as const,
    "none" as const,
    "sleep" as const,
    "signal" as const,
    "patient-signal" as const,
    "approval" as const,
  ),
});

export const SIGNAL = "go";

function waitOf({ wait, maxAttempts }: Draft): Wait | undefined {
  if (wait === "none") return undefined;
  if (wait === "sleep") return init(WaitSchema, { for: { case: "sleepMs", value: 30n } });
  if (wait === "approval") {
    const onTimeout: ApprovalTimeout = maxAttempts - 1;
    const value = init(ApprovalWaitSchema, { prompt: "well?", timeoutMs: 100n, onTimeout });
    return init(WaitSchema, { for: { case: "approval", value } });
  }
  const value = init(SignalWaitSchema, { name: SIGNAL, timeoutMs: wait === "signal" ? 80n : 0n });
  return init(WaitSchema, { for: { case: "signal", value } });
}

const nameOf = (index: number): string => `a${index}`;

function forEachOf(drafts: readonly Draft[], index: number): ForEach | undefined {
  const { source, sourceOf, window } = drafts[index] as Draft;
  if (source === "none") return undefined;
  if (source === "input") return overInput("/rows", window);
  const candidates = drafts
    .slice(0, index)
    .flatMap((_, i) => ((forEachOf(drafts, i) !== undefined) === (source === "items") ? [nameOf(i)] : []));
  const chosen = candidates[sourceOf % Math.max(candidates.length, 1)];
  if (chosen === undefined) return overInput("", window);
  return source === "items" ? overItemsOf(chosen, window) : overOutputOf(chosen, "/list", window);
}

function actionOf(drafts: readonly Draft[], index: number): ActionDefinition {
  const from = drafts[index] as Draft;
  const forEach = forEachOf(drafts, index);
  const { tolerate, basisPoints } = from;
  const limit = tolerate === undefined || forEach === undefined ? undefined : tolerate;
  const wait = forEach === undefined ? waitOf(from) : undefined;
  return action(nameOf(index), {
    after: drafts.slice(0, index).flatMap((_, i) => (((from.after >> i) & 1) === 1 ? [nameOf(i)] : [])),
    forEach,
    wait,
    undo: from.undo && wait === undefined ? UNDO : undefined,
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

/** The actions stand in any order, so that an action's index says nothing of its level. */
export function arbitraryDefinition(name: string): fc.Arbitrary<WorkflowDefinition> {
  const recovery = fc.option(fc.record({ auto: fc.boolean(), maxAttempts: fc.integer({ min: 1, max: 3 }) }), {
    nil: undefined,
  });
  return fc
    .tuple(fc.array(draft, { minLength: 1, maxLength: ACTIONS_MAX }), recovery)
    .map(([drafts, policy]) => {
      const actions = drafts.map((from, index) => ({ place: from.place, made: actionOf(drafts, index) }));
      return workflow(
        name,
        actions.sort((a, b) => a.place - b.place).map(({ made }) => made),
        {
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
