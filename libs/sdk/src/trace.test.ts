/** The trace that a run belongs to, as all of its handlers get it: the same through every attempt, recovery, retry, child and undo. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { ActionError, createWorker, type Holdfast, type Worker, workflow } from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";

let cluster: TestCluster;
let holdfast: Holdfast;
let worker: Worker | undefined;
beforeEach(async () => {
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
});
afterEach(async () => {
  await worker?.stop();
  worker = undefined;
  await cluster.close();
});

const GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";

const seen: [string, string][] = [];
const note = (what: string, { traceparent }: { readonly traceparent: string }): void =>
  void seen.push([what, traceparent]);

const child = workflow("child").action("work", (_args, ctx) => note("child", ctx));
const traced = workflow("traced", {
  recovery: { auto: true, maxAttempts: 1, backoff: { initialBackoff: 1 } },
})
  .action("book", (_args, ctx) => note("book", ctx), { undo: (_args, ctx) => note("undo", ctx) })
  .child("below", { workflow: child, after: ["book"] })
  .action(
    "pay",
    { after: ["below"], retry: { maxAttempts: 2, initialBackoff: 1, jitter: 0 } },
    (_args, ctx) => {
      note(`pay ${ctx.attempt}`, ctx);
      throw new ActionError("NETWORK", "line cut");
    },
    {
      recover: (_args, _error, ctx) => {
        note("recover", ctx);
        throw new ActionError("NETWORK", "still cut");
      },
    },
  );

it.each([
  ["that it was started with", GIVEN],
  ["of its own, where none was given", undefined],
])("is the one %s, everywhere", async (_what, traceparent) => {
  seen.length = 0;
  worker = await createWorker({ connection: holdfast, workflows: [child, traced], stopTimeout: 50 });
  const { view, status } = await cluster.run(traced, {}, traceparent === undefined ? {} : { traceparent });
  expect(status).toBe("FAILED");
  await holdfast.retry(view.summary?.runId ?? "", { force: true });
  const ended = await holdfast.wait(view.summary?.runId ?? "");
  const again = await holdfast.get(ended.runId);
  const what = new Set(seen.map(([name]) => name.replace(/\d+/, "")));
  expect(what).toEqual(new Set(["book", "child", "pay ", "recover", "undo"]));
  expect(seen.length).toBeGreaterThan(10);
  expect(new Set(seen.map(([, trace]) => trace))).toEqual(new Set([again.traceparent]));
  expect(again.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  for (const { partial } of [view, again]) expect(partial?.traceId).toBe(again.traceparent.split("-")[1]);
  if (traceparent !== undefined) expect(again.partial?.traceId).toBe(TRACE_ID);
});
