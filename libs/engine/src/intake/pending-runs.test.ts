/** A run that is not there: whether its work stands in the queue, accepted and not begun. */
import { expect, it } from "vitest";
import { QueryFailedError } from "../client/query-errors.js";
import { ManualClock, MemoryWorkQueue } from "../memory/index.js";
import { systemClock, type WaitingWork } from "../ports/index.js";
import { LOOK_MS_MAX, LOOKS_MAX, PendingRuns } from "./pending-runs.js";

const noRun = () => Promise.reject(new QueryFailedError("NOT_FOUND", 'there is no run "r1"', 3));
const publish = (work: MemoryWorkQueue, runId: string) =>
  work.publish({
    subject: "holdfast.work.orders",
    data: Buffer.from("{}"),
    headers: { "Holdfast-Run-Id": runId },
  });

it("says what was accepted and not begun, since when, and what to do", async () => {
  const work = new MemoryWorkQueue();
  const pending = new PendingRuns(work, systemClock);
  await publish(work, "r1");
  await expect(pending.orPending("r1", noRun)).rejects.toMatchObject({
    code: "NOT_BEGUN",
    retry: "safe",
    partition: 3,
    message: expect.stringMatching(
      /^run r1 is accepted and not begun: its work was published on holdfast\.work\.orders at \d{4}-.* UTC, and no node has taken it yet, .*Ask again in a moment; .*`holdfast cluster`$/,
    ),
  });
  const stop = new AbortController();
  await work.read(stop.signal)[Symbol.asyncIterator]().next();
  await expect(pending.orPending("r1", noRun)).rejects.toThrow(
    /a node has taken it and has not begun it yet/,
  );
  stop.abort();
});

it("finds the run that gets its id from its message", async () => {
  const work = new MemoryWorkQueue();
  await work.publish({ subject: "holdfast.work.orders", data: Buffer.from("{}") });
  const runId = `w-${work.streamCreatedNs.toString(36)}-1`;
  await expect(new PendingRuns(work, systemClock).orPending(runId, noRun)).rejects.toMatchObject({
    code: "NOT_BEGUN",
  });
});

it("names where to look for what is nowhere, also where the queue can't be asked", async () => {
  const work = new MemoryWorkQueue();
  await publish(work, "other");
  const broken = {
    // oxlint-disable-next-line require-yield
    async *peek(): AsyncGenerator<WaitingWork> {
      throw new Error("no permission");
    },
  };
  for (const queue of [work, undefined, broken])
    await expect(new PendingRuns(queue, systemClock).orPending("r1", noRun)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringMatching(/^there is no run "r1"\. .*ask again; .*`holdfast rejected`$/),
    });
});

it("asks once more, since it may have been begun between the question and the look", async () => {
  let asked = 0;
  const ask = () => (++asked === 1 ? noRun() : Promise.resolve("begun"));
  expect(await new PendingRuns(new MemoryWorkQueue(), systemClock).orPending("r1", ask)).toBe("begun");
});

it("lets a wait go on as long as the work stands in the queue, or is begun at last", async () => {
  const work = new MemoryWorkQueue();
  const pending = new PendingRuns(work, systemClock);
  await publish(work, "r1");
  let waits = 0;
  const wait = async () => {
    waits += 1;
    if (waits === 3) {
      const stop = new AbortController();
      const { value } = await work.read(stop.signal)[Symbol.asyncIterator]().next();
      for (const message of value ?? []) message.ack();
    }
    return waits === 4 ? "ended" : noRun();
  };
  expect(await pending.whilePending("r1", wait, () => Promise.resolve())).toBe("ended");
  await expect(pending.whilePending("r1", noRun, noRun)).rejects.toThrow(/^there is no run "r1"\. /);
});

it("leaves alone every other answer", async () => {
  const pending = new PendingRuns(new MemoryWorkQueue(), systemClock);
  expect(await pending.orPending("r1", () => Promise.resolve(1))).toBe(1);
  const pruned = new QueryFailedError("NOT_FOUND", "was pruned", 0, { pruned: true });
  await expect(pending.orPending("r1", () => Promise.reject(pruned))).rejects.toBe(pruned);
});

it("looks for a bounded time, and at few places at once", async () => {
  const clock = new ManualClock();
  let looks = 0;
  const silent = {
    async *peek(): AsyncGenerator<WaitingWork> {
      looks++;
      await new Promise(() => undefined);
      yield* [];
    },
  };
  const pending = new PendingRuns(silent, clock);
  const answers = Array.from({ length: LOOKS_MAX + 3 }, () =>
    pending.whilePending("r1", noRun, noRun).catch((error: unknown) => error),
  );
  await expect.poll(() => looks, { timeout: 60_000 }).toBe(LOOKS_MAX);
  await clock.advance(LOOK_MS_MAX);
  for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ code: "NOT_FOUND" });
  expect(looks).toBe(LOOKS_MAX);
});
