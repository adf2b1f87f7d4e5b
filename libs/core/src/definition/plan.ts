/**
 * A definition made ready to run: indices in place of names, policies with their defaults, levels and order. Derived, never stored.
 *
 * 1. `order` is topological, ties by the definition's own order; an action's level is 1 + its highest upstream level (0 without).
 * 2. The plan of a definition never changes; it is made once for each definition object.
 */
import type { ActionDefinition, ForEach, Guardrails, Tolerate, WorkflowDefinition } from "@holdfast/proto";
import { RECOVERIES_DEFAULT, RECOVERIES_MAX, START_TO_CLOSE_DEFAULT_MS, WINDOW_DEFAULT } from "../limits.js";
import { type ResolvedBatch, resolveBatch } from "../policy/batch.js";
import { type ResolvedBreaker, resolveBreaker } from "../policy/breaker.js";
import { DEFAULT_RETRY, type ResolvedRetry, resolveRetry } from "../policy/retry.js";
import { outputSourceOf, upstreamOf } from "./validate.js";

export const DEFAULT_QUEUE = "default";

export interface ActionPlan {
  readonly index: number;
  readonly name: string;
  readonly definition: ActionDefinition;
  readonly upstream: readonly number[];
  readonly dependants: readonly number[];
  /** All upstream actions, theirs included, and so on. */
  readonly ancestors: readonly number[];
  readonly level: number;
  readonly queue: string;
  readonly retry: ResolvedRetry;
  readonly startToCloseMs: number;
  /** 0: a worker may have an attempt as late as it likes. */
  readonly scheduleToStartMs: number;
  /** 0: its handler need not say that it goes on. */
  readonly heartbeatMs: number;
  readonly tolerate: Tolerate["limit"];
  readonly forEach: ForEach | undefined;
  /** The action in whose output this one's items, or its child's input, stand. */
  readonly outputOf: number | undefined;
  /** The action whose successes are this one's items. */
  readonly perItemOf: number | undefined;
  readonly window: number;
  /** It is an external batch action. */
  readonly batch: ResolvedBatch | undefined;
  /** Attempts ask it first. */
  readonly breaker: ResolvedBreaker | undefined;
}

export interface DefinitionPlan {
  readonly definition: WorkflowDefinition;
  readonly actions: readonly ActionPlan[];
  readonly order: readonly number[];
  /** The actions that can be undone, in the order in which they are: last things first. */
  readonly undoOrder: readonly number[];
  readonly levels: readonly (readonly number[])[];
  /** The one action that nothing waits for, where there is exactly one: its output is the run's. */
  readonly leaf: number | undefined;
  readonly recovery: ResolvedRecovery;
  /** Undefined: nothing of a run is limited. */
  readonly guardrails: ResolvedGuardrails | undefined;
  readonly byName: ReadonlyMap<string, number>;
}

/** How a failed run is recovered without a person. */
export interface ResolvedRecovery {
  readonly auto: boolean;
  readonly maxAttempts: number;
  readonly backoff: ResolvedRetry;
  /** What fails and is not recovered by itself (any more) goes to the dead-letter set. */
  readonly deadLetter: boolean;
}

/** 0: no limit. */
export interface ResolvedGuardrails {
  readonly maxDurationMs: bigint;
  readonly maxSteps: number;
  readonly budgets: readonly { readonly name: string; readonly limitMicro: bigint }[];
}

const ONCE: ResolvedRetry = { ...DEFAULT_RETRY, maxAttempts: 1 };

const plans = new WeakMap<WorkflowDefinition, DefinitionPlan>();

/** The plan of a definition without problems (`definitionProblems` is empty). */
export function planOf(definition: WorkflowDefinition): DefinitionPlan {
  let plan = plans.get(definition);
  if (plan === undefined) {
    plan = makePlan(definition);
    plans.set(definition, plan);
  }
  return plan;
}

function makePlan(definition: WorkflowDefinition): DefinitionPlan {
  const byName = new Map(definition.actions.map((action, index) => [action.name, index]));
  const upstream = definition.actions.map((action) =>
    upstreamOf(action)
      .map((name) => byName.get(name) as number)
      .sort((a, b) => a - b),
  );
  const order: number[] = [];
  const levels: number[][] = [];
  const levelOf = new Map<number, number>();
  const ancestors: Set<number>[] = definition.actions.map(() => new Set());
  while (order.length < upstream.length) {
    const ready = upstream.flatMap((needs, i) =>
      !levelOf.has(i) && needs.every((n) => levelOf.has(n)) ? [i] : [],
    );
    if (ready.length === 0)
      throw new Error(`definition ${definition.name} has a cycle: it was not validated`);
    for (const i of ready) {
      for (const n of upstream[i] as number[]) {
        (ancestors[i] as Set<number>).add(n);
        for (const a of ancestors[n] as Set<number>) (ancestors[i] as Set<number>).add(a);
      }
    }
    for (const i of ready) levelOf.set(i, levels.length);
    order.push(...ready);
    levels.push(ready);
  }
  const dependants = upstream.map((_, i) => upstream.flatMap((needs, j) => (needs.includes(i) ? [j] : [])));
  const leaves = order.filter((i) => dependants[i]?.length === 0);
  const actions = definition.actions.map((action, index): ActionPlan => {
    const source = action.forEach?.source;
    const batch = resolveBatch(action);
    const output = outputSourceOf(action);
    return {
      index,
      name: action.name,
      definition: action,
      upstream: upstream[index] as number[],
      dependants: dependants[index] as number[],
      ancestors: [...(ancestors[index] as Set<number>)].sort((a, b) => a - b),
      level: levelOf.get(index) as number,
      queue: action.queue || definition.queue || DEFAULT_QUEUE,
      // A child has retries and recoveries of its own: it is asked again only where that is said.
      retry: action.retry === undefined && action.child !== undefined ? ONCE : resolveRetry(action.retry),
      // A child has time-outs of its own, and may last: it has a limit only where that is said.
      startToCloseMs:
        action.timeouts?.startToCloseMs || (action.child === undefined ? START_TO_CLOSE_DEFAULT_MS : 0),
      scheduleToStartMs: action.timeouts?.scheduleToStartMs ?? 0,
      heartbeatMs: action.timeouts?.heartbeatMs ?? 0,
      tolerate: action.tolerate?.limit ?? { case: undefined },
      forEach: action.forEach,
      outputOf: output === undefined ? undefined : byName.get(output.action),
      perItemOf: source?.case === "itemsOf" ? byName.get(source.value) : undefined,
      window: batch?.itemsAJob ?? (action.forEach?.window || WINDOW_DEFAULT),
      batch,
      breaker: resolveBreaker(action.breaker),
    };
  });
  return {
    definition,
    actions,
    order,
    undoOrder: order.filter((index) => definition.actions[index]?.undo !== undefined).toReversed(),
    levels,
    leaf: leaves.length === 1 ? leaves[0] : undefined,
    recovery: {
      auto: definition.recovery?.auto ?? false,
      maxAttempts: Math.min(definition.recovery?.maxAttempts || RECOVERIES_DEFAULT, RECOVERIES_MAX),
      backoff: resolveRetry(definition.recovery?.backoff),
      deadLetter: definition.recovery?.deadLetter ?? false,
    },
    guardrails: resolveGuardrails(definition.guardrails),
    byName,
  };
}

function resolveGuardrails(given: Guardrails | undefined): ResolvedGuardrails | undefined {
  if (given === undefined) return undefined;
  const { maxDurationMs, maxSteps, budgets } = given;
  if (maxDurationMs === 0n && maxSteps === 0 && budgets.length === 0) return undefined;
  return { maxDurationMs, maxSteps, budgets };
}
