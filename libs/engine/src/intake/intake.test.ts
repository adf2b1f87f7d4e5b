/** Published work ends as exactly one start or one reject, whatever it is and whatever fails on the way. */
import { hashDefinition } from "@holdfast/core";
import {
  AcceptedSchema,
  type Command,
  type Outcome,
  OutcomeSchema,
  RejectCode,
  RejectedSchema,
  RunStatus,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { silentLogger } from "@holdfast/telemetry";
import {
  array,
  assert as assertProperty,
  asyncProperty,
  constantFrom,
  dictionary,
  integer,
  oneof,
  record,
  string,
  uint8Array,
} from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { INLINE_BYTES_MAX } from "../client/payloads.js";
import { MemoryDefinitions, MemoryPayloads } from "../memory/memory-registry.js";
import { MemoryWorkQueue, type PublishedWork } from "../memory/memory-work-queue.js";
import { PortError } from "../ports/index.js";
import { Intake } from "./intake.js";
import type { InputValidator } from "./ports.js";

const accept = (): Outcome =>
  init(OutcomeSchema, { result: { case: "accepted", value: init(AcceptedSchema, { runId: "r" }) } });
const reject = (code: RejectCode): Outcome => {
  const value = init(RejectedSchema, { code, message: "the fold said no" });
  return init(OutcomeSchema, { result: { case: "rejected", value } });
};

/** Wants objects to have no `bad`. */
const validator: InputValidator = {
  validate: (_, input) =>
    typeof input === "object" && input !== null && "bad" in input
      ? { ok: false, message: "/bad is not wanted" }
      : { ok: true },
};

interface Bench {
  readonly work: MemoryWorkQueue;
  readonly definitions: MemoryDefinitions;
  readonly payloads: MemoryPayloads;
  readonly intake: Intake;
  /** Starts that the fold accepted, in order. */
  readonly started: Command[];
  /** Commands that were submitted, whatever became of them. */
  readonly submitted: Command[];
  answer: (command: Command) => Outcome | Promise<Outcome>;
  publish(work: Partial<PublishedWork> & { body?: string }): Promise<void>;
  /** Waits until every message is acknowledged. */
  settle(): Promise<void>;
  rejects(): Promise<{ code: string; reason: string }[]>;
  stop(): Promise<void>;
}

const running: Bench[] = [];
afterEach(async () => {
  for (const bench of running.splice(0)) await bench.stop();
});

function define(name: string) {
  const definition = init(WorkflowDefinitionSchema, { name, inputSchema: "true" });
  return { definition, hash: hashDefinition(definition) };
}

async function start(options: { maxPayload?: number; concurrency?: number } = {}): Promise<Bench> {
  const work = new MemoryWorkQueue();
  const definitions = new MemoryDefinitions();
  const payloads = new MemoryPayloads(options.maxPayload);
  await definitions.put(define("orders"));
  const abort = new AbortController();
  const bench: Bench = {
    work,
    definitions,
    payloads,
    started: [],
    submitted: [],
    answer: accept,
    intake: new Intake({
      work,
      definitions,
      payloads,
      validator,
      partitions: 4,
      logger: silentLogger,
      retryLaterMs: 1,
      ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
      submitter: {
        async submit(_, command) {
          bench.submitted.push(command);
          const outcome = await bench.answer(command);
          const isStart = command.kind.case === "startRun" && outcome.result.case === "accepted";
          if (isStart) bench.started.push(command);
          return outcome;
        },
      },
    }),
    async publish({ subject = "holdfast.work.orders", body = "{}", data, ...rest }) {
      await work.publish({ subject, data: data ?? Buffer.from(body, "utf8"), ...rest });
    },
    settle: () => vi.waitFor(() => expect(work.pending).toBe(0), { timeout: 60_000, interval: 1 }),
    async rejects() {
      const { entries } = await work.listRejected({ afterId: 0, limit: 1_000 });
      return entries.map(({ code, reason }) => ({ code: RejectCode[code], reason }));
    },
    async stop() {
      abort.abort();
      await done;
    },
  };
  const done = bench.intake.run(abort.signal);
  running.push(bench);
  return bench;
}

function startOf(command: Command | undefined) {
  if (command?.kind.case !== "startRun") throw new Error("no start");
  return command.kind.value;
}

test("a good message becomes one start, pinned to the registered definition", async () => {
  const bench = await start();
  await bench.publish({ body: '{"a":1}', headers: { "Holdfast-Run-Id": "r1", "Holdfast-Priority": "2" } });
  await bench.settle();
  expect(bench.started).toHaveLength(1);
  const started = startOf(bench.started[0]);
  expect(started).toMatchObject({
    runId: "r1",
    workflow: "orders",
    priority: 2,
    definitionHash: define("orders").hash,
    origin: "subject holdfast.work.orders #1",
  });
  expect(started.input?.body).toEqual({ case: "inline", value: Buffer.from('{"a":1}') });
  expect(await bench.rejects()).toEqual([]);
});

test("each kind of bad work is rejected with its reason, and good work beside it is not disturbed", async () => {
  const bench = await start();
  await bench.publish({ subject: "holdfast.work.nobody" });
  await bench.publish({ body: "{" });
  await bench.publish({ body: '{"bad":1}' });
  await bench.publish({ subject: "holdfast.work.a.*" });
  await bench.publish({ headers: { "Holdfast-Run-Id": ".." } });
  await bench.publish({ headerProblem: "it has more than 64 headers" });
  await bench.publish({ headers: { "Holdfast-Run-Id": "good" } });
  await bench.settle();
  expect((await bench.rejects()).map(({ code }) => code).toSorted()).toEqual([
    "INVALID_NAME",
    "INVALID_NAME",
    "MALFORMED",
    "MALFORMED",
    "SCHEMA_MISMATCH",
    "UNKNOWN_WORKFLOW",
  ]);
  expect(bench.started.map((command) => startOf(command).runId)).toEqual(["good"]);
  expect(bench.intake.stats).toMatchObject({ accepted: 1, rejected: 6, retried: 0, underWay: 0 });
});

test("a large input goes to the payload store; one beyond its limit is rejected", async () => {
  const bench = await start({ maxPayload: 2 * INLINE_BYTES_MAX });
  const large = JSON.stringify("x".repeat(INLINE_BYTES_MAX));
  await bench.publish({ body: large });
  await bench.publish({ body: JSON.stringify("x".repeat(3 * INLINE_BYTES_MAX)) });
  await bench.settle();
  const body = startOf(bench.started[0]).input?.body;
  if (body?.case !== "ref") throw new Error("it is not by reference");
  expect(Buffer.from(await bench.payloads.get(body.value)).toString()).toBe(large);
  expect(await bench.rejects()).toEqual([{ code: "TOO_LARGE", reason: expect.stringContaining("at most") }]);
});

test("the same message again is the same start", async () => {
  const bench = await start();
  await bench.publish({ headers: { "Nats-Msg-Id": "m1" } });
  await bench.publish({ headers: { "Nats-Msg-Id": "m1" } });
  await bench.settle();
  const [first, second] = bench.started;
  expect(startOf(first).runId).toBe(startOf(second).runId);
  expect(first?.id).toBe(second?.id);
});

test.each(["unavailable", "unknown-outcome", "timeout", "full"] as const)(
  "a start that meets %s is tried again, as the same start, and acknowledged once it is answered",
  async (code) => {
    const bench = await start();
    let failures = 3;
    bench.answer = () => {
      if (failures-- > 0) throw new PortError(code, "not now");
      return accept();
    };
    await bench.publish({});
    await bench.settle();
    expect(bench.started).toHaveLength(1);
    expect(new Set(bench.submitted.map((command) => startOf(command).runId)).size).toBe(1);
    expect(bench.intake.stats.retried).toBe(3);
    expect(await bench.rejects()).toEqual([]);
  },
);

test("what the fold rejects is rejected with the fold's code and words", async () => {
  const bench = await start();
  bench.answer = () => reject(RejectCode.RUN_EXISTS);
  await bench.publish({});
  await bench.settle();
  expect(await bench.rejects()).toEqual([{ code: "RUN_EXISTS", reason: "the fold said no" }]);
});

test("a partition that was not told of the workflow is told, and then asked again", async () => {
  const bench = await start();
  let told = false;
  bench.answer = (command) => {
    if (command.kind.case === "defineWorkflow") told = true;
    return told ? accept() : reject(RejectCode.UNKNOWN_WORKFLOW);
  };
  await bench.publish({});
  await bench.settle();
  expect(bench.submitted.map(({ kind }) => kind.case)).toEqual(["startRun", "defineWorkflow", "startRun"]);
  expect(bench.started).toHaveLength(1);
});

test("a workflow registered later is known, and rejected work replayed then becomes a run", async () => {
  const bench = await start();
  await bench.publish({ subject: "holdfast.work.later", headers: { "Holdfast-Run-Id": "r" } });
  await bench.settle();
  expect(await bench.rejects()).toHaveLength(1);
  await bench.definitions.put(define("later"));
  expect(await bench.work.replayRejected(1)).toBe(true);
  await bench.settle();
  expect(await bench.rejects()).toEqual([]);
  expect(startOf(bench.started[0])).toMatchObject({ runId: "r", workflow: "later" });
});

const existing = (fields: { existed?: boolean; status: RunStatus; differs?: boolean }) => (): Outcome =>
  init(OutcomeSchema, {
    result: { case: "accepted", value: init(AcceptedSchema, { runId: "r", existed: true, ...fields }) },
  });

test.each([
  ["the same body, while it goes on", { status: RunStatus.RUNNING }, undefined],
  ["the same body, once it completed", { status: RunStatus.COMPLETED }, undefined],
  ["the same message, whose run has failed", { existed: false, status: RunStatus.FAILED }, undefined],
  ["another message, whose run has failed", { status: RunStatus.FAILED }, /FAILED: retry it, or publish/],
  ["another body", { status: RunStatus.RUNNING, differs: true }, /RUNNING, and was begun with another body/],
  [
    "the same message with another body",
    { existed: false, status: RunStatus.COMPLETED, differs: true },
    /begun with another body.+Publish it under another run id/,
  ],
])("a publish under the id of a run that is there: %s", async (_what, answered, reason) => {
  const bench = await start();
  bench.answer = existing(answered);
  await bench.publish({ headers: { "Holdfast-Run-Id": "r" } });
  await bench.settle();
  expect(bench.submitted).toHaveLength(1);
  expect(startOf(bench.submitted[0]).compareInput).toBe(true);
  const rejects = await bench.rejects();
  if (reason === undefined) expect(rejects).toEqual([]);
  else expect(rejects).toEqual([{ code: "RUN_EXISTS", reason: expect.stringMatching(reason) }]);
});

test("no more are under way than allowed", async () => {
  const bench = await start({ concurrency: 4 });
  let now = 0;
  let most = 0;
  bench.answer = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
    now--;
    return accept();
  };
  for (let at = 0; at < 60; at++) await bench.publish({});
  await bench.settle();
  expect(most).toBe(4);
  expect(bench.started).toHaveLength(60);
});

test("when it is stopped it finishes what is under way, and the rest is left for others", async () => {
  const bench = await start({ concurrency: 2 });
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  bench.answer = async () => {
    await held;
    return accept();
  };
  for (let at = 0; at < 10; at++) await bench.publish({});
  await vi.waitFor(() => expect(bench.submitted).toHaveLength(2), { timeout: 60_000 });
  const stopped = bench.stop();
  release();
  await stopped;
  expect(bench.started).toHaveLength(2);
  expect(bench.work.pending).toBe(8);
});

describe("whatever is published", () => {
  const name = oneof(
    constantFrom("orders", "orders", "orders", "nobody", ".", "*", ">", "", "a.b", "..", "x".repeat(200)),
    string(),
  );
  const body = oneof(
    constantFrom("{}", "[1,2]", '{"bad":1}', "", "{", "null").map(
      (text) => new Uint8Array(Buffer.from(text)),
    ),
    uint8Array({ maxLength: 64 }),
    string().map((text) => new Uint8Array(Buffer.from(text))),
  );
  const headers = dictionary(
    constantFrom(
      "Content-Type",
      "content-type",
      "Holdfast-Run-Id",
      "Nats-Msg-Id",
      "Holdfast-Priority",
      "Holdfast-Start-At",
      "traceparent",
      "X",
    ),
    oneof(
      constantFrom("application/json", "application/x-protobuf", "r-1", "5", "2030-01-01T00:00:00Z"),
      string(),
    ),
    { maxKeys: 4 },
  );
  const work = record({ name, body, headers });

  test("each message ends as exactly one start or one reject, though submitting fails now and then", async () => {
    await assertProperty(
      asyncProperty(
        array(work, { maxLength: 25 }),
        array(integer({ min: 0, max: 3 })),
        async (all, faults) => {
          const bench = await start();
          const faulty = [...faults];
          bench.answer = () => {
            const fault = faulty.pop() ?? 0;
            if (fault === 1) throw new PortError("unavailable", "not now");
            if (fault === 2) throw new Error("a defect");
            return fault === 3 ? reject(RejectCode.RUN_EXISTS) : accept();
          };
          for (const one of all) {
            await bench.publish({
              subject: `holdfast.work.${one.name}`,
              data: one.body,
              headers: one.headers,
            });
          }
          await bench.settle();
          const starts = bench.started.map((command) => Number(/#(\d+)$/.exec(startOf(command).origin)?.[1]));
          const rejected = (await bench.rejects()).length;
          expect(new Set(starts).size).toBe(starts.length);
          expect(starts.length + rejected).toBe(all.length);
          expect(bench.intake.stats.accepted).toBe(starts.length);
          await bench.stop();
        },
      ),
      { numRuns: 150 },
    );
  });
});
