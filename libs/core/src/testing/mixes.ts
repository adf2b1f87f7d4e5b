/**
 * What properties of the fold draw: for each, the definitions and the moves, by a name. The same draws are what the equivalence net
 * (`equivalence/`) records, so that whatever a property can meet is held against what the fold did before.
 */
import {
  ActionDefinitionSchema,
  type Breaker,
  BreakerSchema,
  RecoveryPolicySchema,
  RetryPolicySchema,
  UndoSchema,
  BatchSchema,
  type WorkflowDefinition,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { action, batch, define, ONE_ATTEMPT, overInput, retryPolicy, UNDO, workflow } from "./build.js";
import {
  arbitraryDefinitions,
  arbitraryMove,
  breakerMove,
  bulkMoves,
  deadLetterMoves,
  endingMove,
  type Move,
  scheduleMoves,
} from "./moves.js";
import { TestPartition } from "./partition.js";

type Definitions = readonly WorkflowDefinition[];

export interface Mix {
  readonly definitions: fc.Arbitrary<Definitions>;
  readonly moves: fc.Arbitrary<Move[]>;
  /** Runs that are begun from outside; absent: the usual ones. */
  readonly runs?: readonly string[];
}

/** One that owns itself and knows the definitions. */
export function partitionWith(definitions: Definitions): TestPartition {
  const partition = new TestPartition();
  partition.announce();
  partition.append(batch(definitions.map((definition) => define(definition))));
  return partition;
}

const move = (kind: Move["kind"], pick = 0, how = 0): Move => ({ kind, pick, how, joined: false });
/** Of so many, after those that any sequence begins with. */
const sequence = (
  drawn: fc.Arbitrary<Move>,
  [minLength, maxLength]: readonly [number, number],
  first: readonly Move[],
  last: readonly Move[] = [],
): fc.Arbitrary<Move[]> =>
  fc
    .array(drawn, { minLength, maxLength, size: "max" })
    .map((moves): Move[] => [...first, ...moves, ...last]);
const runsUpTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `r${i}`);

export const ANYTHING: Mix = {
  definitions: arbitraryDefinitions,
  moves: sequence(arbitraryMove, [1, 50], [move("start")]),
};

/** Nothing waits for signals or people, and all that has a handler can be undone. */
export const UNDOING: Mix = {
  definitions: arbitraryDefinitions.map((drawn) =>
    drawn.map((definition) =>
      init(WorkflowDefinitionSchema, {
        ...definition,
        actions: definition.actions.map((drawnAction) =>
          init(ActionDefinitionSchema, {
            ...drawnAction,
            wait: undefined,
            undo: drawnAction.child === undefined ? UNDO : undefined,
          }),
        ),
      }),
    ),
  ),
  moves: sequence(endingMove, [10, 80], [move("start")]),
};

const policy = fc.record({
  minSamples: fc.integer({ min: 1, max: 4 }),
  probes: fc.constantFrom(1, 1, 1, 2),
  openForMs: fc.constantFrom(5, 20, 60),
  onOpen: fc.constantFrom(0, 0, 0, 1, 2),
  key: fc.constantFrom("", "", "/rows/0"),
});

const kinds = fc.constantFrom(...(["inline", "inline", "job", "jobs", "hasty jobs"] as const));

/** The jobs of an external batch action are checked soon. */
const jobs = (kind: string, itemsAJob: number) =>
  init(BatchSchema, {
    poll: retryPolicy({ initialBackoffMs: 5, maxBackoffMs: 20 }),
    itemsAJob,
    timeoutMs: kind === "hasty jobs" ? 120n : 0n,
    cancellable: true,
  });

/** `byItem`: the action over items takes the key from the item. */
const drawnPolicies = fc.tuple(policy, policy, fc.integer({ min: 1, max: 4 }), kinds, fc.boolean());

export const BREAKERS: Mix = {
  definitions: drawnPolicies.map(([own, over, window, kind, byItem]) => {
    const breaker = (fields: Init<Breaker>) =>
      init(BreakerSchema, { ...fields, failureRateBp: 3_000, windowMs: 1_000, maxOpenForMs: 80 });
    const retry = retryPolicy({ maxAttempts: 3, initialBackoffMs: 5, maxBackoffMs: 20 });
    const isOver = kind.endsWith("jobs");
    // A job takes items of many keys.
    const ofItems = breaker(byItem && !isOver ? { ...over, key: "", itemKey: "/host" } : over);
    return ["first", "second"].map((name) =>
      workflow(name, [
        action("a0", {
          breaker: breaker(own),
          batch: kind === "job" ? jobs(kind, 0) : undefined,
          retry,
        }),
        action("a1", {
          breaker: ofItems,
          forEach: overInput("/rows", isOver ? 0 : window),
          batch: isOver ? jobs(kind, window) : undefined,
          retry,
        }),
      ]),
    );
  }),
  moves: sequence(breakerMove, [20, 120], [move("start"), move("start", 1), move("load")]),
  // Enough to be held in more than one wave.
  runs: runsUpTo(12),
};

export const BULK: Mix = {
  definitions: arbitraryDefinitions,
  moves: sequence(bulkMoves, [20, 100], [move("start"), move("start", 1)]),
  runs: runsUpTo(8),
};

export const DEAD_LETTERS: Mix = {
  definitions: arbitraryDefinitions,
  // In the end a month goes by, and all is swept that may go then.
  moves: sequence(
    deadLetterMoves,
    [20, 80],
    [move("start")],
    [2, 3, 4, 5].map((pick) => move("prune", pick, 5)),
  ),
};

/** Runs that end soon, are retried, recovered, or undone. */
export const SCHEDULES: Mix = {
  definitions: fc.record({ recovers: fc.boolean(), undoes: fc.boolean() }).map(({ recovers, undoes }) => [
    workflow(
      "first",
      [
        action("a0", { retry: ONE_ATTEMPT, ...(undoes ? { undo: init(UndoSchema) } : {}) }),
        action("a1", { after: ["a0"], retry: ONE_ATTEMPT }),
      ],
      recovers
        ? {
            recovery: init(RecoveryPolicySchema, {
              auto: true,
              maxAttempts: 2,
              backoff: init(RetryPolicySchema, { initialBackoffMs: 5 }),
            }),
          }
        : {},
    ),
    workflow("second", [action("a0", { forEach: overInput("/rows", 2), retry: ONE_ATTEMPT })]),
  ]),
  moves: sequence(scheduleMoves, [20, 120], [move("schedule"), move("plan", 0, 3), move("instant")]),
};
