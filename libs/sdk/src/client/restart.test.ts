/** A client restarts runs, against the real engine in memory: typed, once for each request, and refused where it makes no sense. */
import { RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, expect, expectTypeOf, it } from "vitest";
import {
  ActionError,
  createWorker,
  type Holdfast,
  type RunHandle,
  typed,
  type Worker,
  workflow,
} from "../index.js";
import { startTestCluster, type TestCluster } from "../testing/index.js";

const SCHEMA = { type: "object", required: ["to"], properties: { to: { type: "string" } } };
const post = workflow("post", { input: typed<{ to: string }>(SCHEMA) }).action("send", ({ input }) => {
  if (input.to === "nowhere") throw new ActionError("VALIDATION", "no such address");
  return input.to.length;
});
const other = workflow("other").action("a", () => 1);

let cluster: TestCluster;
let holdfast: Holdfast;
let worker: Worker;
beforeEach(async () => {
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
  worker = await createWorker({ connection: holdfast, workflows: [post, other], stopTimeout: "1s" });
  await cluster.run(post, { to: "nowhere" }, { runId: "p1" });
});
afterEach(async () => {
  await worker.stop();
  await cluster.close();
});

it("with another input, of exactly this workflow: its output has its type", async () => {
  const handle = await holdfast.restart("p1", { workflow: post, input: { to: "Rome" }, reason: "a typo" });
  expectTypeOf(handle).toEqualTypeOf<RunHandle<number>>();
  expect(await handle.result()).toBe(4);
  expect((await handle.get()).restarts).toMatchObject({ runId: "p1", who: "sdk", reason: "a typo" });
  await expect
    .poll(async () => (await holdfast.get("p1")).restartedAs.map(({ runId }) => runId))
    .toEqual([handle.runId]);
  // @ts-expect-error: an input is of the workflow's type.
  const wrong = holdfast.restart("p1", { workflow: post, input: { to: 7 } });
  await expect(wrong).rejects.toMatchObject({ code: "INVALID_INPUT" });
});

it("by its id alone, it gets the input that it had; the same request is the same run", async () => {
  const [a, b] = [
    await holdfast.restart("p1", { requestId: "q" }),
    await holdfast.restart("p1", { requestId: "q" }),
  ];
  expect([a.runId === b.runId, (await a.ended()).status]).toEqual([true, RunStatus.FAILED]);
  await expect(holdfast.restart("p1", { requestId: "q", input: { to: "Rome" } })).rejects.toMatchObject({
    code: "RUN_EXISTS",
  });
  const named = await holdfast.restart("p1", { runId: "p2", input: { to: "Rome" } });
  expect([named.runId, await named.result()]).toEqual(["p2", 4]);
});

it("is refused where it makes no sense", async () => {
  await expect(holdfast.restart("nobody")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  await expect(holdfast.restart("p1", { input: { to: 7 } })).rejects.toMatchObject({ code: "INVALID_INPUT" });
  await expect(holdfast.restart("p1", { workflow: other, input: undefined })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("is of workflow post"),
  });
  await expect(holdfast.restart("p1", { runId: "p1" })).rejects.toMatchObject({ code: "RUN_EXISTS" });
  const pending = await holdfast.start(
    post,
    { to: "Rome" },
    { startAt: new Date(cluster.now().getTime() + 3.6e6) },
  );
  await expect(holdfast.restart(pending.runId)).rejects.toMatchObject({
    code: "NOT_ENDED",
    message: expect.stringContaining("cancel it first"),
  });
});
