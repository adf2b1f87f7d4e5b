/** ListBreakers, GetBreaker and ChangeBreaker over a real gRPC port, against partitions that say what the test tells them to. */
import { BreakerStatus, type ListBreakersQuery, RejectCode } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type OutcomeResult, PARTITIONS, type ScriptedCluster, scriptedCluster } from "./scripted-cluster.js";

let cluster: ScriptedCluster;
beforeEach(async () => {
  cluster = await scriptedCluster();
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

const breaker = (partition: number, key = "") => ({
  workflow: "payments",
  action: "charge",
  key,
  partition,
  status: BreakerStatus.OPEN,
  held: 3,
});
const NAME = { workflow: "payments", action: "charge" };
const BAD_NAMES = [
  ["no workflow", { action: "charge" }],
  ["a workflow that can't be", { ...NAME, workflow: "no way" }],
  ["no action", { workflow: "payments" }],
  ["an action that can't be", { ...NAME, action: "no way" }],
  ["too long a key", { ...NAME, key: "k".repeat(129) }],
] as const;

/** What each partition was asked. */
function answerWith(pages: (query: ListBreakersQuery, partition: number) => object): ListBreakersQuery[] {
  const asked: ListBreakersQuery[] = [];
  cluster.script.query = (kind, partition) => {
    if (kind.case !== "listBreakers") throw new Error(`unexpected question ${kind.case}`);
    asked.push(kind.value);
    return { case: "breakers", value: pages(kind.value, partition) };
  };
  return asked;
}

describe("ListBreakers", () => {
  test("brings those of all partitions, page by page", async () => {
    const asked = answerWith(({ after }, partition) =>
      partition === 1 && after.length === 0
        ? { breakers: [breaker(1, "a")], next: Buffer.from("x") }
        : { breakers: [breaker(partition, "b")] },
    );
    const { breakers, more } = await cluster.admin.listBreakers({ workflow: "payments", openOnly: true });
    expect(breakers.map(({ partition, key }) => `${partition}${key}`)).toEqual([
      "0b",
      "1a",
      "1b",
      "2b",
      "3b",
    ]);
    expect(more).toBe(false);
    expect(asked.every(({ workflow, openOnly }) => workflow === "payments" && openOnly)).toBe(true);
  });

  test("shows a thousand, and says that there are more", async () => {
    answerWith((_query, partition) => ({
      breakers: Array.from({ length: 250 }, () => breaker(partition)),
      next: Buffer.from("x"),
    }));
    const { breakers, more } = await cluster.admin.listBreakers({});
    expect([breakers.length, more]).toEqual([1_000, true]);
  });

  test("refuses a workflow that can't be", async () => {
    expect((await failure(cluster.admin.listBreakers({ workflow: "no way" }))).code).toBe("INVALID_ARGUMENT");
  });

  test("is UNAVAILABLE where a partition is silent or of another version, never a shorter list", async () => {
    cluster.script.query = (_kind, partition) =>
      partition === 2 ? "silent" : { case: "breakers", value: { breakers: [] } };
    expect((await failure(cluster.admin.listBreakers({}))).code).toBe("UNAVAILABLE");
    cluster.script.query = () => ({ case: "counts", value: {} });
    const { code, message } = await failure(cluster.admin.listBreakers({}));
    expect([code, message]).toEqual(["UNAVAILABLE", expect.stringContaining("partition 0")]);
  });
});

describe("GetBreaker", () => {
  test("brings one breaker, as each partition that keeps it has it", async () => {
    const asked = answerWith((_query, partition) =>
      partition % 2 === 0 ? {} : { breakers: [breaker(partition)] },
    );
    const { breakers } = await cluster.admin.getBreaker({ ...NAME, key: "eu" });
    expect(breakers.map(({ partition, held }) => [partition, held])).toEqual([
      [1, 3],
      [3, 3],
    ]);
    expect(
      asked.every(({ workflow, action, key }) => `${workflow}/${action}/${key}` === "payments/charge/eu"),
    ).toBe(true);
  });

  test("says where no partition keeps one", async () => {
    answerWith(() => ({}));
    const { code, message } = await failure(cluster.admin.getBreaker({ ...NAME, key: "eu" }));
    expect(code).toBe("NOT_FOUND");
    expect(message).toBe(
      'no partition keeps a breaker of payments/charge for "eu": it is closed and idle, or there is none',
    );
  });

  test.each(BAD_NAMES)("refuses %s", async (_what, request) => {
    expect((await failure(cluster.admin.getBreaker(request))).code).toBe("INVALID_ARGUMENT");
  });
});

const open = (forMs = 0n) => ({ case: "open" as const, value: { forMs } });
const reset = { case: "reset" as const, value: {} };
const rejected = (code: RejectCode): OutcomeResult => ({
  case: "rejected",
  value: { code, message: "it is closed" },
});

describe("ChangeBreaker", () => {
  test("opens it in every partition, with who and why, once for each request id", async () => {
    const request = { ...NAME, change: open(60_000n), reason: "cards upgrade", requestId: "t-1" };
    const before = BigInt(Date.now());
    expect(await cluster.admin.changeBreaker(request)).toMatchObject({ partitions: PARTITIONS });
    await cluster.admin.changeBreaker(request);
    expect(new Set(cluster.appended.map(({ id }) => id)).size).toBe(1);
    const { kind } = cluster.appended[0] ?? {};
    if (kind?.case !== "changeBreaker" || kind.value.change.case !== "open")
      throw new Error("it did not open");
    expect(kind.value).toMatchObject({ ...NAME, key: "", who: "ann", reason: "cards upgrade" });
    const untilMs = kind.value.change.value.untilNs / 1_000_000n;
    expect(untilMs - before - 60_000n).toBeLessThan(30_000n);
    expect(untilMs).toBeGreaterThanOrEqual(before + 60_000n);
  });

  test("opens it until it is reset where no time is given", async () => {
    await cluster.admin.changeBreaker({ ...NAME, change: open() });
    expect(cluster.appended[0]?.kind.value).toMatchObject({
      change: { case: "open", value: { untilNs: 0n } },
    });
  });

  test("counts the partitions in which it was changed; closed in all of them is a refusal", async () => {
    cluster.script.command = (_command, partition) =>
      partition === 1 ? { case: "accepted", value: {} } : rejected(RejectCode.BREAKER_CLOSED);
    expect(await cluster.admin.changeBreaker({ ...NAME, change: reset })).toMatchObject({ partitions: 1 });
    cluster.script.command = () => rejected(RejectCode.BREAKER_CLOSED);
    expect((await failure(cluster.admin.changeBreaker({ ...NAME, change: reset }))).code).toBe(
      "FAILED_PRECONDITION",
    );
  });

  test("says where there is no such breaker", async () => {
    cluster.script.command = () => rejected(RejectCode.NO_SUCH_BREAKER);
    expect((await failure(cluster.admin.changeBreaker({ ...NAME, change: reset }))).code).toBe("NOT_FOUND");
  });

  test.each([
    ...BAD_NAMES,
    ["no change", NAME],
    ["too long a reason", { ...NAME, change: reset, reason: "r".repeat(5_000) }],
    ["too long a time", { ...NAME, change: open(315_360_000_001n) }],
    ["too long a request id", { ...NAME, change: reset, requestId: "r".repeat(5_000) }],
  ] as const)("refuses %s", async (_what, request) => {
    const given = { change: reset, ...request } as Parameters<typeof cluster.admin.changeBreaker>[0];
    const whole = _what === "no change" ? { ...given, change: { case: undefined } } : given;
    expect((await failure(cluster.admin.changeBreaker(whole))).code).toBe("INVALID_ARGUMENT");
    expect(cluster.appended).toEqual([]);
  });
});

test("DescribeCluster shows how many breakers are not closed, and what they hold", async () => {
  cluster.script.query = (_kind, partition) => ({
    case: "status",
    value: { partition, state: "acting", openBreakers: partition, heldActions: partition * 10 },
  });
  const { partitions } = await cluster.admin.describeCluster({});
  expect(partitions.map(({ openBreakers, heldActions }) => [openBreakers, heldActions])).toEqual([
    [0, 0],
    [1, 10],
    [2, 20],
    [3, 30],
  ]);
});
