/** The calls about one run, over a real gRPC port, against partitions that say what the test tells them to. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import { OnConflict, RecoveryStrategy, RejectCode, RunStatus, RunViewSchema } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { definitionOf, PARTITIONS, type ScriptedCluster, scriptedCluster } from "./scripted-cluster.js";

let cluster: ScriptedCluster;
beforeEach(async () => {
  cluster = await scriptedCluster();
  await cluster.definitions.put(definitionOf("orders"));
});
afterEach(() => cluster.close());

async function failure(promise: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof RpcError)) throw new Error(`expected an RpcError, got ${String(error)}`);
  return error;
}

const reject = (code: RejectCode, message: string, status = RunStatus.UNSPECIFIED) => {
  cluster.script.command = () => ({ case: "rejected", value: { code, message, status, runId: "r1" } });
};

describe("StartRun", () => {
  it.each([
    [1_900_000n, /1900000000 Unix milliseconds are 1970-01-22T23:46:40Z; as seconds they would be 2030-/],
    [1_900_000_000_000n, /are after the year 2200; as microseconds they would be 2030-03-17T17:46:40Z/],
    [-1n, /are before 1970/],
  ])("refuses a start at %s s, and says what it would have meant", async (seconds, why) => {
    const call = cluster.admin.startRun({ workflow: "orders", inputJson: '{"id": 7}', startAt: { seconds } });
    await expect(call).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/start_at/),
    });
    await expect(call).rejects.toThrow(why);
  });

  it("sends the input and all else to the run's partition", async () => {
    cluster.script.command = ({ kind }, partition) => {
      const runId = kind.case === "startRun" ? kind.value.runId : "";
      expect(partition).toBe(partitionOf(runId, PARTITIONS));
      return { case: "accepted", value: { runId, status: RunStatus.RUNNING } };
    };
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    const answer = await cluster.admin.startRun({
      workflow: "orders",
      runId: "r1",
      inputJson: '{"id": 7}',
      priority: 5,
      startAt: { seconds: 2_000_000_000n, nanos: 500_000_000 },
      traceparent,
    });
    expect(answer).toMatchObject({ runId: "r1", existed: false, status: RunStatus.RUNNING });
    const [command] = cluster.appended;
    expect(command?.id).not.toBe("");
    expect(command?.kind.value).toMatchObject({
      runId: "r1",
      workflow: "orders",
      definitionHash: "hash-of-orders",
      priority: 5,
      startAtNs: 2_000_000_000_500_000_000n,
      traceparent,
      origin: "admin, ann",
    });
    const input = command?.kind.case === "startRun" ? command.kind.value.input?.body : undefined;
    expect(input?.case === "inline" && Buffer.from(input.value).toString()).toBe('{"id": 7}');
  });

  it("makes a run id where none is given, and takes no input as null", async () => {
    cluster.script.command = ({ kind }) => ({
      case: "accepted",
      value: { runId: kind.case === "startRun" ? kind.value.runId : "" },
    });
    const { runId } = await cluster.admin.startRun({ workflow: "orders" });
    expect(runId).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
  });

  it("sends a large input by reference", async () => {
    await cluster.admin.startRun({ workflow: "orders", inputJson: JSON.stringify("x".repeat(2_000)) });
    const [command] = cluster.appended;
    const body = command?.kind.case === "startRun" ? command.kind.value.input?.body : undefined;
    if (body?.case !== "ref") throw new Error(`not by reference but ${body?.case}`);
    expect(await cluster.payloads.get(body.value)).toHaveLength(2_002);
  });

  it("brings the definition to a partition that missed its registration", async () => {
    let known = false;
    cluster.script.command = ({ kind }) => {
      if (kind.case === "defineWorkflow") known = kind.value.hash === "hash-of-orders";
      return known
        ? { case: "accepted", value: { runId: "r1" } }
        : { case: "rejected", value: { code: RejectCode.UNKNOWN_WORKFLOW, message: "not registered" } };
    };
    expect((await cluster.admin.startRun({ workflow: "orders", runId: "r1" })).runId).toBe("r1");
    expect(cluster.appended.map(({ kind }) => kind.case)).toEqual(["startRun", "defineWorkflow", "startRun"]);
  });

  it("says which workflows there are where it is none of them", async () => {
    await cluster.definitions.put(definitionOf("billing"));
    const error = await failure(cluster.admin.startRun({ workflow: "odrers" }));
    expect(error).toMatchObject({
      code: "NOT_FOUND",
      message: "workflow odrers is not registered; registered are billing, orders",
    });
  });

  it("checks the input against the workflow's schema and names the first wrong place", async () => {
    const properties = { id: { type: "integer" }, mail: { type: "string" } };
    await cluster.definitions.put(definitionOf("strict", { type: "object", required: ["id"], properties }));
    const error = await failure(cluster.admin.startRun({ workflow: "strict", inputJson: '{"mail": 3}' }));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain("the input must have required property 'id'");
    expect(error.details["reason"]).toBe("SCHEMA_MISMATCH");
    expect(cluster.appended).toEqual([]);
  });

  it("says where the input stops being JSON", async () => {
    const error = await failure(
      cluster.admin.startRun({ workflow: "orders", inputJson: '{"a": 1,\n "b": }' }),
    );
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toBe('input_json: it is not usable JSON: "}" can\'t stand at line 2, column 7');
    expect(error.details).toMatchObject({ line: 2, column: 7 });
  });

  it("returns a run that is there, but says so where it failed", async () => {
    let status = RunStatus.COMPLETED;
    cluster.script.command = () => ({ case: "accepted", value: { runId: "r1", existed: true, status } });
    const start = (onConflict = OnConflict.UNSPECIFIED) =>
      cluster.admin.startRun({ workflow: "orders", runId: "r1", onConflict });
    expect(await start()).toMatchObject({ existed: true, status: RunStatus.COMPLETED });
    status = RunStatus.COMPLETED_WITH_FAILURES;
    expect(await start()).toMatchObject({ existed: true });
    status = RunStatus.FAILED;
    expect(await failure(start())).toMatchObject({
      code: "FAILED_PRECONDITION",
      details: { status: "FAILED" },
    });
    expect((await failure(start())).message).toContain("RetryRun");
    status = RunStatus.RUNNING;
    expect(await start(OnConflict.RETRY_IF_FAILED)).toMatchObject({
      existed: true,
      status: RunStatus.RUNNING,
    });
  });

  it("refuses an existing run where it is asked to", async () => {
    reject(RejectCode.RUN_EXISTS, "run r1 exists, RUNNING: choose another run id", RunStatus.RUNNING);
    const error = await failure(
      cluster.admin.startRun({ workflow: "orders", runId: "r1", onConflict: OnConflict.REJECT }),
    );
    expect(error).toMatchObject({
      code: "ALREADY_EXISTS",
      details: { reason: "RUN_EXISTS", status: "RUNNING" },
    });
  });
});

describe("RetryRun and CancelRun", () => {
  it.each([
    [RejectCode.NOT_FAILED, "run r1 is not failed: it is COMPLETED", "FAILED_PRECONDITION"],
    [RejectCode.TERMINAL_MODE, "run r1 failed with SYSTEM_CRASH: retry it with force", "FAILED_PRECONDITION"],
    [RejectCode.RUN_NOT_FOUND, "there is no run r1", "NOT_FOUND"],
    [RejectCode.NOT_RECOVERABLE, "run r1 was cancelled by request", "FAILED_PRECONDITION"],
    [RejectCode.EXPIRED_COMMAND, "the command is too old", "FAILED_PRECONDITION"],
    [RejectCode.UNSUPPORTED, "strategy RETRY_ALL is not supported", "INVALID_ARGUMENT"],
    [RejectCode.ALREADY_ENDED, "run r1 has ended already: it is FAILED", "FAILED_PRECONDITION"],
  ])("a refusal %s keeps its words and becomes a status", async (code, message, expected) => {
    reject(code, message);
    const retry = await failure(cluster.admin.retryRun({ runId: "r1" }));
    const cancel = await failure(cluster.admin.cancelRun({ runId: "r1" }));
    expect(retry).toMatchObject({
      code: expected,
      message,
      details: { reason: RejectCode[code], runId: "r1" },
    });
    expect(cancel).toMatchObject({ code: expected, message });
  });

  it("SignalRun and DecideApproval say who, check what they carry, and keep a refusal's words", async () => {
    await cluster.admin.signalRun({ runId: "r1", name: "paid", payloadJson: '{"amount":3}' });
    await cluster.admin.decideApproval({ runId: "r1", approved: true, comment: "fine" });
    expect(cluster.appended[0]?.kind).toMatchObject({
      case: "signalRun",
      value: { name: "paid", who: "ann" },
    });
    expect(cluster.appended[1]?.kind).toMatchObject({
      case: "decideApproval",
      value: { approved: true, comment: "fine", who: "ann", action: "" },
    });
    for (const wrong of [
      cluster.admin.signalRun({ runId: "r1", name: "no way" }),
      cluster.admin.signalRun({ runId: "r1", name: "paid", payloadJson: "{" }),
      cluster.admin.decideApproval({ runId: "r1", action: "a.b" }),
      cluster.admin.decideApproval({ runId: "r1", comment: "x".repeat(600) }),
    ]) {
      expect((await failure(wrong)).code).toBe("INVALID_ARGUMENT");
    }
    reject(RejectCode.NOT_WAITING, "in run r1 nothing waits");
    const error = await failure(cluster.admin.decideApproval({ runId: "r1" }));
    expect(error).toMatchObject({ code: "FAILED_PRECONDITION", message: "in run r1 nothing waits" });
  });

  it("every refusal the contract knows has a status, none of them INTERNAL or UNKNOWN", async () => {
    for (const code of Object.values(RejectCode).filter((value) => typeof value === "number")) {
      reject(code, "");
      const error = await failure(cluster.admin.retryRun({ runId: "r1" }));
      expect(["INTERNAL", "UNKNOWN"]).not.toContain(error.code);
      expect(error.message).not.toBe("");
    }
  });

  it("says what set off, who asked and why", async () => {
    cluster.script.command = () => ({
      case: "accepted",
      value: { status: RunStatus.RUNNING, items: 3, actions: 1 },
    });
    const answer = await cluster.admin.retryRun({ runId: "r1", reason: "mended", force: true });
    expect(answer).toMatchObject({ runId: "r1", status: RunStatus.RUNNING, items: 3, actions: 1 });
    expect(cluster.appended[0]?.kind.value).toMatchObject({ who: "ann", reason: "mended", force: true });
    expect(await cluster.admin.cancelRun({ runId: "r1", reason: "enough" })).toMatchObject({ runId: "r1" });
    expect(cluster.appended[1]?.kind.value).toMatchObject({ who: "ann", reason: "enough" });
  });

  it("makes one command of one request id, run and kind, and another of any other", async () => {
    await cluster.admin.retryRun({ runId: "r1", requestId: "x" });
    await cluster.admin.retryRun({ runId: "r1", requestId: "x" });
    await cluster.admin.retryRun({ runId: "r2", requestId: "x" });
    await cluster.admin.cancelRun({ runId: "r1", requestId: "x" });
    await cluster.admin.retryRun({ runId: "r1" });
    await cluster.admin.retryRun({ runId: "r1" });
    const ids = cluster.appended.map(({ id }) => id);
    expect(ids[0]).toBe(ids[1]);
    expect(new Set(ids).size).toBe(5);
    for (const { issuedAtNs } of cluster.appended)
      expect(issuedAtNs).toBeGreaterThan(1_600_000_000_000_000_000n);
  });

  it("takes no advice for a strategy", async () => {
    for (const strategy of [RecoveryStrategy.MANUAL, RecoveryStrategy.ABORT]) {
      expect((await failure(cluster.admin.retryRun({ runId: "r1", strategy }))).code).toBe(
        "INVALID_ARGUMENT",
      );
    }
  });
});

describe("GetRun", () => {
  it("brings payloads that are kept elsewhere, as far as there is room", async () => {
    const small = await cluster.payloads.put(Buffer.from('"small"'));
    cluster.script.query = (kind) => {
      if (kind.case === "getPayload")
        return { case: "payload", value: { body: { case: "inline", value: Buffer.from("[1]") } } };
      return {
        case: "run",
        value: create(RunViewSchema, {
          summary: { runId: "r1" },
          input: { body: { case: "stored", value: 3 } },
          output: { body: { case: "ref", value: small } },
          actions: [
            { name: "load", output: { body: { case: "ref", value: { name: "big", size: 1n << 40n } } } },
          ],
        }),
      };
    };
    const { run } = await cluster.admin.getRun({ runId: "r1" });
    const text = (value: unknown): string => Buffer.from(value as Uint8Array).toString();
    expect(text(run?.input?.body.value)).toBe("[1]");
    expect(text(run?.output?.body.value)).toBe('"small"');
    expect(run?.actions[0]?.output?.body).toMatchObject({ case: "ref", value: { size: 1n << 40n } });
  });

  it("is NOT_FOUND where there is none or none yet, and UNAVAILABLE naming the partition that is silent", async () => {
    expect((await failure(cluster.admin.getRun({ runId: "r1" }))).code).toBe("NOT_FOUND");
    await cluster.work.publish({
      subject: "holdfast.work.orders",
      data: Buffer.from("{}"),
      headers: { "Holdfast-Run-Id": "r1" },
    });
    expect(await failure(cluster.admin.getRun({ runId: "r1" }))).toMatchObject({
      code: "NOT_FOUND",
      details: { reason: "NOT_BEGUN" },
      message: expect.stringMatching(/^run r1 is accepted and not begun/),
    });
    cluster.script.query = () => "silent";
    const error = await failure(cluster.admin.getRun({ runId: "r1" }, { timeoutMs: 700 }));
    const partition = partitionOf("r1", PARTITIONS);
    expect(error).toMatchObject({ code: "UNAVAILABLE", details: { partition } });
    expect(error.message).toContain(`partition ${partition}`);
  });
});

describe("ListItems", () => {
  const view = (actions: { name: string; over: boolean }[]) => {
    cluster.script.query = (kind) =>
      kind.case === "listItems"
        ? { case: "items", value: { items: [{ index: 4 }], more: true, nextIndex: 5, counts: { total: 9 } } }
        : {
            case: "run",
            value: create(RunViewSchema, {
              summary: { runId: "r1" },
              actions: actions.map(({ name, over }) => (over ? { name, items: { total: 9 } } : { name })),
            }),
          };
  };

  it("takes the only action over items where none is named, and pages on under the same question", async () => {
    view([
      { name: "load", over: false },
      { name: "check", over: true },
    ]);
    const first = await cluster.admin.listItems({ runId: "r1" });
    expect(first).toMatchObject({ action: "check", counts: { total: 9 }, items: [{ index: 4 }] });
    const second = await cluster.admin.listItems({ runId: "r1", pageToken: first.nextPageToken });
    expect(second.items).toHaveLength(1);
    const other = failure(cluster.admin.listItems({ runId: "r2", pageToken: first.nextPageToken }));
    expect((await other).code).toBe("INVALID_ARGUMENT");
  });

  it("names the choices where there are several, and the actions where there is none", async () => {
    view([
      { name: "check", over: true },
      { name: "send", over: true },
    ]);
    expect(await failure(cluster.admin.listItems({ runId: "r1" }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      details: { choices: ["check", "send"] },
    });
    view([{ name: "load", over: false }]);
    expect((await failure(cluster.admin.listItems({ runId: "r1" }))).code).toBe("FAILED_PRECONDITION");
  });
});
