/** Operations on many runs through the client, against the real engine in memory. */
import { FailureMode } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ActionError,
  type BulkProgress,
  type BulkRunResult,
  createWorker,
  type Holdfast,
  RunStatus,
  type Worker,
  workflow,
} from "../index.js";
import { startTestCluster, type TestCluster } from "../testing/index.js";

let broken = true;
const orders = workflow("orders", { queue: "tills" }).action(
  "pay",
  { retry: { maxAttempts: 1 } },
  ({ input }) => {
    if (broken) throw new ActionError(input === "stolen" ? "POLICY_SECURITY" : "NETWORK", "the bank is away");
    return input;
  },
);
const patient = workflow("patient")
  .approval("wait")
  .action("go", { after: ["wait"] }, () => 1);

let cluster: TestCluster;
let holdfast: Holdfast;
let worker: Worker;
beforeEach(async () => {
  broken = true;
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
  worker = await createWorker({ connection: holdfast, workflows: [orders, patient], stopTimeout: "1s" });
});
afterEach(async () => {
  await worker.stop();
  await cluster.close();
});

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `o-${i}`);

async function fail(runIds: readonly string[], input: unknown = "card"): Promise<void> {
  await Promise.all(runIds.map((runId) => holdfast.start(orders, input, { runId })));
  await Promise.all(runIds.map((runId) => holdfast.wait(runId)));
}

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const each of list) seen.push(each);
  return seen;
}
const named = (results: readonly BulkRunResult[]): string[] =>
  results.map(({ runId, kind }) => `${runId} ${kind}`).toSorted();

describe("a bulk retry", () => {
  it("sets off what failed, tells of each run once, and says what it came to", async () => {
    await fail(ids(5));
    await fail(["thief"], "stolen");
    broken = false;
    const operation = await holdfast.bulk.retry({ workflow: orders, reason: "the bank is back" });
    expect(operation.existed).toBe(false);
    const results = await all(operation.results());
    expect(named(results)).toEqual([...ids(5).map((runId) => `${runId} DONE`), "thief REFUSED"]);
    expect(results.find(({ kind }) => kind === "REFUSED")?.reason).toContain("POLICY_SECURITY");
    const outcome = await operation.ended();
    expect(outcome).toMatchObject({
      kind: "RETRY",
      status: "COMPLETED",
      isEnded: true,
      matched: 6,
      done: 5,
      raced: 0,
      refused: 1,
      pruned: 0,
      left: 0,
    });
    expect(outcome.refusals).toMatchObject([{ count: 1 }]);
    expect(outcome.keptUntil?.getTime()).toBeGreaterThan(cluster.now().getTime());
    const ends = await Promise.all(ids(5).map((runId) => holdfast.wait(runId)));
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set([RunStatus.COMPLETED]));
    // Whoever comes later is told the same, through another client.
    const again = cluster.client().bulk.operation(operation.operationId);
    expect(named(await all(again.results()))).toEqual(named(results));
  });

  it("is followed: how far it is, up to its end, each time something has changed", async () => {
    await fail(ids(8));
    broken = false;
    const operation = await holdfast.bulk.retry({ queue: "tills", canary: { first: 2, later: 3 } });
    const seen: BulkProgress[] = await all(operation.progress());
    expect(seen.at(-1)).toMatchObject({ status: "COMPLETED", done: 8, found: 8, total: 8 });
    expect(seen.slice(0, -1).every(({ isEnded }) => !isEnded)).toBe(true);
    const done = seen.map((each) => each.done);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(seen.at(-1)?.wave).toBe(3);
  });

  it("halts where its canary heals nothing", async () => {
    await fail(ids(4));
    const operation = await holdfast.bulk.retry({ workflow: "orders", canary: { first: 1 } });
    expect(await operation.ended()).toMatchObject({ status: "HALTED", done: 1, left: 3 });
  });

  it("waits for time to pass where a wave does, and time skips", async () => {
    const slow = workflow("slow").action("a", { retry: { maxAttempts: 3, initialBackoff: "1h" } }, () => {
      if (broken) throw new ActionError("NETWORK", "away");
      return 1;
    });
    const other = await createWorker({ connection: holdfast, workflows: [slow], stopTimeout: "1s" });
    await Promise.all(ids(2).map((runId) => cluster.run(slow, null, { runId })));
    const beganMs = cluster.now().getTime();
    const operation = await holdfast.bulk.retry({ workflow: slow, canary: { first: 1 } });
    expect(await operation.ended()).toMatchObject({ status: "HALTED", done: 1, left: 1 });
    const hours = (cluster.now().getTime() - beganMs) / 3_600_000;
    expect([hours > 1, hours < 12]).toEqual([true, true]);
    await other.stop();
  });

  it("says what it would do, and comes to no more than it may", async () => {
    await fail(ids(4));
    broken = false;
    const dry = await holdfast.bulk.retry({ runIds: [...ids(4), "nobody", "o-0"], dryRun: true });
    expect(named(await all(dry.results()))).toEqual([
      "nobody REFUSED",
      ...ids(4).map((runId) => `${runId} DONE`),
    ]);
    expect((await holdfast.get("o-0")).summary?.generation).toBe(1);
    const some = await holdfast.bulk.retry({ workflow: orders, limit: 3, strategy: "RECOMMENDED" });
    expect(await some.ended()).toMatchObject({ done: 3, found: 4, total: 3, dryRun: false });
  });

  it("refuses what of a list can be no run id, with its place, and sets off the others", async () => {
    await fail(ids(2));
    broken = false;
    const list = ["o-0", "a/b", "o-1", "\ud800", "o-0", 7, null, undefined, {}, Symbol("x")] as string[];
    const operation = await holdfast.bulk.retry({ runIds: list });
    const results = await all(operation.results());
    const outcome = await operation.ended();
    expect(outcome).toMatchObject({ matched: 9, done: 2, refused: 7, found: 9, total: 9, left: 0 });
    expect(outcome.refusals).toEqual([{ why: "not a run id", count: 7 }]);
    expect(results.filter(({ kind }) => kind === "REFUSED").map(({ runId }) => runId)).toEqual([
      '"a/b"',
      '"\\ud800"',
      '"(number) 7"',
      '"(null)"',
      '"(undefined)"',
      '"(object)"',
      '"(symbol)"',
    ]);
    expect(results[0]?.reason).toBe(
      "number 2 of the 10 run ids is not valid: use 1 to 128 of A-Z a-z 0-9 _ -",
    );
  });

  it("takes what failed alike, or in a mode, or in a time", async () => {
    await fail(ids(2));
    await fail(["thief"], "stolen");
    const { signatures } = await holdfast.failures({ workflow: "orders" });
    const id = signatures.find(({ mode }) => mode === FailureMode.NETWORK)?.id ?? "";
    const dryRun = true;
    const runsOf = async (options: Parameters<typeof holdfast.bulk.retry>[0]): Promise<number> =>
      (await (await holdfast.bulk.retry(options)).ended()).matched;
    expect(await runsOf({ signature: id, dryRun })).toBe(2);
    expect(await runsOf({ workflow: orders, modes: ["POLICY_SECURITY"], dryRun })).toBe(1);
    expect(await runsOf({ workflow: orders, endedUntil: new Date(0 + 1), dryRun })).toBe(0);
    expect(await runsOf({ workflow: orders, endedFrom: new Date(1), dryRun })).toBe(3);
  });

  it("under the same id begins nothing new", async () => {
    await fail(ids(2));
    const first = await holdfast.bulk.retry({ workflow: orders, operationId: "monday" });
    await first.ended();
    const second = await cluster.client().bulk.retry({ workflow: orders, operationId: "monday" });
    expect([second.existed, await second.get()]).toEqual([true, await first.get()]);
    expect((await holdfast.bulk.list()).map(({ operationId }) => operationId)).toEqual(["monday"]);
  });

  it("counts what was pruned before it could be retried", async () => {
    await fail(ids(2));
    await cluster.advance("8d");
    const gone = (): Promise<unknown> => holdfast.get("o-1").catch(({ code }) => code);
    await expect.poll(gone).toBe("RUN_NOT_FOUND");
    const outcome = await (await holdfast.bulk.retry({ workflow: orders })).ended();
    expect(outcome).toMatchObject({ matched: 0, pruned: 2 });
    expect(outcome.prunedFrom?.getTime()).toBeLessThanOrEqual(outcome.prunedUntil?.getTime() ?? 0);
  });
});

describe("other operations", () => {
  it("cancel what goes on", async () => {
    for (const runId of ids(3)) await holdfast.start(patient, null, { runId });
    const operation = await holdfast.bulk.cancel({ workflow: patient, reason: "wrong release", grace: 0 });
    expect(await operation.ended()).toMatchObject({ kind: "CANCEL", done: 3 });
    expect((await holdfast.wait("o-0")).detail).toContain("wrong release");
  });

  it("put aside what failed, and give it up", async () => {
    await fail(ids(3));
    const moving = await holdfast.bulk.moveToDeadLetters({ runIds: ids(2), reason: "asked" });
    expect(await moving.ended()).toMatchObject({ kind: "MOVE_TO_DEAD_LETTERS", done: 2 });
    expect((await holdfast.deadLetters()).letters).toHaveLength(2);
    const discarding = await holdfast.bulk.discard({ workflow: orders, reason: "of no use" });
    expect(await discarding.ended()).toMatchObject({ kind: "DISCARD", done: 2 });
    expect((await holdfast.deadLetters()).letters).toHaveLength(0);
  });

  it("are aborted once, and go on through the loss of their node", async () => {
    await fail(ids(4));
    for (const runId of ["w-1", "w-2"]) await holdfast.start(patient, null, { runId });
    const operation = await holdfast.bulk.retry({ workflow: orders, canary: { first: 1 } });
    await cluster.restartNode({ loseState: true });
    expect((await operation.ended()).status).toBe("HALTED");
    await expect(operation.abort()).rejects.toMatchObject({ code: "OPERATION_ENDED" });
    await expect(holdfast.bulk.abort("nobody")).rejects.toMatchObject({ code: "OPERATION_NOT_FOUND" });
  });

  it("end early when aborted, with what they did not come to left as it is; and go on when nobody follows", async () => {
    const asks = workflow("asks")
      .action("a", { retry: { maxAttempts: 1 } }, () => {
        if (broken) throw new ActionError("NETWORK", "away");
        return 1;
      })
      .approval("yes", { after: ["a"] });
    const other = await createWorker({ connection: holdfast, workflows: [asks], stopTimeout: "1s" });
    await Promise.all(ids(3).map((runId) => cluster.run(asks, null, { runId })));
    broken = false;
    const asker = cluster.client();
    const operation = await asker.bulk.retry({ workflow: asks, canary: { first: 1 } });
    const { operationId } = operation;
    const left = operation.ended();
    await asker.close();
    await expect(left).rejects.toMatchObject({
      code: "CLOSED",
      message: expect.stringContaining("operation"),
    });
    expect(asker.awaitedEnds).toBe(0);
    await expect(operation.ended()).rejects.toMatchObject({ code: "CLOSED" });
    const followed = holdfast.bulk.operation(operationId);
    for await (const { status, done } of followed.progress())
      if (status === "WAITING" && done === 1) await followed.abort({ reason: "wrong workflow" });
    const aborted = await followed.get();
    expect(aborted).toMatchObject({ status: "ABORTED", done: 1, left: 2 });
    expect(aborted.detail).toContain("wrong workflow");
    await other.stop();
  });
});

describe("what is asked wrongly is told before anything begins:", () => {
  const one = "give exactly one selector: workflow, queue, signature or runIds";
  it.each([
    [{}, `no selector was given; ${one}`],
    [{ workflow: "orders", queue: "tills" }, `workflow and queue were given together; ${one}`],
    [{ signature: "5381a29500f90716", runIds: ["a"] }, `signature and runIds were given together; ${one}`],
    [{ workflow: "" }, `workflow is empty; ${one}`],
    [{ runIds: [] }, "name at least one run"],
    [{ runIds: "o-1" }, "runIds is not a list"],
    [{ runIds: ["a/b"] }, "a/b"],
    [{ runIds: [null, 7] }, 'number 1 of the 2 run ids: run id "(null)" is not valid'],
    [{ signature: "no" }, "no failure signature"],
    [{ workflow: "a b" }, "a b"],
    [{ queue: "tills", modes: ["SAD"] }, '"SAD", which is no failure mode'],
    [{ queue: "tills", limit: -1 }, "limit is -1: give a whole number from 1"],
    [{ queue: "tills", limit: 1.5 }, "limit is 1.5"],
    [{ queue: "tills", canary: { first: 0 } }, "canary.first is 0"],
    [{ queue: "tills", canary: { later: 3 } }, "canary.later needs canary.first"],
    [{ queue: "tills", canary: { first: 1 }, dryRun: true }, "leave canary out"],
    [{ queue: "tills", strategy: "MANUAL" }, 'strategy is "MANUAL": use RETRY_FAILED'],
    [{ queue: "tills", endedFrom: new Date(Number.NaN) }, "endedFrom is Invalid Date"],
    [{ queue: "tills", endedFrom: new Date(5), endedUntil: new Date(4) }, "the time bounds hold nothing"],
    [{ queue: "tills", operationId: "a/b" }, "an operation's id is written as a run's"],
  ])("%j", async (options, message) => {
    await expect(holdfast.bulk.retry(options as never)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(message),
    });
    expect(await holdfast.bulk.list()).toEqual([]);
  });

  it("others than retries", async () => {
    const { bulk } = holdfast;
    const reasonless = { workflow: "orders", reason: " " };
    await expect(bulk.discard(reasonless)).rejects.toMatchObject({
      message: expect.stringContaining("needs a reason"),
    });
    await expect(bulk.cancel({ signature: "5381a29500f90716" } as never)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(bulk.cancel({ queue: "q", grace: "2h" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(bulk.moveToDeadLetters({} as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(bulk.retry({ workflow: "nowhere" })).rejects.toMatchObject({ code: "UNKNOWN_WORKFLOW" });
    await expect(bulk.list({ limit: 0 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(bulk.get("never-was")).rejects.toMatchObject({ code: "OPERATION_NOT_FOUND" });
    await expect(bulk.get("a/b")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(all(bulk.operation("never-was").results())).rejects.toMatchObject({
      code: "OPERATION_NOT_FOUND",
    });
  });

  it("two selectors, and a cancel by signature, are no types either", () => {
    // @ts-expect-error -- exactly one selector
    const two: Parameters<Holdfast["bulk"]["retry"]>[0] = { workflow: "orders", queue: "tills" };
    // @ts-expect-error -- one at least
    const none: Parameters<Holdfast["bulk"]["retry"]>[0] = { dryRun: true };
    // @ts-expect-error -- only what failed has one
    const cancel: Parameters<Holdfast["bulk"]["cancel"]>[0] = { signature: "5381a29500f90716" };
    expect([two, none, cancel]).toHaveLength(3);
  });
});
