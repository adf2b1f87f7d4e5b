/** Names that every object of the language has are names like any others: of actions, workflows, steps, signals, queues, items and members. */
import { RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWorker, type Holdfast, typed, type Worker, workflow } from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";

const NAMES = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "prototype", "then"];

/** The builder without its types, which know names only where they are written out. */
interface Loose {
  readonly definition: unknown;
  action(name: string, options: object, handler: unknown): Loose;
  forEach(name: string, options: object, handler: unknown): Loose;
  waitForSignal(name: string, options: object): Loose;
}
const loose = (builder: object): Loose => builder as Loose;
interface Context {
  step(name: string, of: () => unknown): Promise<unknown>;
}
const once = { maxAttempts: 1 };

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

/** An object that has a member of that name, whatever the name. */
const withMember = (name: string, value: unknown): unknown =>
  JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`);
const member = (value: unknown, name: string): unknown => Object.getOwnPropertyDescriptor(value, name)?.value;

describe.each(NAMES)("%s", (name) => {
  it("is a name of workflow, action, queue, step, signal, and of a member of input, item and output", async () => {
    const flow = loose(workflow(name, { input: typed<unknown>() }))
      .action(name, { queue: name, retry: once }, async ({ input }: { input: unknown }, ctx: Context) =>
        withMember(name, [await ctx.step(name, () => member(input, name)), 2]),
      )
      .forEach("items", { items: name, retry: once }, ({ item }: { item: unknown }) => withMember(name, item))
      .action("last", { after: [name, "items"], retry: once }, (args: unknown) => {
        const upstream = member(args, name);
        return [member(upstream, name), Object.getPrototypeOf(args) === Object.prototype];
      });
    const waits = loose(workflow(`${name}-waits`))
      .waitForSignal(name, {})
      .action("last", { after: [name] }, (args: unknown) => member(args, name));
    worker = await createWorker({ connection: holdfast, workflows: [flow, waits] as never });
    const started = await holdfast.start(name, withMember(name, [5, 6]), { runId: name });
    const waiting = await holdfast.start(`${name}-waits`, null, { runId: `${name}-waits` });
    await holdfast.signal(`${name}-waits`, name, withMember(name, "yes"));
    for (const run of [started, waiting])
      expect([run.runId, RunStatus[(await run.ended()).status]]).toEqual([run.runId, "COMPLETED"]);
    expect(JSON.stringify(await started.result())).toBe(JSON.stringify([[[5, 6], 2], true]));
    expect(JSON.stringify(await waiting.result())).toBe(JSON.stringify(withMember(name, "yes")));
    expect((await holdfast.list({ workflow: name })).runs).toHaveLength(1);
    const { items } = await holdfast.items(name, { action: "items" });
    expect(items).toHaveLength(2);
  });

  it("is the name of an upstream action and of a member in a failure's message", async () => {
    const flow = loose(workflow("messages", { input: typed<unknown>() }))
      .action(name, {}, () => withMember(name, "from upstream"))
      .action(
        "fails",
        {
          after: [name],
          retry: once,
          failureMessage: `{${name}.${name}} and {input.${name}} and {${name}x}`,
        },
        () => {
          throw new Error("no");
        },
      );
    worker = await createWorker({ connection: holdfast, workflows: [flow] as never });
    const run = await holdfast.start("messages", withMember(name, "from input"));
    await run.ended();
    const failed = (await holdfast.get(run.runId)).actions.find((action) => action.name === "fails");
    expect(failed?.failure?.shown).toBe(`from upstream and from input and {${name}x}`);
  });

  it("is no word where one of a few is asked for", () => {
    const say = (options: object): unknown => {
      try {
        return loose(workflow("w")).action("a", options, () => 1).definition;
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    expect(say({ trigger: name })).toBe("INVALID_DEFINITION");
    expect(say({ breaker: { onOpen: name } })).toBe("INVALID_DEFINITION");
    expect(say({ breaker: { modes: [name] } })).toBe("INVALID_DEFINITION");
    expect(say({ retry: { retryOn: [name] } })).toBe("INVALID_DEFINITION");
  });
});
