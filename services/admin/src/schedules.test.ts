/** The calls about schedules, over a real gRPC port, against partitions that say what the test tells them to. */
import { partitionOf } from "@holdfast/core";
import { RejectCode, ScheduleChange, ScheduleOverlap } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { definitionOf, PARTITIONS, type ScriptedCluster, scriptedCluster } from "./scripted-cluster.js";

let cluster: ScriptedCluster;
beforeEach(async () => {
  cluster = await scriptedCluster();
  await cluster.definitions.put(definitionOf("orders", { type: "object", required: ["of"] }));
});
afterEach(() => cluster.close());

const failure = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof RpcError ? `${error.code}: ${error.message}` : `no RpcError: ${String(error)}`;
};

const request = { name: "nightly", workflow: "orders", cron: "0 2 * * *", inputJson: '{"of": 7}' } as const;

describe("PutSchedule", () => {
  it("sends all of it to the partition of its name, and shows the next instants", async () => {
    cluster.script.command = (_, partition) => {
      expect(partition).toBe(partitionOf("nightly", PARTITIONS));
      return { case: "accepted", value: { existed: true } };
    };
    const answer = await cluster.admin.putSchedule({
      ...request,
      timeZone: "Europe/Berlin",
      priority: 5,
      overlap: ScheduleOverlap.BUFFER,
      catchUpMs: 60_000n,
      bufferMax: 3,
      createOnly: true,
      requestId: "once",
    });
    expect(answer.existed).toBe(true);
    expect(answer.upcoming.length).toBe(3);
    const [command] = cluster.appended;
    expect(command?.kind).toMatchObject({
      case: "putSchedule",
      value: {
        name: "nightly",
        createOnly: true,
        who: "ann",
        spec: {
          workflow: "orders",
          cron: "0 2 * * *",
          timeZone: "Europe/Berlin",
          priority: 5,
          overlap: ScheduleOverlap.BUFFER,
          catchUpMs: 60_000n,
          bufferMax: 3,
        },
      },
    });
    const value = command?.kind.case === "putSchedule" ? command.kind.value.spec?.input?.body : undefined;
    expect(value?.case === "inline" && Buffer.from(value.value).toString()).toBe('{"of": 7}');
    await cluster.admin.putSchedule({ ...request, requestId: "once" });
    expect(cluster.appended[1]?.id).toBe(command?.id);
  });

  it.each<[string, Parameters<ScriptedCluster["admin"]["putSchedule"]>[0], RegExp]>([
    ["a name", { ...request, name: "a.*" }, /^INVALID_ARGUMENT: name: schedule name "a\.\*"/],
    [
      "an expression",
      { ...request, cron: "99 * * * *" },
      /^INVALID_ARGUMENT: cron: .*no cron expression: .*99/,
    ],
    ["no expression", { ...request, cron: "" }, /^INVALID_ARGUMENT: cron: /],
    [
      "a time zone",
      { ...request, timeZone: "Mars/Base" },
      /^INVALID_ARGUMENT: time_zone: there is no time zone "Mars\/Base"/,
    ],
    ["a window", { ...request, catchUpMs: 1n }, /^INVALID_ARGUMENT: catch_up_ms: the catch-up window/],
    ["a policy", { ...request, overlap: 9 as ScheduleOverlap }, /^INVALID_ARGUMENT: overlap: 9 is none/],
    ["a priority", { ...request, priority: 1_001 }, /^INVALID_ARGUMENT: priority: /],
    ["no JSON", { ...request, inputJson: "{" }, /^INVALID_ARGUMENT: input_json/],
    ["an input of another shape", { ...request, inputJson: "{}" }, /^INVALID_ARGUMENT: input_json: .*orders/],
    [
      "an unknown workflow",
      { ...request, workflow: "nowhere" },
      /^NOT_FOUND: workflow nowhere is not registered/,
    ],
    ["a long request id", { ...request, requestId: "x".repeat(129) }, /^INVALID_ARGUMENT: request_id/],
  ])("refuses %s before anything is appended", async (_, bad, expected) => {
    expect(await failure(cluster.admin.putSchedule(bad))).toMatch(expected);
    expect(cluster.appended).toEqual([]);
  });

  it("says what the partition refuses", async () => {
    const message = 'there is a schedule "nightly" already';
    cluster.script.command = () => ({
      case: "rejected",
      value: { code: RejectCode.SCHEDULE_EXISTS, message },
    });
    expect(await failure(cluster.admin.putSchedule(request))).toBe(`ALREADY_EXISTS: ${message}`);
  });
});

describe("ChangeSchedule", () => {
  it.each([ScheduleChange.PAUSE, ScheduleChange.RESUME, ScheduleChange.DELETE])(
    "%i is sent on",
    async (change) => {
      await cluster.admin.changeSchedule({ name: "nightly", change, reason: "disk" });
      expect(cluster.appended[0]?.kind).toMatchObject({
        case: "changeSchedule",
        value: { name: "nightly", change, who: "ann", reason: "disk" },
      });
    },
  );

  it("says which run was triggered", async () => {
    cluster.script.command = () => ({ case: "accepted", value: { runId: "nightly-1" } });
    const change = ScheduleChange.TRIGGER;
    expect((await cluster.admin.changeSchedule({ name: "nightly", change })).runId).toBe("nightly-1");
  });

  it("refuses a name, no change, and what there is not", async () => {
    const { changeSchedule } = cluster.admin;
    expect(await failure(changeSchedule({ name: "", change: 1 }))).toMatch(/^INVALID_ARGUMENT: name: /);
    expect(await failure(changeSchedule({ name: "a" }))).toMatch(/^INVALID_ARGUMENT: change: Say what/);
    expect(await failure(changeSchedule({ name: "a", change: 9 as ScheduleChange }))).toMatch(
      /^INVALID_ARGUMENT: change: 9/,
    );
    const message = 'there is no schedule "a"';
    cluster.script.command = () => ({
      case: "rejected",
      value: { code: RejectCode.NO_SUCH_SCHEDULE, message },
    });
    expect(await failure(changeSchedule({ name: "a", change: 1 }))).toBe(`NOT_FOUND: ${message}`);
  });
});

describe("GetSchedule and ListSchedules", () => {
  it("asks the partition of the name", async () => {
    cluster.script.query = (kind, partition) => {
      expect(partition).toBe(partitionOf("nightly", PARTITIONS));
      expect(kind).toMatchObject({ case: "getSchedule", value: { name: "nightly" } });
      return { case: "schedule", value: { name: "nightly", started: 3n } };
    };
    expect((await cluster.admin.getSchedule({ name: "nightly" })).schedule?.started).toBe(3n);
    cluster.script.query = () => ({ case: "error", value: { code: 1, message: 'there is no schedule "a"' } });
    expect(await failure(cluster.admin.getSchedule({ name: "a" }))).toBe(
      'NOT_FOUND: there is no schedule "a"',
    );
    expect(await failure(cluster.admin.getSchedule({ name: "a/b" }))).toMatch(/^INVALID_ARGUMENT: name: /);
  });

  it("merges what all partitions have, by name, and goes on where a page ended", async () => {
    const all = Array.from({ length: 10 }, (_, i) => `s${i}`);
    cluster.script.query = (kind, partition) => {
      if (kind.case !== "listSchedules") return "silent";
      const { after, limit } = kind.value;
      const own = all.filter((name, i) => i % PARTITIONS === partition && name > after);
      const schedules = own.slice(0, limit).map((name) => ({ name }));
      return {
        case: "schedules",
        value: { schedules, nextAfter: own.length > limit ? (schedules.at(-1)?.name ?? "") : "" },
      };
    };
    const first = await cluster.admin.listSchedules({ pageSize: 4 });
    expect(first.schedules.map(({ name }) => name)).toEqual(["s0", "s1", "s2", "s3"]);
    const second = await cluster.admin.listSchedules({ pageSize: 6, pageToken: first.nextPageToken });
    expect(second.schedules.map(({ name }) => name)).toEqual(all.slice(4));
    expect(second.nextPageToken).toBe("");
    expect(await failure(cluster.admin.listSchedules({ pageToken: "a b" }))).toMatch(
      /^INVALID_ARGUMENT: page_token/,
    );
    expect(await failure(cluster.admin.listSchedules({ workflow: "a b" }))).toMatch(
      /^INVALID_ARGUMENT: workflow/,
    );
  });
});
