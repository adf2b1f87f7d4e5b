/** Failure messages for people: bound wherever a failure comes from, and looked at where they are declared. */
import { ItemStatus } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ActionError, createWorker, type Holdfast, typed, type Worker, workflow } from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";
import type { AnyWorkflow } from "./workflow/workflow.js";

let cluster: TestCluster;
let holdfast: Holdfast;
let worker: Worker | undefined;

beforeEach(async () => {
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
});

afterEach(async () => {
  await worker?.stop();
  await cluster.close();
});

const once = { retry: { maxAttempts: 1 } } as const;
interface Input {
  readonly table: string;
  readonly user: { readonly name: string };
  readonly rows: readonly { readonly id: number }[];
}
const input: Input = { table: "films", user: { name: "Ann" }, rows: [{ id: 7 }] };
const fails = (): never => {
  throw new ActionError("VALIDATION", "raw");
};

async function shownOf(
  flow: AnyWorkflow,
  given: unknown = input,
): Promise<{ shown: string | undefined; raw: string | undefined }> {
  worker = await createWorker({ connection: holdfast, workflows: [flow], stopTimeout: 50 });
  const { view, runId } = await cluster.run(flow as never, given as never);
  const [action] = view.actions.filter(({ failure }) => failure !== undefined);
  if (action?.items === undefined) return { shown: action?.failure?.shown, raw: action?.failure?.message };
  const { items } = await holdfast.items(runId, { action: action.name, statuses: [ItemStatus.FAILED] });
  return { shown: items[0]?.failure?.shown, raw: items[0]?.failure?.message };
}

describe("a failure message", () => {
  const flow = workflow("load", { input: typed<Input>() });
  const failureMessage = "row {item.id} ({index}) of {table} for {user.name}, {input.table}";

  it("holds paths into the input, bare or not", async () => {
    const told = await shownOf(
      flow.action(
        "load",
        { ...once, failureMessage: "{table} of {user.name}, {input.table}, {nothing}" },
        fails,
      ),
    );
    expect(told).toEqual({ shown: "films of Ann, films, {nothing}", raw: "raw" });
  });

  it("holds the item, and the input within items", async () => {
    const told = await shownOf(flow.forEach("load", { items: "rows", ...once, failureMessage }, fails));
    expect(told).toEqual({ shown: "row 7 (0) of films for Ann, films", raw: "raw" });
  });

  it("holds upstream outputs", async () => {
    const told = await shownOf(
      flow
        .action("rates", () => ({ day: "Monday" }))
        .action("load", { after: ["rates"], ...once, failureMessage: "no {rates.day}" }, fails),
    );
    expect(told.shown).toBe("no Monday");
  });

  it("is bound for items of jobs, and for jobs", async () => {
    const jobs = {
      submit: () => 1,
      check: () => ({ done: true, results: [{ index: 0, error: new ActionError("VALIDATION", "raw") }] }),
    };
    const told = await shownOf(flow.batch("load", { items: "rows", ...once, failureMessage }, jobs));
    expect(told).toEqual({ shown: "row 7 (0) of films for Ann, films", raw: "raw" });
  });

  it("is bound for a job that is the whole action", async () => {
    const told = await shownOf(
      flow.batch("load", { ...once, failureMessage: "{table}" }, { submit: () => 1, check: fails }),
    );
    expect(told).toEqual({ shown: "films", raw: "raw" });
  });

  it("is bound where the handler takes too long", async () => {
    const slow = (): Promise<void> => new Promise(() => undefined);
    const told = await shownOf(
      flow.forEach("load", { items: "rows", ...once, startToClose: 20, failureMessage }, slow),
    );
    expect(told.shown).toBe("row 7 (0) of films for Ann, films");
    expect(told.raw).toContain("20 ms");
  });

  it("is bound where no worker is there in time, which the engine tells", async () => {
    const of = flow.action(
      "load",
      { ...once, scheduleToStart: 50, failureMessage: "{table} of {user.name}" },
      fails,
    );
    const each = workflow("each", { input: typed<Input>() }).forEach(
      "load",
      { items: "rows", ...once, scheduleToStart: 50, failureMessage },
      fails,
    );
    for (const [late, shown] of [
      [of, "films of Ann"],
      [each, "row 7 (0) of films for Ann, films"],
    ] as const) {
      await holdfast.register(late);
      const { view, runId } = await cluster.run(late, input);
      const { items } = late === of ? { items: [] } : await holdfast.items(runId, { action: "load" });
      expect((items[0]?.failure ?? view.actions[0]?.failure)?.shown).toBe(shown);
    }
  });

  it("of a step stands in the place of the action's", async () => {
    const told = await shownOf(
      flow.action("load", { ...once, failureMessage: "the action" }, (_, ctx) =>
        ctx.step("pay", { failureMessage: "{user.name} could not pay" }, fails),
      ),
    );
    expect(told).toEqual({ shown: "Ann could not pay", raw: 'in step "pay": raw' });
  });

  it("of another step does not", async () => {
    const told = await shownOf(
      flow.action("load", { ...once, failureMessage: "the action" }, async (_, ctx) => {
        await ctx.step("pay", { failureMessage: "no" }, fails).catch(() => undefined);
        return fails();
      }),
    );
    expect(told.shown).toBe("the action");
  });

  it.each(["", "  ", "\n"])("that is blank counts as none: %j", async (blank) => {
    const told = await shownOf(
      flow.action("load", { ...once, failureMessage: blank }, (_, ctx) =>
        ctx.step("pay", { failureMessage: blank }, fails),
      ),
    );
    expect(told).toEqual({ shown: "", raw: 'in step "pay": raw' });
  });

  it("takes what it holds for values, not for placeholders", async () => {
    const told = await shownOf(
      flow.forEach("load", { items: "rows", ...once, failureMessage: "{table}" }, fails),
      { ...input, table: "{user.name}" },
    );
    expect(told.shown).toBe("{user.name}");
  });

  it("is filled as far as it can be where the input does not fit", async () => {
    const strict = workflow("strict", {
      input: {
        schema: {
          "~standard": { version: 1, vendor: "x", validate: () => ({ issues: [{ message: "no" }] }) },
        },
        jsonSchema: true,
      },
    } as never).action("load", { ...once, failureMessage: "{table}" } as never, fails as never);
    worker = await createWorker({ connection: holdfast, workflows: [strict], stopTimeout: 50 });
    // Started by name, its input is held against the JSON Schema alone.
    const run = await holdfast.start("strict", input);
    await run.ended();
    expect((await run.get()).actions[0]?.failure?.shown).toBe("films");
  });
});

describe("a placeholder that can never be filled", () => {
  const schema = {
    jsonSchema: {
      type: "object",
      properties: { table: {}, user: { type: "object", properties: { name: {} } }, open: { type: "object" } },
    },
  } as const;
  const told =
    (failureMessage: string, more = {}) =>
    () =>
      workflow("w", { input: schema })
        .action("other", () => 1)
        .action("load", { failureMessage, ...more }, fails).definition;

  it.each([
    ["{tabel}", /\{tabel\}.*the input has no tabel: did you mean \{table\}/],
    ["{user.nmae}", /the input has no user.nmae: did you mean \{user.name\}/],
    ["{input.tabel}", /the input has no tabel/],
    ["{item.id}", /the action is not over items/],
    ["{index}", /the action is not over items/],
    ["{other}", /action "other" is not in its after/],
  ])("%s is named where it is registered", (message, problem) => {
    expect(told(message)).toThrow(problem);
    expect(told(message)).toThrow(/failureMessage of action "load"/);
  });

  it.each(["{table}", "{input.table}", "{user.name}", "{open.any.thing}", "{input}", "none", "{}", "{a b}"])(
    "%s is none",
    (message) => {
      expect(told(message)).not.toThrow();
    },
  );

  it("is not known of an input that only has a type", () => {
    const typedOnly = (failureMessage: string) =>
      workflow("w", { input: typed<Input>() }).action("load", { failureMessage }, fails).definition;
    expect(() => typedOnly("{anything}")).not.toThrow();
    expect(() => typedOnly("{item.id}")).toThrow(/of the input write \{input.item.id\}/);
  });
});
