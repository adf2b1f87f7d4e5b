/** What operators do over gRPC, on the real parts: decide, pause, resume, cancel, verify, and be told. */
import { join } from "node:path";
import { ActionStatus, AttentionKind, type RunView, RunStatus } from "@holdfast/proto";
import type { Holdfast } from "@holdfast/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Child } from "../support/child.js";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { viewProblems } from "../support/run-rules.js";
import { type Admin, System } from "../support/system.js";
import { until, within } from "../support/wait.js";

const MODULES = ["test/e2e/operators-workflow.ts"];

let system: System;
let admin: Admin;
let client: Holdfast;
let worker: Child;
let effects: string;
const startWorker = (): Promise<Child> =>
  system.startWorker({ modules: MODULES, env: { [EFFECTS_FILE]: effects } });

beforeAll(async () => {
  system = await System.start();
  effects = join(system.folder, "effects");
  client = await system.connect();
  admin = await system.startAdmin();
  worker = await startWorker();
});
afterAll(() => system.stop());

async function shown(runId: string): Promise<RunView> {
  const { run } = await admin.call.getRun({ runId });
  if (run === undefined) throw new Error(`run ${runId} is not shown`);
  return run;
}

describe("an operator", () => {
  test("sends the signal and the approval that a run waits for", async () => {
    const handle = await client.start("order", {}, { runId: "o-1" });
    expect(
      (await admin.call.signalRun({ runId: "o-1", name: "paid", payloadJson: '{"cents": 300}' })).status,
    ).toBe(RunStatus.RUNNING);
    await until("the approval to be asked for", async () => {
      const release = (await shown("o-1")).actions.find(({ name }) => name === "release");
      return release?.status === ActionStatus.WAITING && release.detail.includes("send it?");
    });
    await admin.call.decideApproval({ runId: "o-1", approved: true, comment: "goes out" });
    expect(await within("the end", handle.result())).toEqual({ cents: 300, by: "goes out" });
    expect((await shown("o-1")).actions.find(({ name }) => name === "release")?.detail).toBe(
      "approved by a test: goes out",
    );
  });

  test("is told of a run that nobody recovers, as it ends", async () => {
    const stop = new AbortController();
    const told: string[] = [];
    let watching = false;
    const watch = (async () => {
      for await (const { attention } of admin.call.watchAttention({}, { signal: stop.signal })) {
        watching = true;
        if (attention !== undefined)
          told.push(`${AttentionKind[attention.kind]} ${attention.runId} ${attention.message}`);
      }
    })().catch(() => undefined);
    await until("the watch", () => watching);
    const handle = await client.start("broken", {}, { runId: "b-1" });
    await within("the end", handle.ended());
    await until("to be told", () => told.length > 0);
    expect(told[0]).toMatch(/^MANUAL b-1 run b-1 failed and is not recovered by itself: VALIDATION/);
    const { attentions } = await admin.call.listAttention({ workflow: "broken" });
    expect(attentions.map(({ kind, runId }) => [AttentionKind[kind], runId])).toEqual([["MANUAL", "b-1"]]);
    stop.abort();
    await watch;
  });

  test("restarts a run whose input was wrong: each of the two names the other", async () => {
    const failed = await client.start("parcel", { to: "nowhere" }, { runId: "p-1" });
    await within("the end", failed.ended());
    const { runId } = await admin.call.restartRun({
      runId: "p-1",
      inputJson: '{"to":"Rome"}',
      reason: "a typo",
    });
    await until("the old run to be told", async () => (await shown("p-1")).restartedCount === 1);
    await until("the end", async () => (await shown(runId)).summary?.status === RunStatus.COMPLETED);
    expect(await shown(runId)).toMatchObject({ restarts: { runId: "p-1", who: "a test", reason: "a typo" } });
    const old = await shown("p-1");
    expect(old.restartedAs).toMatchObject([{ runId, reason: "a typo" }]);
    expect(old.events.at(-1)).toMatchObject({ type: "run_restarted", status: "FAILED" });
    const { attentions } = await admin.call.listAttention({ workflow: "parcel" });
    expect(attentions).toEqual([]);
    expect(viewProblems(old)).toEqual([]);
  });

  test("pauses a run whose worker is then killed; resumed, it goes on elsewhere", async () => {
    const handle = await client.start("chain", {}, { runId: "c-1" });
    await until("its first attempt", () => effectsOf(effects).get("c-1/first") === 1);
    expect((await admin.call.pauseRun({ runId: "c-1", reason: "look first" })).status).toBe(RunStatus.PAUSED);
    await worker.kill();
    worker = await startWorker();
    await until("the lost attempt to be told", async () =>
      (await shown("c-1")).events.some(
        ({ type, detail }) => type === "attempt_failed" && detail.includes("WORKER_LOST"),
      ),
    );
    const paused = await shown("c-1");
    expect(paused.summary).toMatchObject({
      status: RunStatus.PAUSED,
      detail: "paused by a test: look first",
    });
    expect(effectsOf(effects).get("c-1/first")).toBe(1);
    expect((await admin.call.resumeRun({ runId: "c-1" })).status).toBe(RunStatus.RUNNING);
    expect(await within("the end", handle.result())).toBe(2);
    expect(viewProblems(await shown("c-1"))).toEqual([]);
  });

  test("pauses a workflow: what is started waits, and goes when it is resumed", async () => {
    await admin.call.pauseWorkflow({ workflow: "order", reason: "stock-taking" });
    await expect(admin.call.pauseWorkflow({ workflow: "order" })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    const handle = await client.start("order", {}, { runId: "o-2" });
    await admin.call.signalRun({ runId: "o-2", name: "paid", payloadJson: '{"cents": 1}' });
    await until("the approval to be asked for", async () =>
      (await shown("o-2")).actions.some(
        ({ name, status }) => name === "release" && status === ActionStatus.WAITING,
      ),
    );
    await admin.call.decideApproval({ runId: "o-2", approved: true });
    const view = await shown("o-2");
    expect(view.workflowPaused).toMatch(/^workflow "order" is paused by a test since .+: stock-taking$/);
    expect(view.summary?.status).toBe(RunStatus.RUNNING);
    const { workflows } = await admin.call.listWorkflows({});
    expect(workflows.find(({ name }) => name === "order")?.paused).toBe(view.workflowPaused);
    await admin.call.resumeWorkflow({ workflow: "order" });
    expect(await within("the end", handle.result())).toEqual({ cents: 1, by: "" });
  });

  test("cancels with a grace: who obeys ends well, who does not is cancelled when it is over", async () => {
    const handle = await client.start("stopping", {}, { runId: "s-1" });
    await until("both to be under way", () =>
      ["obeys", "deaf"].every((name) => effectsOf(effects).has(`s-1/${name}`)),
    );
    const { status } = await admin.call.cancelRun({ runId: "s-1", reason: "wrong day", graceMs: 1_500 });
    expect(status).toBe(RunStatus.RUNNING);
    expect((await shown("s-1")).summary?.detail).toMatch(
      /^cancelling by a test: wrong day; what still runs has until /,
    );
    expect((await within("the end", handle.ended())).status).toBe(RunStatus.CANCELLED);
    const view = await shown("s-1");
    expect(viewProblems(view)).toEqual([]);
    expect(view.actions.map(({ name, status: at }) => `${name} ${ActionStatus[at]}`)).toEqual([
      "obeys COMPLETED",
      "deaf CANCELLED",
      "after CANCELLED",
    ]);
  });

  test("has every run verified, partition by partition, and finds every rule kept", async () => {
    let runs = 0n;
    let done = false;
    for await (const answer of admin.call.check({})) {
      expect(answer.breaches).toEqual([]);
      runs = answer.checkedRuns;
      done = answer.done;
    }
    expect(done).toBe(true);
    expect(runs).toBe(7n);
  });

  test("shortens a retention: what ended goes, and whoever asks is told when and why", async () => {
    await admin.call.setRetention({
      workflow: "chain",
      policy: { completedRetentionS: 1 },
      reason: "disk",
    });
    await until("the run to be pruned", async () => {
      const { workflows } = await admin.call.getRetention({ workflow: "chain", sweeps: 5 });
      return workflows[0]?.pruned.some(({ counts }) => counts.some(({ runs }) => runs === 1n)) === true;
    });
    const gone =
      /^run c-1 of workflow "chain" ended COMPLETED at .+ and was pruned at .+: completed runs are kept 1 s/;
    await expect(shown("c-1")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringMatching(gone),
    });
    const results: string[] = [];
    for await (const { kind } of admin.call.retryFailed({ runIds: ["c-1"] })) {
      if (kind.case === "result") results.push(kind.value.reason);
      if (kind.case === "outcome") expect(kind.value).toMatchObject({ matched: 0n, prunedPastRetention: 1n });
    }
    expect(results[0]).toMatch(gone);
    const { workflows, sweeps } = await admin.call.getRetention({ sweeps: 5 });
    expect(workflows.find(({ workflow }) => workflow === "chain")?.changed).toMatch(
      /^changed by a test at .+: disk$/,
    );
    expect(sweeps[0]).toMatchObject({ scanned: 1n, carriedForward: 0n });
  });
});
