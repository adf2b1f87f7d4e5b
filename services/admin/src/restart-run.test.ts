/** RestartRun, with a real node, worker and client on ports in memory: what was wrong with an input is mended by another run in its place. */
import { RunStatus } from "@holdfast/proto";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type MemorySystem, memorySystem } from "./memory-system.js";

const ADDRESS = { type: "object", required: ["to"], properties: { to: { type: "string" }, pad: {} } };
const post = workflow("post", { input: typed<{ to: string; pad?: string }>(ADDRESS) }).action(
  "send",
  async ({ input }, ctx) => {
    if (input.to === "later")
      await new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve()));
    if (input.to === "nowhere") throw new ActionError("VALIDATION", "no such address");
    return input.to.length + (input.pad?.length ?? 0);
  },
);
const family = workflow("family", { input: typed<{ to: string }>(ADDRESS) }).child("letter", {
  workflow: post,
});

let system: MemorySystem;
let admin: MemorySystem["admin"];
beforeEach(async () => {
  system = await memorySystem([post, family]);
  admin = system.admin;
});
afterEach(() => system.close());

async function ended(runId: string) {
  await expect.poll(async () => (await admin.getRun({ runId })).run?.summary?.endedAt).toBeDefined();
  return (await admin.getRun({ runId })).run;
}
const failed = async (runId: string, input: unknown = { to: "nowhere" }) => {
  await admin.startRun({ workflow: "post", runId, inputJson: JSON.stringify(input), priority: 3 });
  return ended(runId);
};
const restartedAs = async (runId: string) =>
  (await admin.getRun({ runId })).run?.restartedAs.map((one) => one.runId);

it("with another input, a new run takes the place of the failed one, and each names the other", async () => {
  await failed("p1");
  const inputJson = JSON.stringify({ to: "Rome" });
  const answer = await admin.restartRun({ runId: "p1", inputJson, reason: "no such address" });
  expect(answer.runId).toMatch(/^p1-again-[0-9a-f]{10}$/);
  const run = await ended(answer.runId);
  expect(run?.summary).toMatchObject({ status: RunStatus.COMPLETED, workflow: "post", priority: 3 });
  expect(run?.restarts).toMatchObject({ runId: "p1", reason: "no such address" });
  await expect.poll(() => restartedAs("p1")).toEqual([answer.runId]);
  const old = (await admin.getRun({ runId: "p1" })).run;
  expect(old?.summary).toMatchObject({ status: RunStatus.FAILED, restartedAs: answer.runId });
  expect(old?.restartedAs[0]).toMatchObject({
    who: expect.stringContaining("ann"),
    reason: "no such address",
  });
  expect(old?.recommendation?.reason).toBe(`it was restarted as run ${answer.runId}`);
  const { runs } = await admin.listRuns({ workflow: "post", statuses: [RunStatus.FAILED] });
  expect(runs[0]?.restartedAs).toBe(answer.runId);
});

it.each([
  ["small", 10],
  ["beside the record", 3_000],
  ["by reference", 300_000],
])("without one, the input is the same again: %s", async (_what, chars) => {
  const input = { to: "nowhere", pad: "x".repeat(chars) };
  await failed("p1", input);
  const { runId } = await admin.restartRun({ runId: "p1", newRunId: "p2" });
  const run = await ended(runId);
  expect([runId, run?.summary?.status]).toEqual(["p2", RunStatus.FAILED]);
  expect(Buffer.from(run?.input?.body.value as Uint8Array).toString()).toBe(JSON.stringify(input));
});

it("the same request is the same run; with another input, or for an id that is taken, it is refused", async () => {
  await failed("p1");
  const inputJson = JSON.stringify({ to: "Rome" });
  const [a, b] = await Promise.all([
    admin.restartRun({ runId: "p1", inputJson, requestId: "q" }),
    admin.restartRun({ runId: "p1", inputJson, requestId: "q" }),
  ]);
  expect(a.runId).toBe(b.runId);
  await expect.poll(() => restartedAs("p1")).toEqual([a.runId]);
  // The old one was retried since: the request is no new restart for that.
  await admin.retryRun({ runId: "p1", force: true });
  expect((await admin.restartRun({ runId: "p1", inputJson, requestId: "q" })).runId).toBe(a.runId);
  await expect(
    admin.restartRun({ runId: "p1", inputJson: '{"to":"Bern"}', requestId: "q" }),
  ).rejects.toMatchObject({ code: "ALREADY_EXISTS", message: expect.stringContaining("another input") });
  await ended("p1");
  await expect(admin.restartRun({ runId: "p1", newRunId: a.runId })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    message: expect.stringContaining("choose another run id"),
  });
  expect(await restartedAs("p1")).toEqual([a.runId]);
});

it("what has not ended, is not there or does not fit is refused, and nothing begins", async () => {
  await admin.startRun({ workflow: "post", runId: "p1", inputJson: '{"to":"later"}' });
  await expect(admin.restartRun({ runId: "p1" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    message: expect.stringMatching(/^run p1 has not ended, it is \w+: cancel it first, then restart it$/),
  });
  await admin.cancelRun({ runId: "p1", graceMs: 0 });
  await ended("p1");
  await expect(admin.restartRun({ runId: "p1", inputJson: '{"to":7}' })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("does not match the input schema of workflow post"),
  });
  await expect(admin.restartRun({ runId: "p1", newRunId: "p1" })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
  });
  await expect(admin.restartRun({ runId: "nobody" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect((await admin.listRuns({})).runs.map(({ runId }) => runId)).toEqual(["p1"]);
  // Cancelled, it is restarted like any other.
  const { runId } = await admin.restartRun({ runId: "p1", inputJson: '{"to":"Rome"}' });
  expect((await ended(runId))?.summary?.status).toBe(RunStatus.COMPLETED);
});

it("a child is restarted as a run of its own, and the answer says so", async () => {
  await admin.startRun({ workflow: "family", runId: "f1", inputJson: '{"to":"nowhere"}' });
  const parent = await ended("f1");
  const child = parent?.actions[0]?.child?.runId ?? "";
  const answer = await admin.restartRun({ runId: child, inputJson: '{"to":"Rome"}' });
  expect(answer.parent).toMatchObject({ runId: "f1", action: "letter" });
  const run = await ended(answer.runId);
  expect([run?.summary?.status, run?.parent]).toEqual([RunStatus.COMPLETED, undefined]);
  expect((await admin.getRun({ runId: "f1" })).run?.summary?.status).toBe(RunStatus.FAILED);
});
