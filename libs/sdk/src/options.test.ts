/** Misspelt options, as plain JavaScript may give them, are refused where they are written. */
import { MemoryCommandLog, MemoryDefinitions, MemoryNetwork, MemoryPayloads } from "@holdfast/engine/memory";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorker, Holdfast, typed, workflow } from "./index.js";
import { replaceHandlers, startTestCluster, type TestCluster } from "./testing/index.js";

/** As from somebody without types. */
const js = (value: unknown): never => value as never;
const flow = workflow("flow", { input: typed<number[]>() });
const act = (): number => 1;
const jobs = { submit: () => 1, check: () => ({ done: true }) };

describe("of a workflow", () => {
  it.each<[string, () => unknown, RegExp]>([
    ["its own", () => workflow("w", js({ qeue: "q" })), /workflow w.*"qeue".*did you mean "queue"/],
    [
      "recovery",
      () => workflow("w", js({ recovery: { auto: true, attempts: 3 } })),
      /recovery.*"attempts".*"maxAttempts"/,
    ],
    [
      "backoff",
      () => workflow("w", js({ recovery: { auto: true, backoff: { initial: 1 } } })),
      /backoff.*"initial".*"initialBackoff"/,
    ],
    ["guardrails", () => workflow("w", js({ guardrails: { maxTime: 1 } })), /guardrails.*"maxTime"/],
    ["retention", () => workflow("w", js({ retention: { faild: 1 } })), /retention.*"faild".*"failed"/],
    ["classify", () => workflow("w", js({ classify: "TIMEOUT" })), /classify.*must be a function/],
    [
      "an input",
      () => workflow("w", js({ input: { jsonschema: { type: "object" } } })),
      /input of a workflow.*"jsonschema".*"jsonSchema"/,
    ],
    ["no options", () => workflow("w", js(null)), /give an object with options, not null/],
    [
      "an action",
      () => flow.action("a", js({ retires: {} }), act),
      /action a.*"retires".*did you mean "retry"/,
    ],
    ["a time-out", () => flow.action("a", js({ timeout: "5s" }), act), /"timeout".*"startToClose"/],
    ["items where there are none", () => flow.action("a", js({ items: "" }), act), /action a.*"items"/],
    [
      "retry",
      () => flow.action("a", js({ retry: { attempts: 3 } }), act),
      /retry in.*action a.*"attempts".*"maxAttempts"/,
    ],
    [
      "retry as a number",
      () => flow.action("a", js({ retry: 3 }), act),
      /retry in.*give an object with options, not a number/,
    ],
    [
      "a breaker",
      () => flow.action("a", js({ breaker: { threshold: 1 } }), act),
      /breaker in.*"threshold".*"failureRate"/,
    ],
    ["forEach", () => flow.forEach("a", js({ items: "", windw: 3 }), act), /"windw".*"window"/],
    [
      "tolerate",
      () => flow.forEach("a", js({ items: "", tolerate: { percents: 3 } }), act),
      /tolerate in.*"percents".*"percent"/,
    ],
    [
      "a source",
      () => flow.forEach("a", js({ outputOf: { actions: "b" } }), act),
      /outputOf in.*"actions".*"action"/,
    ],
    ["batch", () => flow.batch("a", js({ pollIntervall: 3 }), jobs), /"pollIntervall".*"pollInterval"/],
    [
      "polls",
      () => flow.batch("a", js({ pollInterval: { initail: 3 } }), jobs),
      /pollInterval in.*"initail".*"initial"/,
    ],
    [
      "handlers of jobs",
      () => flow.batch("a", {}, js({ ...jobs, cancle: act })),
      /handlers of action a.*"cancle".*"cancel"/,
    ],
    ["sleep", () => flow.sleep("a", js({ for: 1, affter: [] })), /"affter".*"after"/],
    ["signals", () => flow.waitForSignal("a", js({ sginal: "x" })), /"sginal".*"signal"/],
    ["approvals", () => flow.approval("a", js({ promt: "x" })), /"promt".*"prompt"/],
    [
      "children",
      () => flow.child("a", js({ workflow: "w", startToClos: 1 })),
      /"startToClos".*"startToClose"/,
    ],
    [
      "beside a handler",
      () => flow.action("a", {}, act, js({ udno: act })),
      /beside the handler of action a.*"udno".*"undo"/,
    ],
    ["an inherited name", () => flow.action("a", js({ constructor: 1 }), act), /"constructor"/],
  ])("%s", (_, make, message) => {
    expect(make).toThrow(
      expect.objectContaining({ code: "INVALID_DEFINITION", message: expect.stringMatching(message) }),
    );
  });

  it("what is undefined is not given, and an undo among the options is told its place", () => {
    expect(flow.action("a", js({ retires: undefined, queue: "q" }), act).definition.actions).toHaveLength(1);
    expect(() => flow.action("a", js({ undo: act }), act)).toThrow(/pass \{ undo \} after the handler/);
  });
});

describe("of a client, a worker and the testing kit", () => {
  let cluster: TestCluster;
  let client: Holdfast;

  beforeAll(async () => {
    cluster = await startTestCluster();
    client = cluster.holdfast;
  });
  afterAll(() => cluster.close());

  const ports = () => ({
    log: new MemoryCommandLog({ partitions: 1, nowNs: () => 0n }),
    bus: new MemoryNetwork({}).bus(),
    definitions: new MemoryDefinitions(),
    payloads: new MemoryPayloads(),
    close: () => Promise.resolve(),
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "connect",
      () => Holdfast.connect(js({ urls: "nats://127.0.0.1:1" })),
      /Holdfast.connect.*"urls".*"url"/,
    ],
    ["over", () => Holdfast.over(ports(), js({ nmae: "x" })), /"nmae".*"name"/],
    ["start", () => client.start(flow, [], js({ id: "r" })), /options of start.*"id".*"runId"/],
    [
      "what to do about a conflict",
      () => client.start(flow.action("a", act), [], js({ onConflict: "retrun" })),
      /onConflict is "retrun".*"return"/,
    ],
    ["retry", () => client.retry("r", js({ forced: true })), /options of retry.*"forced".*"force"/],
    [
      "a strategy",
      () => client.retry("r", js({ strategy: "RETRY_AL" })),
      /strategy is "RETRY_AL".*"RETRY_ALL"/,
    ],
    ["cancel", () => client.cancel("r", js({ reson: "x" })), /"reson".*"reason"/],
    ["pause", () => client.pause("r", js({ reson: "x" })), /options of pause/],
    ["resume", () => client.resume("r", js({ reson: "x" })), /options of resume/],
    ["signal", () => client.signal("r", "s", 1, js({ reqestId: "x" })), /"reqestId".*"requestId"/],
    ["approve", () => client.approve("r", js({ coment: "x" })), /options of approve.*"comment"/],
    ["reject", () => client.reject("r", js({ reason: "x" })), /options of reject.*"reason"/],
    ["moveToDeadLetters", () => client.moveToDeadLetters("r", js({ item: [1] })), /"item".*"items"/],
    ["discard", () => client.discard("r", js({ reason: "x", item: [1] })), /"item".*"items"/],
    ["list", () => client.list(js({ status: [] })), /options of list.*"status".*"statuses"/],
    ["items", () => client.items("r", js({ actions: "a" })), /"actions".*"action"/],
    ["failures", () => client.failures(js({ failed: true })), /"failed".*"failedOnly"/],
    ["deadLetters", () => client.deadLetters(js({ mode: [] })), /"mode".*"modes"/],
    ["putArtifact", () => client.putArtifact([], js({ type: "x" })), /"type".*"contentType"/],
    [
      "schedules",
      () => client.schedules.put("s", js({ workflow: "w", cron: "@daily", timezone: "UTC" })),
      /"timezone".*"timeZone"/,
    ],
    ["changes of schedules", () => client.schedules.pause("s", js({ reson: "x" })), /"reson".*"reason"/],
    ["lists of schedules", () => client.schedules.list(js({ page: 1 })), /"page"/],
    [
      "bulk.retry",
      () => client.bulk.retry(js({ workflow: "w", mode: ["TIMEOUT"] })),
      /bulk.retry.*"mode".*"modes"/,
    ],
    [
      "a canary",
      () => client.bulk.retry(js({ workflow: "w", canary: { frist: 1 } })),
      /canary.*"frist".*"first"/,
    ],
    ["modes", () => client.bulk.retry(js({ workflow: "w", modes: ["1"] })), /modes holds "1"/],
    ["bulk.cancel", () => client.bulk.cancel(js({ workflow: "w", force: true })), /bulk.cancel.*"force"/],
    ["bulk.list", () => client.bulk.list(js({ limits: 1 })), /"limits".*"limit"/],
    [
      "createWorker",
      () => createWorker(js({ connection: client, workflows: [flow], concurency: 1 })),
      /createWorker.*"concurency".*"concurrency"/,
    ],
    [
      "workflows of one name",
      () => createWorker({ connection: client, workflows: [flow, workflow(flow.name).action("b", act)] }),
      /workflow "flow" is there twice.*leave one out/,
    ],
    ["a worker without any", () => createWorker({ connection: client, workflows: [] }), /at least one/],
    [
      "limits of a worker",
      () => createWorker(js({ connection: client, workflows: [flow], limits: { beatMS: 1 } })),
      /limits.*"beatMS".*"beatMs"/,
    ],
    ["startTestCluster", () => startTestCluster(js({ partition: 1 })), /"partition".*"partitions"/],
    ["restartNode", () => cluster.restartNode(js({ loosState: true })), /"loosState".*"loseState"/],
    [
      "replaceHandlers",
      () => replaceHandlers(flow.batch("a", {}, jobs), js({ a: { chek: act } })),
      /"chek".*"check"/,
    ],
  ])("%s", async (_, call, message) => {
    await expect((async () => await call())()).rejects.toMatchObject({
      name: "HoldfastError",
      message: expect.stringMatching(message),
    });
  });
});

it("a handler's putArtifact and its steps have options of their own", async () => {
  const cluster = await startTestCluster();
  const once = { retry: { maxAttempts: 1 } } as const;
  const puts = workflow("puts").action(
    "act",
    once,
    (_, ctx) => ctx.putArtifact([], js({ nmae: "x" })) as Promise<unknown>,
  );
  const worker = await createWorker({ connection: cluster.holdfast, workflows: [puts] });
  const { view } = await cluster.run(puts, null);
  expect(view.actions[0]?.failure?.message).toMatch(/ctx.putArtifact.*"nmae".*"name"/);
  await worker.stop();
  await cluster.close();
});
