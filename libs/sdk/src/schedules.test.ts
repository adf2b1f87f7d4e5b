/** Schedules, against the real engine in memory, with time that skips. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createWorker,
  HoldfastError,
  ScheduleOutcome,
  ScheduleStatus,
  typed,
  type Worker,
  workflow,
} from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";

let cluster: TestCluster;
let worker: Worker | undefined;
const done: { readonly day: string; readonly of: string }[] = [];

const report = workflow("report", { input: typed<{ of: string }>() }).action("write", ({ input }) => {
  done.push({ day: cluster.now().toISOString().slice(0, 13), of: input.of });
  return input.of;
});
const lonely = workflow("lonely").waitForSignal("never");
const paid = workflow("paid").waitForSignal("paid");
const payer = workflow("payer").action("pay", async () => {
  const { runs } = await cluster.holdfast.list({ workflow: "paid" });
  for (const { runId } of runs) await cluster.holdfast.signal(runId, "paid").catch(() => undefined);
  return "paid";
});

beforeEach(async () => {
  done.length = 0;
  cluster = await startTestCluster();
  worker = await createWorker({
    connection: cluster.holdfast,
    workflows: [report, lonely, paid, payer],
    stopTimeout: 50,
  });
});
afterEach(async () => {
  await worker?.stop();
  await cluster.close();
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "nothing was thrown",
    (error: unknown) => (error instanceof HoldfastError ? `${error.code}: ${error.message}` : String(error)),
  );
const untilMidnight = (): number => 86_400_000 - (cluster.now().getTime() % 86_400_000) + 60_000;

describe("a schedule", () => {
  it("begins a run at each instant of its expression, with its input, and knows how it ended", async () => {
    const { schedules } = cluster.holdfast;
    // At whatever hour this runs: three days from a midnight hold three instants.
    await cluster.advance(untilMidnight());
    await schedules.create("nightly", { workflow: report, cron: "0 2 * * *", input: { of: "yesterday" } });
    await cluster.advance("3d");
    expect(done.length).toBe(3);
    expect(done.every(({ day, of }) => day.endsWith("T02") && of === "yesterday")).toBe(true);
    const view = await schedules.get("nightly");
    expect(view).toMatchObject({ instants: 3n, started: 3n, status: ScheduleStatus.ACTIVE, live: [] });
    const run = await cluster.holdfast.get(view.history[0]?.runId ?? "");
    expect(run.origin).toMatch(/^schedule nightly at .* 02:00:00 UTC$/);
    expect(run.scheduledBy?.schedule).toBe("nightly");
  });

  it("goes on where the node is another, also from the log alone", async () => {
    const { schedules } = cluster.holdfast;
    await schedules.put("nightly", { workflow: report, cron: "@daily", input: { of: "it" } });
    await cluster.advance(untilMidnight());
    await cluster.restartNode();
    await cluster.advance("1d");
    await cluster.restartNode({ loseState: true });
    await cluster.advance("1d");
    expect(done.length).toBe(3);
    expect(await schedules.get("nightly")).toMatchObject({ instants: 3n, started: 3n });
  });

  it("skips, by default, what comes while a run has not ended, and says why", async () => {
    const { schedules } = cluster.holdfast;
    await schedules.put("nightly", { workflow: paid, cron: "@daily" });
    await cluster.advance(untilMidnight());
    await cluster.advance("2d");
    const view = await schedules.get("nightly");
    const [skipped, started] = view.history;
    expect(started).toMatchObject({ outcome: ScheduleOutcome.STARTED, runStatus: 0 });
    expect(skipped).toMatchObject({
      outcome: ScheduleOutcome.SKIPPED,
      count: 2n,
      reason: `run ${started?.runId} has not ended`,
    });
    await cluster.holdfast.signal(started?.runId ?? "", "paid");
    await cluster.holdfast.wait(started?.runId ?? "");
    await cluster.advance("1d");
    expect((await schedules.get("nightly")).started).toBeGreaterThanOrEqual(2n);
  });

  it("is paused, resumed, changed, triggered and deleted", async () => {
    const { schedules } = cluster.holdfast;
    const options = { workflow: report, cron: "@daily", input: { of: "it" } } as const;
    expect(await schedules.put("daily", options)).toEqual({ existed: false });
    expect(await schedules.put("daily", { ...options, priority: 3 })).toEqual({ existed: true });
    await schedules.pause("daily", { reason: "the source is down" });
    expect((await schedules.get("daily")).text).toMatch(/^paused by sdk since .*: the source is down$/);
    await cluster.advance("3d");
    expect(done.length).toBe(0);
    const { runId } = await schedules.trigger("daily");
    await cluster.holdfast.wait(runId);
    await schedules.resume("daily");
    await cluster.advance(untilMidnight());
    expect(done.length).toBe(2);
    const { skipped, started, instants } = await schedules.get("daily");
    expect(skipped).toBeGreaterThanOrEqual(3n);
    expect(instants).toBe(skipped + started);
    await schedules.delete("daily");
    expect(await codeOf(schedules.get("daily"))).toMatch(/^SCHEDULE_NOT_FOUND: there is no schedule "daily"/);
    expect((await schedules.list()).schedules).toEqual([]);
  });

  it("is listed by name, with its last instant", async () => {
    const { schedules } = cluster.holdfast;
    for (const name of ["b", "a", "c"])
      await schedules.put(name, { workflow: "report", cron: "@daily", input: { of: name } });
    const page = await schedules.list({ workflow: "report", pageSize: 2 });
    expect(page.schedules.map(({ name }) => name)).toEqual(["a", "b"]);
    const rest = await schedules.list({ pageToken: page.nextPageToken });
    expect(rest.schedules.map(({ name }) => name)).toEqual(["c"]);
  });
});

describe("what is wrong with a schedule is told where it is put", () => {
  const base = { workflow: report, cron: "@daily", input: { of: "it" } } as const;
  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      "its name",
      () => cluster.holdfast.schedules.put("a.*", base),
      /^INVALID_ARGUMENT: schedule name "a\.\*"/,
    ],
    [
      "its expression",
      () => cluster.holdfast.schedules.put("a", { ...base, cron: "every day" }),
      /^INVALID_SCHEDULE: schedule a can't be put: "every day" is no cron expression/,
    ],
    [
      "its time zone",
      () => cluster.holdfast.schedules.put("a", { ...base, timeZone: "Mars/Base" }),
      /^INVALID_SCHEDULE: .*no time zone "Mars\/Base"/,
    ],
    [
      "its overlap policy",
      () => cluster.holdfast.schedules.put("a", { ...base, overlap: "twice" as "skip" }),
      /^INVALID_SCHEDULE: .*no overlap policy/,
    ],
    [
      "its window",
      () => cluster.holdfast.schedules.put("a", { ...base, catchUp: "1s" }),
      /^INVALID_SCHEDULE: .*catch-up window is 1000 ms: it may be 10 s to 366 d/,
    ],
    [
      "its workflow",
      () => cluster.holdfast.schedules.put("a", { workflow: "nowhere", cron: "@daily" }),
      /^UNKNOWN_WORKFLOW: /,
    ],
    ["that it is not there", () => cluster.holdfast.schedules.pause("a"), /^SCHEDULE_NOT_FOUND: /],
  ])("%s", async (_, put, expected) => {
    expect(await codeOf(put())).toMatch(expected);
  });

  it("that it is there already, or is not paused", async () => {
    await cluster.holdfast.schedules.create("a", base);
    expect(await codeOf(cluster.holdfast.schedules.create("a", base))).toMatch(/^SCHEDULE_EXISTS: /);
    expect(await codeOf(cluster.holdfast.schedules.resume("a"))).toMatch(/^NOT_PAUSED: /);
    await cluster.holdfast.schedules.pause("a");
    expect(await codeOf(cluster.holdfast.schedules.pause("a"))).toMatch(/^PAUSED: /);
  });
});

describe("a run that is waited for while schedules go on", () => {
  it("is said never to end where none of them can end it", async () => {
    await cluster.holdfast.schedules.put("hourly", {
      workflow: report,
      cron: "@hourly",
      input: { of: "it" },
    });
    await expect(cluster.run(lonely, {})).rejects.toThrow(
      /can't end by itself: only schedules go on, and their runs do nothing for it.*\n {2}never: WAITING/,
    );
    expect(done.length).toBeGreaterThanOrEqual(100);
  });

  it("is left the time that a scheduled run needs to do something for it", async () => {
    await cluster.holdfast.schedules.put("daily", { workflow: payer, cron: "@daily" });
    expect((await cluster.run(paid, {})).status).toBe("COMPLETED");
  });
});
