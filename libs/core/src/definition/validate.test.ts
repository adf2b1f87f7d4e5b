import {
  BatchSchema,
  BreakerSchema,
  FailureMode,
  OutputSourceSchema,
  TimeoutsSchema,
  TriggerRule,
  WaitSchema,
  type WorkflowDefinition,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryDefinition } from "../testing/arbitrary-definition.js";
import {
  action,
  BATCH,
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
} from "../testing/build.js";
import { hashDefinition } from "./hash.js";
import { planOf } from "./plan.js";
import { definitionProblems } from "./validate.js";

const chain = (count: number): WorkflowDefinition =>
  workflow(
    "w",
    Array.from({ length: count }, (_, i) => action(`a${i}`, { after: i === 0 ? [] : [`a${i - 1}`] })),
  );

describe("a definition is refused with what is wrong with it", () => {
  const cases: readonly [string, WorkflowDefinition, RegExp][] = [
    ["no actions", workflow("w", []), /at least one action/],
    ["a bad name", workflow("w*", [action("a")]), /workflow name "w\*" is not valid/],
    ["an empty name", workflow("", [action("a")]), /workflow name "" \(empty\)/],
    ["a bad action name", workflow("w", [action("a.b")]), /action name "a\.b"/],
    [
      "a wait that can be undone",
      workflow("w", [
        action("a", { undo: UNDO, wait: init(WaitSchema, { for: { case: "sleepMs", value: 5n } }) }),
      ]),
      /"a" only waits: there is nothing to undo/,
    ],
    ["a bad queue", workflow("w", [action("a", { queue: ">" })]), /queue name ">"/],
    ["a bad default queue", workflow("w", [action("a")], { queue: ".." }), /queue name "\.\."/],
    ["two actions of a name", workflow("w", [action("a"), action("a")]), /two actions are named "a"/],
    [
      "a dangling upstream",
      workflow("w", [action("a", { after: ["b"] })]),
      /"a" waits for "b", which the workflow does not have/,
    ],
    ["itself", workflow("w", [action("a", { after: ["a"] })]), /"a" waits for itself/],
    [
      "a circle",
      workflow("w", [
        action("a", { after: ["c"] }),
        action("b", { after: ["a"] }),
        action("c", { after: ["b"] }),
      ]),
      /in a circle: a → c → b → a/,
    ],
    [
      "a circle through items",
      workflow("w", [action("a", { forEach: overItemsOf("b") }), action("b", { forEach: overItemsOf("a") })]),
      /in a circle/,
    ],
    [
      "a bad pointer",
      workflow("w", [action("a", { forEach: overInput("rows") })]),
      /"rows" is no JSON pointer/,
    ],
    ["a bad escape", workflow("w", [action("a", { forEach: overInput("/a~2") })]), /is no JSON pointer/],
    [
      "a bad pointer into an output",
      workflow("w", [action("a"), action("b", { forEach: overOutputOf("a", "x") })]),
      /"x" is no JSON pointer/,
    ],
    [
      "a bad pointer to lines",
      workflow("w", [action("a", { forEach: overLines("file") })]),
      /"file" is no JSON pointer/,
    ],
    [
      "lines of an action that is not there",
      workflow("w", [action("a", { forEach: overLinesOf("b", "/file") })]),
      /"a" waits for "b", which the workflow does not have/,
    ],
    [
      "lines of what has items",
      workflow("w", [action("a", { forEach: overInput() }), action("b", { forEach: overLinesOf("a") })]),
      /"a", which is over items: take its items/,
    ],
    [
      "items of what has none",
      workflow("w", [action("a"), action("b", { forEach: overItemsOf("a") })]),
      /"a", which is not over items: take its output/,
    ],
    [
      "the output of what has items",
      workflow("w", [action("a", { forEach: overInput() }), action("b", { forEach: overOutputOf("a") })]),
      /"a", which is over items: take its items/,
    ],
    ["a child of no name", workflow("w", [action("a", { child: childRun("w*") })]), /workflow name "w\*"/],
    [
      "a child pinned to nonsense",
      workflow("w", [action("a", { child: childRun("c", { definitionHash: "latest" }) })]),
      /"latest" is no definition's hash/,
    ],
    [
      "a child over items",
      workflow("w", [action("a", { child: childRun("c"), forEach: overInput() })]),
      /it can be one of them only/,
    ],
    [
      "a wait that is a batch",
      workflow("w", [
        action("a", { wait: init(WaitSchema, { for: { case: "sleepMs", value: 5n } }), batch: BATCH }),
      ]),
      /waits and is an external batch: it can be one of them only/,
    ],
    [
      "a batch for ever and a day",
      workflow("w", [action("a", { batch: { ...BATCH, timeoutMs: 10n ** 15n } })]),
      /gives its jobs 1000000000000000 ms in all: at most/,
    ],
    [
      "a job of too many items",
      workflow("w", [action("a", { forEach: overInput(), batch: { ...BATCH, itemsAJob: 100_001 } })]),
      /100001 items a job are not possible: at most 100000/,
    ],
    [
      "a whole job that takes items",
      workflow("w", [action("a", { batch: { ...BATCH, itemsAJob: 3 } })]),
      /says how many items a job has, but is not over items/,
    ],
    [
      "a batch with a window",
      workflow("w", [action("a", { forEach: overInput("", 4), batch: BATCH })]),
      /it has no window; say how many items a job has/,
    ],
    [
      "a batch that is checked ever faster",
      workflow("w", [action("a", { batch: { ...BATCH, poll: retryPolicy({ factorMilli: 500 }) } })]),
      /a backoff factor below 1 is not allowed/,
    ],
    [
      "a child that is a batch",
      workflow("w", [action("a", { child: childRun("c"), batch: init(BatchSchema) })]),
      /it can be one of them only/,
    ],
    [
      "a wait with a breaker",
      workflow("w", [
        action("a", {
          wait: init(WaitSchema, { for: { case: "sleepMs", value: 5n } }),
          breaker: init(BreakerSchema),
        }),
      ]),
      /"a" waits or is a child run: it makes no attempts that a breaker could hold/,
    ],
    [
      "a child with a breaker",
      workflow("w", [action("a", { child: childRun("c"), breaker: init(BreakerSchema) })]),
      /"a" waits or is a child run: it makes no attempts that a breaker could hold/,
    ],
    [
      "a batch with a breaker of nonsense",
      workflow("w", [action("a", { batch: BATCH, breaker: init(BreakerSchema, { factorMilli: 500 }) })]),
      /"a": breaker.factor_milli is below 1000/,
    ],
    [
      "a child with a heartbeat",
      workflow("w", [
        action("a", { child: childRun("c"), timeouts: init(TimeoutsSchema, { heartbeatMs: 5 }) }),
      ]),
      /no worker takes as a whole.*start-to-close can be declared here/,
    ],
    [
      "a child that is to be begun soon",
      workflow("w", [
        action("a", { child: childRun("c"), timeouts: init(TimeoutsSchema, { scheduleToStartMs: 5 }) }),
      ]),
      /no worker takes as a whole/,
    ],
    [
      "a child with steps",
      workflow("w", [action("a", { child: childRun("c"), steps: ["one"] })]),
      /steps are its own workflow's to declare/,
    ],
    [
      "a child with an undo",
      workflow("w", [action("a", { child: childRun("c"), undo: UNDO })]),
      /is a child run: it has no handler that could undo it/,
    ],
    [
      "a child's bad pointer",
      workflow("w", [
        action("a", { child: childRun("c", { input: { case: "inputPointer", value: "rows" } }) }),
      ]),
      /"rows" is no JSON pointer/,
    ],
    [
      "a child of the output of items",
      workflow("w", [
        action("a", { forEach: overInput() }),
        action("b", {
          child: childRun("c", {
            input: { case: "outputOf", value: init(OutputSourceSchema, { action: "a" }) },
          }),
        }),
      ]),
      /put an action between them/,
    ],
    [
      "a child of its own output",
      workflow("w", [
        action("a", {
          child: childRun("c", {
            input: { case: "outputOf", value: init(OutputSourceSchema, { action: "a" }) },
          }),
        }),
      ]),
      /"a" waits for itself/,
    ],
    [
      "a huge window",
      workflow("w", [action("a", { forEach: overInput("", 16_385) })]),
      /window of 16385 is too large/,
    ],
    [
      "tolerance without items",
      workflow("w", [action("a", { tolerate: tolerateCount(1) })]),
      /is not over items/,
    ],
    [
      "more than all",
      workflow("w", [action("a", { forEach: overInput(), tolerate: tolerateBasisPoints(10_001) })]),
      /more than 100 %/,
    ],
    [
      "a shrinking backoff",
      workflow("w", [action("a", { retry: retryPolicy({ factorMilli: 999 }) })]),
      /factor below 1/,
    ],
    [
      "too much jitter",
      workflow("w", [action("a", { retry: retryPolicy({ jitterMilli: 1001 }) })]),
      /jitter is at most 1/,
    ],
    [
      "endless attempts",
      workflow("w", [action("a", { retry: retryPolicy({ maxAttempts: 1_000_001 }) })]),
      /at most 1000000 attempts/,
    ],
    [
      "an unknown mode",
      workflow("w", [action("a", { retry: retryPolicy({ retryOn: [99] }) })]),
      /no failure mode 99/,
    ],
    ["an unknown trigger", workflow("w", [action("a", { trigger: 9 as TriggerRule })]), /no trigger rule 9/],
    [
      "half a millisecond",
      workflow("w", [action("a", { timeouts: init(TimeoutsSchema, { startToCloseMs: 0.5 }) })]),
      /start_to_close_ms is 0\.5/,
    ],
    [
      "negative numbers",
      workflow("w", [action("a", { retry: retryPolicy({ maxAttempts: -1 }) })]),
      /max_attempts is -1/,
    ],
    ["no numbers", workflow("w", [action("a", { forEach: overInput("", Number.NaN) })]), /window is NaN/],
    ["257 actions", chain(257), /257 actions are too many/],
    ["a schema that is no JSON", workflow("w", [action("a")], { inputSchema: "{" }), /not JSON/],
    ["a schema that is a list", workflow("w", [action("a")], { inputSchema: "[]" }), /not a JSON Schema/],
    [
      "a huge definition",
      workflow("w", [action("a")], { inputSchema: JSON.stringify({ title: "x".repeat(256 * 1024) }) }),
      /bytes: at most 262144/,
    ],
  ];
  test.each(cases)("%s", (_, definition, problem) => {
    expect(definitionProblems(definition).join("; ")).toMatch(problem);
  });

  test("what it says is bounded, whatever it is given", () => {
    const many = workflow(
      "w",
      Array.from({ length: 200 }, (_, i) => action(`a${i}`, { after: ["x".repeat(1000)] })),
    );
    const problems = definitionProblems(many);
    expect(problems.length).toBe(20);
    expect(Math.max(...problems.map((problem) => problem.length))).toBeLessThan(300);
  });
});

test("right definitions have no problems, and their plans agree with them", () => {
  fc.assert(
    fc.property(arbitraryDefinition("w", "child"), (definition) => {
      expect(definitionProblems(definition)).toEqual([]);
      const plan = planOf(definition);
      expect([...plan.order].sort((a, b) => a - b)).toEqual(definition.actions.map((_, i) => i));
      for (const { index, upstream, level, ancestors } of plan.actions) {
        for (const i of upstream) {
          expect(plan.order.indexOf(i)).toBeLessThan(plan.order.indexOf(index));
          expect(ancestors).toContain(i);
          for (const further of plan.actions[i]?.ancestors ?? []) expect(ancestors).toContain(further);
        }
        const levels = upstream.map((i) => plan.actions[i]?.level ?? 0);
        expect(level).toBe(levels.length === 0 ? 0 : Math.max(...levels) + 1);
      }
    }),
    { numRuns: 200 },
  );
});

test("the edges of what is allowed are allowed", () => {
  expect(definitionProblems(chain(256))).toEqual([]);
  expect(definitionProblems(workflow("w".repeat(64), [action("A-z_0")]))).toEqual([]);
  expect(
    definitionProblems(workflow("w", [action("a", { forEach: overInput("/a~1b/~0/0", 16_384) })])),
  ).toEqual([]);
  expect(definitionProblems(workflow("w", [action("a")], { inputSchema: "true" }))).toEqual([]);
  const retry = retryPolicy({ neverOn: [FailureMode.TIMEOUT], jitterMilli: 1000 });
  expect(definitionProblems(workflow("w", [action("a", { retry })]))).toEqual([]);
});

describe("a definition's hash", () => {
  test("does not depend on how it travelled", () => {
    fc.assert(
      fc.property(arbitraryDefinition("w", "child"), (definition) => {
        const travelled = decode(WorkflowDefinitionSchema, encode(WorkflowDefinitionSchema, definition));
        expect(hashDefinition(travelled)).toBe(hashDefinition(definition));
      }),
      { numRuns: 100 },
    );
  });
  test("does not depend on the order in which fields were set", () => {
    const one = workflow("w", [action("a", { queue: "q", optional: true })], { queue: "d" });
    const two = init(WorkflowDefinitionSchema, {
      queue: "d",
      actions: [action("a", { optional: true, queue: "q" })],
      name: "w",
    });
    expect(hashDefinition(two)).toBe(hashDefinition(one));
  });
  test("differs where anything in it differs", () => {
    const hashes = [
      workflow("w", [action("a")]),
      workflow("v", [action("a")]),
      workflow("w", [action("b")]),
      workflow("w", [action("a", { optional: true })]),
      workflow("w", [action("a"), action("b")]),
      workflow("w", [action("b"), action("a")]),
    ].map(hashDefinition);
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(hashes.every((hash) => /^[0-9a-f]{32}$/.test(hash))).toBe(true);
  });
});
