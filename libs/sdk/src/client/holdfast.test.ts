/** The client against the real engine in memory: errors, schemas, lists. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWorker, type Holdfast, HoldfastError, type Worker, workflow } from "../index.js";
import { startTestCluster, type TestCluster } from "../testing/index.js";
import type { AnyWorkflow } from "../workflow/workflow.js";

let cluster: TestCluster;
let holdfast: Holdfast;
let workers: Worker[] = [];

beforeEach(async () => {
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  workers = [];
  await cluster.close();
});

async function work(workflows: AnyWorkflow[]): Promise<void> {
  workers.push(await createWorker({ connection: holdfast, workflows, stopTimeout: "1s" }));
}

describe("the client", () => {
  it("says what is wrong, with a code", async () => {
    const flow = workflow("plain").action("a", () => 1);
    await expect(holdfast.start("nobody-knows", null)).rejects.toMatchObject({ code: "UNKNOWN_WORKFLOW" });
    await expect(holdfast.start(flow, 1n)).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(holdfast.start(flow, null, { runId: "a/b" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(holdfast.get("no-such-run")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
    await expect(holdfast.wait("no-such-run")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
    await expect(holdfast.cancel("no-such-run")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
    await expect(holdfast.list({ pageToken: "x" })).rejects.toBeInstanceOf(HoldfastError);
  });

  it("refuses a start time that can't be meant, with what it would have been", async () => {
    const flow = workflow("later").action("act", () => 1);
    for (const [startAt, why] of [
      [new Date(1_900_000_000), /are 1970-01-22T23:46:40Z; as seconds they would be 2030-03-17T17:46:40Z/],
      [new Date("tomorrow"), /it is no time/],
      [new Date(8e15), /are after the year 2200/],
    ] as const) {
      const call = holdfast.start(flow, undefined as never, { startAt });
      await expect(call).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringMatching(why),
      });
    }
  });

  it("says which workflow may be meant, or which there are", async () => {
    const said = (name: string) => holdfast.start(name, null).then(String, (error: Error) => error.message);
    expect(await said("orders")).toMatch(/^workflow "orders" is not registered; start a worker/);
    await work([workflow("orders").action("a", () => 1), workflow("invoices").action("a", () => 1)]);
    expect(await said("odrers")).toMatch(
      /^workflow "odrers" is not registered \(did you mean "orders"\?\); start/,
    );
    expect(await said("xyz")).toMatch(
      /^workflow "xyz" is not registered; registered are invoices, orders; start/,
    );
  });

  it("registers a workflow that it starts where the cluster does not know it", async () => {
    const flow = workflow("fresh").action("a", () => "ok");
    const run = await holdfast.start(flow, null);
    await work([flow]);
    expect(await run.result()).toBe("ok");
  });

  it("checks inputs with the workflow's schema, whose defaults handlers get", async () => {
    const input = {
      "~standard": {
        version: 1 as const,
        vendor: "test",
        validate: (value: unknown) =>
          typeof value === "object" && value !== null
            ? { value: { n: 7, ...value } }
            : { issues: [{ message: "expected an object" }] },
        types: undefined as unknown as { input: { n?: number }; output: { n: number } },
      },
    };
    const flow = workflow("checked", { input }).action("a", (args) => args.input.n);
    await work([flow]);
    expect(await (await holdfast.start(flow, {})).result()).toBe(7);
    await expect(holdfast.start(flow, 3 as never)).rejects.toMatchObject({ code: "INVALID_INPUT" });
    // Sent by somebody who did not check.
    const loose = workflow("checked").action("a", () => 0);
    const run = await cluster.client().start(loose.name, 3);
    await expect(run.result()).rejects.toMatchObject({ mode: "VALIDATION" });
  });

  it("checks inputs with the workflow's JSON Schema, also by name", async () => {
    const jsonSchema = { type: "object", required: ["id"], properties: { id: { type: "number" } } };
    const flow = workflow("by-schema", { input: { jsonSchema } }).action("a", () => 1);
    await work([flow]);
    expect(await (await holdfast.start(flow, { id: 1 })).result()).toBe(1);
    for (const input of [{}, { id: "x" }, null]) {
      await expect(holdfast.start(flow, input)).rejects.toMatchObject({ code: "INVALID_INPUT" });
      await expect(cluster.client().start("by-schema", input)).rejects.toMatchObject({
        code: "INVALID_INPUT",
      });
    }
    const unusable = workflow("unusable", { input: { jsonSchema: { type: "nothing" } } }).action(
      "a",
      () => 1,
    );
    await expect(holdfast.register(unusable)).rejects.toMatchObject({ code: "INVALID_DEFINITION" });
  });

  it("lists and counts what it started", async () => {
    const flow = workflow("listed").action("a", () => 1);
    await work([flow]);
    const runs = await Promise.all(Array.from({ length: 12 }, () => holdfast.start(flow, null)));
    await Promise.all(runs.map((run) => run.result()));
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await holdfast.list({ workflow: "listed", pageSize: 5, pageToken });
      seen.push(...page.runs.map((run) => run.runId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen.toSorted()).toEqual(runs.map((run) => run.runId).toSorted());
    expect((await holdfast.counts("listed")).total).toMatchObject({ completed: 12n, active: 0n });
  });
});
