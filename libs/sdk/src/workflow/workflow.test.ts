/** How workflows are typed, and what they compile to. */
import { TriggerRule } from "@holdfast/proto";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { ArtifactReference } from "@holdfast/core";
import { describe, expect, expectTypeOf, it } from "vitest";
import { HoldfastError } from "../errors.js";
import { parseInput, typed } from "./schema.js";
import { type WorkflowInput, type WorkflowOutput, workflow } from "./workflow.js";

interface Row {
  id: string;
  amount: number;
}

const orders = typed<{ batch: { rows: Row[] }; day: string; tags: string[] }>();

const caught = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe("types", () => {
  it("follow the input and the actions that one depends on", () => {
    const flow = workflow("orders", { input: orders })
      .action("load", ({ input }) => {
        expectTypeOf(input.day).toEqualTypeOf<string>();
        return { at: new Date(0), lines: [{ n: 1 }] };
      })
      .forEach("check", { items: "batch.rows", after: ["load"] }, ({ item, index, load }, ctx) => {
        expectTypeOf(item).toEqualTypeOf<Row>();
        expectTypeOf(index).toEqualTypeOf<number>();
        expectTypeOf(load.at).toEqualTypeOf<string>();
        return item.amount < 0 ? ctx.skip("negative") : item.amount;
      })
      .forEach("ship", { itemsOf: "check" }, ({ item }) => {
        expectTypeOf(item).toEqualTypeOf<number>();
        return { shipped: item };
      })
      .forEach("bill", { outputOf: { action: "load", path: "lines" } }, ({ item }) => {
        expectTypeOf(item).toEqualTypeOf<{ n: number }>();
      })
      .action("report", { after: ["ship", "bill", "load"], trigger: "all_done" }, ({ ship, bill, load }) => {
        expectTypeOf(ship).toEqualTypeOf<{ shipped: number }[] | undefined>();
        expectTypeOf(bill).toEqualTypeOf<null[] | undefined>();
        expectTypeOf(load?.lines).toEqualTypeOf<{ n: number }[] | undefined>();
        return "done" as const;
      });
    expectTypeOf<WorkflowOutput<typeof flow>>().toEqualTypeOf<"done">();
    expectTypeOf<WorkflowInput<typeof flow>>().toEqualTypeOf<{
      batch: { rows: Row[] };
      day: string;
      tags: string[];
    }>();
    expect(flow.definition.actions.map((action) => action.name)).toEqual([
      "load",
      "check",
      "ship",
      "bill",
      "report",
    ]);
  });

  it("allow only what is there", () => {
    const flow = workflow("orders", { input: orders }).action("load", () => 1);
    // @ts-expect-error not an array of the input
    void (() => flow.forEach("a", { items: "day" }, () => 1));
    // @ts-expect-error no such action
    void (() => flow.action("a", { after: ["nope"] }, () => 1));
    // @ts-expect-error the name is taken
    void (() => flow.action("load", () => 1));
    // @ts-expect-error handlers get something else under this name
    void (() => flow.action("item", () => 1));
    // @ts-expect-error load is not over items
    void (() => flow.forEach("a", { itemsOf: "load" }, () => 1));
    // @ts-expect-error an upstream that is not declared
    void (() => flow.action("a", ({ load }) => load));
    expectTypeOf(flow.forEach("a", { items: "/tags" }, ({ item }) => item.length)).not.toBeNever();
  });
});

describe("a definition", () => {
  it("says what was declared", () => {
    const { definition } = workflow("orders", {
      input: orders,
      queue: "q",
      retention: { completed: "1h", failed: "30d", deadLetters: "90d" },
      recovery: { auto: false, deadLetter: true },
    })
      .action(
        "load",
        { startToClose: "5m", queue: "slow", optional: true, failureMessage: "no {day}" },
        () => 1,
      )
      .forEach(
        "check",
        {
          items: "batch.rows",
          window: 10,
          tolerate: { percent: 12.5 },
          retry: {
            maxAttempts: 3,
            initialBackoff: "1s",
            factor: 1.5,
            maxBackoff: 9_000,
            jitter: 0,
            retryOn: ["NETWORK"],
          },
        },
        () => 1,
      )
      .forEach("ship", { itemsOf: "check", tolerate: { count: 2 } }, () => 1)
      .action("report", { after: ["ship"], trigger: "any_completed" }, () => 1);
    expect(definition).toMatchObject({
      name: "orders",
      queue: "q",
      retention: {
        completedRetentionS: 3_600,
        failedRetentionS: 30 * 86_400,
        deadLetterRetentionS: 90 * 86_400,
      },
      recovery: { auto: false, deadLetter: true },
    });
    const [load, check, ship, report] = definition.actions;
    expect(load).toMatchObject({
      queue: "slow",
      optional: true,
      failureMessage: "no {day}",
      timeouts: { startToCloseMs: 300_000 },
    });
    expect(check).toMatchObject({
      forEach: { source: { case: "inputPointer", value: "/batch/rows" }, window: 10 },
      tolerate: { limit: { case: "basisPoints", value: 1_250 } },
      retry: {
        maxAttempts: 3,
        initialBackoffMs: 1_000,
        factorMilli: 1_500,
        maxBackoffMs: 9_000,
        jitterMilli: 0,
        retryOn: [2],
      },
    });
    expect(ship).toMatchObject({
      forEach: { source: { case: "itemsOf", value: "check" } },
      tolerate: { limit: { value: 2 } },
    });
    expect(report).toMatchObject({ after: ["ship"], trigger: TriggerRule.ANY_COMPLETED });
  });

  it("is over items wherever a batch's items come from", () => {
    const jobs = { submit: () => 1, check: () => ({ done: true as const }) };
    const base = workflow("w", { input: typed<{ file: ArtifactReference; rows: number[] }>() })
      .action("list", () => [1])
      .forEach("each", { items: "rows" }, () => 1);
    for (const source of [
      { items: "rows" },
      { itemsOf: "each" },
      { outputOf: { action: "list" } },
      { lines: "file" },
      { linesOf: { action: "list" } },
    ])
      expect(base.batch("load", source as never, jobs).definition.actions.at(-1)?.forEach).toBeDefined();
    expect(base.batch("load", {}, jobs).definition.actions.at(-1)?.forEach).toBeUndefined();
  });

  it("has the hash of its content, whatever its handlers do", () => {
    const a = workflow("orders").action("load", () => 1);
    const b = workflow("orders").action("load", () => 2);
    expect(a.hash).toBe(b.hash);
    expect(a.action("more", () => 1).hash).not.toBe(a.hash);
    expect(a.definition.actions).toHaveLength(1);
  });

  it.each([
    ["a bad name", () => workflow("a.b").action("x", () => 1)],
    ["no actions", () => workflow("empty")],
    [
      "a window of 0",
      () => workflow("w", { input: orders }).forEach("x", { items: "tags", window: 0 }, () => 1),
    ],
    [
      "more than 100 %",
      () =>
        workflow("w", { input: orders }).forEach("x", { items: "tags", tolerate: { percent: 101 } }, () => 1),
    ],
    ["a factor below 1", () => workflow("w").action("x", { retry: { factor: 0.5 } }, () => 1)],
    ["no attempts", () => workflow("w").action("x", { retry: { maxAttempts: 0 } }, () => 1)],
    ["a bad duration", () => workflow("w").action("x", { startToClose: "5 minutes" as "5m" }, () => 1)],
    ["no time at all", () => workflow("w").action("x", { startToClose: 0 }, () => 1)],
  ])("with %s is refused", (_what, make) => {
    const error = caught(() => make().definition);
    expect(error).toBeInstanceOf(HoldfastError);
    expect(["INVALID_DEFINITION", "INVALID_ARGUMENT"]).toContain((error as HoldfastError).code);
  });

  it("is refused for reserved names and missing handlers too", () => {
    const loose = workflow("w") as unknown as {
      action(name: string, handler?: unknown): { readonly hash: string };
    };
    expect(caught(() => loose.action("index", () => 1).hash)).toMatchObject({ code: "INVALID_DEFINITION" });
    expect(caught(() => loose.action("x"))).toMatchObject({ code: "INVALID_DEFINITION" });
  });
});

describe("an input schema", () => {
  const library = (over: object = {}): StandardSchemaV1<{ n: number }, { n: number; twice: number }> => ({
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => {
        const { n } = value as { n: unknown };
        return typeof n === "number"
          ? { value: { n, twice: n * 2 } }
          : { issues: [{ message: "Required", path: ["n"] }] };
      },
      ...over,
    },
  });

  it("types what starts take and what handlers get", () => {
    const flow = workflow("w", { input: library() }).action("x", ({ input }) => input.twice);
    expectTypeOf<WorkflowInput<typeof flow>>().toEqualTypeOf<{ n: number }>();
    expect(flow.definition.inputSchema).toBe("");
    expect(parseInput(flow.input.standard, { n: 2 })).toEqual({ value: { n: 2, twice: 4 } });
    expect(parseInput(flow.input.standard, {})).toEqual({ issues: [{ path: "$.n", message: "Required" }] });
  });

  it("goes into the definition where the library offers it", () => {
    const jsonSchema = { input: ({ target }: { target: string }) => ({ type: "object", $comment: target }) };
    const offered = workflow("w", { input: library({ jsonSchema }) }).action("x", () => 1);
    expect(JSON.parse(offered.definition.inputSchema)).toEqual({ type: "object", $comment: "draft-2020-12" });
    const own = { ...library(), toJSONSchema: () => ({ type: "object" }) };
    expect(workflow("w", { input: own }).action("x", () => 1).definition.inputSchema).toBe(
      '{"type":"object"}',
    );
    const beside = workflow("w", { input: { schema: library(), jsonSchema: true } }).action(
      "x",
      ({ input }) => input.twice,
    );
    expect(beside.definition.inputSchema).toBe("true");
    const throws = {
      ...library(),
      toJSONSchema: () => {
        throw new Error("can't");
      },
    };
    expect(workflow("w", { input: throws }).action("x", () => 1).definition.inputSchema).toBe("");
  });
});
