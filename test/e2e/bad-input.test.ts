/**
 * Bad input, by every way in: its sender is told what is wrong where the sender looks, and a healthy run that is under way meanwhile
 * is not disturbed.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { defineWorkflowCommand, querySubject, logSubject, ROLL_CALL, WORKER_BEAT } from "@holdfast/engine";
import {
  type RejectedWork,
  RejectCode,
  RunStatus,
  StartRunRequestSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { createWorker, type Holdfast, typed, workflow } from "@holdfast/sdk";
import { connect, headers, type MsgHdrs, type NatsConnection } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { viewProblems } from "../support/run-rules.js";
import { type Admin, PARTITIONS, System } from "../support/system.js";
import { pause, until, within } from "../support/wait.js";

const MIB = 1024 * 1024;
const ITEMS = 30;

const ILLEGAL: readonly (readonly [string, string])[] = [
  ["a dot", "a.b"],
  ["a star", "*"],
  ["a greater-than sign", ">"],
  ["a slash", "a/b"],
  ["two dots", ".."],
  ["10 kB", "x".repeat(10_000)],
  ["NUL", "a\0b"],
  ["unicode", "grüße-🚀"],
  ["a line break", "a\nb"],
];

const healthy = workflow("healthy", {
  input: typed<{ rows: number[] }>({
    type: "object",
    required: ["rows"],
    properties: { rows: { type: "array", items: { type: "number" } } },
  }),
})
  .forEach("row", { items: "rows", window: 3 }, async ({ item }) => {
    await pause(20);
    return item;
  })
  .action("sum", { after: ["row"] }, ({ row }) => row.reduce((sum, each) => sum + each, 0));

let system: System;
let admin: Admin;
let client: Holdfast;
let nats: NatsConnection;
let healthyRuns = 0;
let running: { readonly runId: string; readonly result: Promise<unknown> };

beforeAll(async () => {
  system = await System.start();
  client = await system.connect();
  admin = await system.startAdmin();
  nats = await connect({ servers: system.url });
  const connection = await system.connect("worker");
  const worker = await createWorker({ connection, workflows: [healthy] });
  system.onStop(async () => {
    await worker.stop();
    await nats.close();
  });
});
afterAll(() => system.stop());

beforeEach(async () => {
  const rows = Array.from({ length: ITEMS }, () => 1);
  const run = await client.start(healthy, { rows }, { runId: `healthy-${++healthyRuns}` });
  running = { runId: run.runId, result: run.result() };
});
afterEach(() => expectUndisturbed());

async function expectUndisturbed(): Promise<void> {
  expect(await within("the healthy run beside it", running.result)).toBe(ITEMS);
  const view = await client.get(running.runId);
  expect(viewProblems(view)).toEqual([]);
  expect(view.events.filter(({ type }) => type === "attempt_failed")).toEqual([]);
  expect(system.node.logged("fatal")).toEqual([]);
  expect(system.node.running).toBe(true);
}

const refusal = (promise: Promise<unknown>): Promise<{ code?: string; message?: string }> =>
  promise.then(
    () => ({ message: "it was accepted" }),
    (error: unknown) => error as Error,
  );

describe("published on a subject", () => {
  const allRejected = async (): Promise<RejectedWork[]> =>
    (await admin.call.listRejected({ pageSize: 1_000 })).rejected;

  /** Publishes, and resolves with the reject that came of it. */
  async function rejectOf(subject: string, body: string | Uint8Array, hdrs?: MsgHdrs): Promise<RejectedWork> {
    const before = await allRejected();
    const options = hdrs === undefined ? { timeout: 60_000 } : { timeout: 60_000, headers: hdrs };
    await nats.request(subject, body, options);
    return until(`the reject of ${subject.slice(0, 60)}`, async () => {
      const rejected = await allRejected();
      return rejected.length > before.length && rejected.at(-1);
    });
  }

  const withHeader = (name: string, value: string): MsgHdrs => {
    const hdrs = headers();
    hdrs.set(name, value);
    return hdrs;
  };

  test("an unknown workflow is rejected, kept, and can be replayed once it is known", async () => {
    const hdrs = withHeader("Holdfast-Run-Id", "patient");
    const reject = await rejectOf("holdfast.work.newcomer", "5", hdrs);
    expect(reject).toMatchObject({
      code: RejectCode.UNKNOWN_WORKFLOW,
      subject: "holdfast.work.newcomer",
      runId: "patient",
    });
    expect(reject.reason).toContain("newcomer");
    expect(Buffer.from(reject.body).toString()).toBe("5");
    const newcomer = workflow("newcomer", { input: typed<number>() }).action("do", ({ input }) => input + 1);
    const worker = await createWorker({ connection: await system.connect("late"), workflows: [newcomer] });
    system.onStop(async () => {
      await worker.stop();
    });
    expect(await admin.call.replayRejected({ ids: [reject.id] })).toMatchObject({
      replayed: 1,
      notFound: [],
    });
    await until("the replayed run", () => client.get("patient").catch(() => undefined));
    expect((await within("its end", client.wait("patient"))).status).toBe(RunStatus.COMPLETED);
    expect((await allRejected()).map(({ id }) => id)).not.toContain(reject.id);
  });

  test.each([
    ["malformed JSON", '{"rows": [1, 2', "application/json", RejectCode.MALFORMED],
    [
      "JSON that is not UTF-8",
      new Uint8Array([0x22, 0xff, 0xfe, 0x22]),
      "application/json",
      RejectCode.MALFORMED,
    ],
    [
      "malformed protobuf",
      new Uint8Array([0xff, 0xff, 0xff, 0x01]),
      "application/x-protobuf",
      RejectCode.MALFORMED,
    ],
    ["an unknown content type", "rows=1", "application/x-www-form-urlencoded", RejectCode.UNSUPPORTED],
    ["another schema", '{"rows": "none"}', "application/json", RejectCode.SCHEMA_MISMATCH],
    ["no body at all", "", "application/json", undefined],
  ])("%s is rejected with what is wrong", async (_what, body, contentType, code) => {
    const reject = await rejectOf("holdfast.work.healthy", body, withHeader("Content-Type", contentType));
    if (code !== undefined) expect(RejectCode[reject.code]).toBe(RejectCode[code]);
    expect(reject.reason.length).toBeGreaterThan(20);
    expect(reject.bodyBytes).toBe(BigInt(body.length));
  });

  test("protobuf that names another workflow than its subject is rejected", async () => {
    const body = toBinary(
      StartRunRequestSchema,
      create(StartRunRequestSchema, { workflow: "other", inputJson: "1" }),
    );
    const reject = await rejectOf(
      "holdfast.work.healthy",
      body,
      withHeader("Content-Type", "application/x-protobuf"),
    );
    expect(reject.code).toBe(RejectCode.MALFORMED);
    expect(reject.reason).toContain("other");
  });

  test.each(ILLEGAL.filter(([, name]) => !/\s|\.\./.test(name) && name.length < 1_000))(
    "a workflow name with %s is rejected",
    async (_what, name) => {
      const reject = await rejectOf(`holdfast.work.${name}`, "1");
      expect(reject.code).toBe(RejectCode.INVALID_NAME);
      expect(reject.reason).toContain("1 to 64 of A-Z a-z 0-9 _ -");
    },
  );

  test.each(ILLEGAL.filter(([, name]) => !/[\n\0]/.test(name)))(
    "a run id with %s is rejected",
    async (_what, runId) => {
      const hdrs = withHeader("Holdfast-Run-Id", runId);
      const reject = await rejectOf("holdfast.work.healthy", '{"rows":[]}', hdrs);
      expect(reject.code).toBe(RejectCode.INVALID_NAME);
      expect(reject.reason).toContain("1 to 128 of A-Z a-z 0-9 _ -");
    },
  );

  test("a subject that is too long, or has an empty part, fails at its publisher", async () => {
    const own = await connect({ servers: system.url, reconnect: false });
    const long = own.request(`holdfast.work.${"x".repeat(10_000)}`, "1", { timeout: 3_000 });
    expect(await refusal(long)).toBeInstanceOf(Error);
    await own.close();
    for (const empty of ["holdfast.work.", "holdfast.work..."])
      expect(await refusal(nats.request(empty, "1", { timeout: 3_000 }))).toBeInstanceOf(Error);
  });

  test("a message over the server's limit fails at its publisher; a large one within it is a run", async () => {
    expect(
      await refusal(nats.request("holdfast.work.healthy", "1".repeat(9 * MIB), { timeout: 5_000 })),
    ).toMatchObject({
      code: "MAX_PAYLOAD_EXCEEDED",
    });
    const rows = [1, 2, 3];
    const body = JSON.stringify({ rows, padding: "p".repeat(5 * MIB) });
    await nats.request("holdfast.work.healthy", body, {
      timeout: 60_000,
      headers: withHeader("Holdfast-Run-Id", "padded"),
    });
    await until("the large run", () => client.get("padded").catch(() => undefined));
    expect((await within("its end", client.wait("padded"))).status).toBe(RunStatus.COMPLETED);
  });

  test("rejects are counted", async () => {
    const before = (await admin.call.getCounts({})).rejected;
    await rejectOf("holdfast.work.nobody", "1");
    expect((await admin.call.getCounts({})).rejected).toBe(before + 1n);
  });
});

describe("given to the SDK", () => {
  test.each([["nothing", ""] as const, ...ILLEGAL])(
    "a run id with %s is refused at once",
    async (_what, runId) => {
      const error = await refusal(client.start(healthy, { rows: [] }, { runId }));
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(error.message).toContain("1 to 128 of A-Z a-z 0-9 _ -");
      expect(error.message?.length).toBeLessThan(400);
      expect(await refusal(client.get(runId))).toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(await refusal(client.cancel(runId))).toMatchObject({ code: "INVALID_ARGUMENT" });
    },
  );

  test.each([["nothing", ""] as const, ...ILLEGAL])(
    "a workflow name with %s is refused",
    async (_what, name) => {
      const started = await refusal(client.start(name, null));
      expect(["INVALID_ARGUMENT", "UNKNOWN_WORKFLOW"]).toContain(started.code);
      const defined = workflow(name).action("do", () => 1);
      const error = await refusal(client.register(defined));
      expect(error).toMatchObject({ code: "INVALID_DEFINITION" });
      expect(error.message).toContain("1 to 64 of A-Z a-z 0-9 _ -");
    },
  );

  test("an unknown workflow is refused with what to do", async () => {
    const error = await refusal(client.start("unheard-of", null));
    expect(error).toMatchObject({ code: "UNKNOWN_WORKFLOW" });
    expect(error.message).toContain("start a worker");
  });

  test("inputs that do not fit are refused with where", async () => {
    const wrong = await refusal(client.start("healthy", { rows: [1, "two"] }));
    expect(wrong).toMatchObject({ code: "INVALID_INPUT" });
    expect(wrong.message).toContain("rows");
    expect(await refusal(client.start("healthy", { rows: [1n] }))).toMatchObject({ code: "INVALID_INPUT" });
    const circle: Record<string, unknown> = { rows: [] };
    circle["self"] = circle;
    expect(await refusal(client.start("healthy", circle))).toMatchObject({ code: "INVALID_INPUT" });
    const huge = { rows: [], text: "x".repeat(65 * MIB) };
    expect(await refusal(client.start("healthy", huge))).toMatchObject({ code: "TOO_LARGE" });
  });

  test("definitions that can't run are refused with everything that is wrong", async () => {
    const dangling = workflow("dangling").action("b", { after: ["a" as never] }, () => 1);
    const problem = await refusal(createWorker({ connection: client, workflows: [dangling] }));
    expect(problem).toMatchObject({ code: "INVALID_DEFINITION" });
    expect(problem.message).toContain('"b" waits for "a"');
    const cyclic = workflow("cyclic")
      .action("a", { after: ["b" as never] }, () => 1)
      .action("b", { after: ["a"] }, () => 1);
    const circle = await refusal(client.register(cyclic));
    expect(circle).toMatchObject({ code: "INVALID_DEFINITION" });
    expect(circle.message).toContain("a → b → a");
  });
});

describe("given to the admin service", () => {
  test.each(ILLEGAL)("names with %s are refused", async (_what, name) => {
    for (const call of [
      admin.call.startRun({ workflow: "healthy", runId: name, inputJson: '{"rows":[]}' }),
      admin.call.startRun({ workflow: name }),
      admin.call.getRun({ runId: name }),
      admin.call.cancelRun({ runId: name }),
      admin.call.retryRun({ runId: name }),
      admin.call.listItems({ runId: name }),
      admin.call.listRuns({ workflow: name }),
    ]) {
      const error = await refusal(call);
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(error.message).toContain("of A-Z a-z 0-9 _ -");
    }
  });

  test.each([
    ["an unknown workflow", { workflow: "unheard-of" }, "NOT_FOUND", /not registered/],
    ["no workflow", {}, "INVALID_ARGUMENT", /workflow/],
    [
      "malformed JSON",
      { workflow: "healthy", inputJson: '{"rows":' },
      "INVALID_ARGUMENT",
      /line 1, column 9/,
    ],
    ["another schema", { workflow: "healthy", inputJson: '{"rows":3}' }, "INVALID_ARGUMENT", /rows/],
    [
      "more than a call may hold",
      { workflow: "healthy", inputJson: `"${"x".repeat(80 * MIB)}"` },
      "RESOURCE_EXHAUSTED",
      /./,
    ],
  ])("%s is refused", async (_what, request, code, message) => {
    const error = await refusal(admin.call.startRun(request));
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(message);
  });

  test("what is not there is said not to be there", async () => {
    expect(await refusal(admin.call.getRun({ runId: "nobody" }))).toMatchObject({ code: "NOT_FOUND" });
    expect(await refusal(admin.call.retryRun({ runId: "nobody" }))).toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("sent past every check", () => {
  test("a cyclic definition is refused by the fold itself", async () => {
    const definition = create(WorkflowDefinitionSchema, {
      name: "raw",
      actions: [
        { name: "a", after: ["b"] },
        { name: "b", after: ["a"] },
      ],
    });
    const { result } = await client.commands.submit(0, defineWorkflowCommand(definition, "0".repeat(32)));
    expect(result).toMatchObject({ case: "rejected", value: { code: RejectCode.INVALID_DEFINITION } });
  });

  test("garbage on every subject is passed over", async () => {
    const garbage = new Uint8Array(300).map((_, index) => (index * 37 + 11) % 256);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await nats.request(logSubject(partition), garbage, { timeout: 60_000 });
      await nats.request(logSubject(partition), "", { timeout: 60_000 });
      nats.publish(querySubject(partition), garbage);
    }
    for (const subject of [WORKER_BEAT, ROLL_CALL]) nats.publish(subject, garbage);
    await nats.flush();
    const run = await client.start(healthy, { rows: [4, 5] });
    expect(await within("a run after the garbage", run.result())).toBe(9);
    expect(system.node.logged("error").some(({ msg }) => msg.includes("can't be read"))).toBe(true);
  });
});
