/** Starts are idempotent, answers are for ever, and who wrote reads what was written. Over the SDK and over gRPC. */
import { OnConflict, RunStatus } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import { ActionError, createWorker, type Holdfast, typed, workflow } from "@holdfast/sdk";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Admin, System } from "../support/system.js";
import { within } from "../support/wait.js";

let broken = true;
let invoked: string[] = [];
const fragile = workflow("fragile", { input: typed<{ n: number }>() }).action(
  "do",
  { retry: { maxAttempts: 1 } },
  ({ input }, ctx) => {
    invoked.push(ctx.runId);
    if (broken) throw new ActionError("VALIDATION", "it is broken");
    return input.n;
  },
);
const other = workflow("other").action("do", () => 1);

let system: System;
let admin: Admin;
let client: Holdfast;

beforeAll(async () => {
  system = await System.start();
  client = await system.connect();
  admin = await system.startAdmin();
  const connection = await system.connect("worker");
  const worker = await createWorker({ connection, workflows: [fragile, other] });
  system.onStop(async () => {
    await worker.stop();
  });
});
afterAll(() => system.stop());
beforeEach(() => {
  broken = false;
  invoked = [];
});

const end = (runId: string) => within(`run ${runId} to end`, client.wait(runId));
const refusal = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "accepted",
    (error: unknown) => error,
  );

async function failedRun(runId: string): Promise<void> {
  broken = true;
  await client.start(fragile, { n: 1 }, { runId });
  expect((await end(runId)).status).toBe(RunStatus.FAILED);
  broken = false;
}

describe("the same run id again", () => {
  test("is the same run, while it runs and after it completed", async () => {
    const starts = await Promise.all(
      Array.from({ length: 50 }, () => client.start(fragile, { n: 7 }, { runId: "same" })),
    );
    expect(starts.filter(({ existed }) => !existed)).toHaveLength(1);
    const results = await Promise.all(starts.map((run) => run.result()));
    expect(new Set(results)).toEqual(new Set([7]));
    const late = await client.start(fragile, { n: 8 }, { runId: "same" });
    expect([late.existed, await late.result()]).toEqual([true, 7]);
    expect(invoked).toEqual(["same"]);
    const overGrpc = await admin.call.startRun({ workflow: "fragile", runId: "same", inputJson: '{"n":9}' });
    expect(overGrpc).toMatchObject({ runId: "same", existed: true, status: RunStatus.COMPLETED });
  });

  test("of a failed run says that it failed, and offers the retry", async () => {
    await failedRun("failed");
    const again = await client.start(fragile, { n: 1 }, { runId: "failed" });
    expect([again.existed, again.statusAtStart]).toEqual([true, RunStatus.FAILED]);
    const error = await refusal(
      admin.call.startRun({ workflow: "fragile", runId: "failed", inputJson: '{"n":1}' }),
    );
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code: "FAILED_PRECONDITION" });
    expect(String(error)).toMatch(/failed.*RetryRun/);
    expect(invoked).toEqual(["failed"]);
  });

  test("is refused where a fresh run was asked for", async () => {
    await client.start(fragile, { n: 1 }, { runId: "taken" });
    const again = await refusal(client.start(fragile, { n: 1 }, { runId: "taken", onConflict: "reject" }));
    expect(again).toMatchObject({ code: "RUN_EXISTS" });
    const onConflict = OnConflict.REJECT;
    const overGrpc = await refusal(admin.call.startRun({ workflow: "fragile", runId: "taken", onConflict }));
    expect(overGrpc).toMatchObject({ code: "ALREADY_EXISTS" });
  });

  test("of another workflow is refused", async () => {
    await client.start(fragile, { n: 1 }, { runId: "owned" });
    expect(await refusal(client.start(other, null, { runId: "owned" }))).toMatchObject({
      code: "RUN_EXISTS",
    });
  });

  test("retries a failed run where that was asked for, and only a failed one", async () => {
    await failedRun("again");
    const retried = await client.start(fragile, { n: 1 }, { runId: "again", onConflict: "retry_if_failed" });
    expect(retried.existed).toBe(true);
    expect((await end("again")).status).toBe(RunStatus.COMPLETED);
    await client.start(fragile, { n: 1 }, { runId: "again", onConflict: "retry_if_failed" });
    expect(invoked).toEqual(["again", "again"]);
    expect((await client.get("again")).summary?.generation).toBe(2);
  });
});

test("a retry is answered once and for all under its request id", async () => {
  await failedRun("once-only");
  const request = { runId: "once-only", reason: "mended", requestId: "retry-1" };
  const first = await admin.call.retryRun(request);
  expect(first.actions).toBe(1);
  expect((await end("once-only")).status).toBe(RunStatus.COMPLETED);
  expect(await admin.call.retryRun(request)).toEqual(first);
  expect(invoked).toEqual(["once-only", "once-only"]);
  const another = await refusal(admin.call.retryRun({ ...request, requestId: "retry-2" }));
  expect(another).toMatchObject({ code: "FAILED_PRECONDITION" });
});

test("whoever has the sequence of a write reads that write", async () => {
  for (let n = 0; n < 40; n++) {
    const runId = `read-${n}`;
    const home = await client.start(fragile, { n }, { runId, startAt: new Date(Date.now() + 3_600_000) });
    const { seq } = await client.get(runId);
    await client.cancel(home.runId, { reason: "read back" });
    // The cancel's own sequence is above the one that the first view was of.
    const view = await client.queries.getRun(runId, { minSeq: seq + 1n });
    expect(view.summary?.status).toBe(RunStatus.CANCELLED);
  }
  const ahead = await refusal(client.queries.getRun("read-0", { minSeq: 10_000_000, timeoutMs: 1_000 }));
  expect(ahead).toMatchObject({ code: "UNAVAILABLE" });
});

test("a start for later waits, can be seen waiting, and comes", async () => {
  const startAt = new Date(Date.now() + 1_500);
  const run = await client.start(fragile, { n: 3 }, { runId: "later", startAt });
  expect(run.statusAtStart).toBe(RunStatus.PENDING);
  expect(await within("its end", run.result())).toBe(3);
  const { summary } = await client.get("later");
  const startedMs =
    Number(summary?.startedAt?.seconds ?? 0n) * 1_000 + (summary?.startedAt?.nanos ?? 0) / 1e6;
  expect(startedMs).toBeGreaterThanOrEqual(startAt.getTime());
});
