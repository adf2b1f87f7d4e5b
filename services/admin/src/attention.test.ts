/** ListAttention over a real gRPC port, against partitions that say what the test tells them to. */
import { AttentionKind } from "@holdfast/proto";
import { RpcError } from "@holdfast/rpc";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ScriptedCluster, scriptedCluster } from "./scripted-cluster.js";

let cluster: ScriptedCluster;
beforeEach(async () => {
  cluster = await scriptedCluster();
});
afterEach(() => cluster.close());

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "OK",
    (error: unknown) => (error instanceof RpcError ? error.code : String(error)),
  );

/** Each partition has two matters, as old as its number says. */
const answerAll = (more = false): void => {
  cluster.script.query = (_kind, partition) => ({
    case: "attention",
    value: {
      attentions: [8n, 4n].map((at) => ({
        kind: AttentionKind.MANUAL,
        runId: `r${partition}-${at}`,
        atNs: at + BigInt(partition),
      })),
      more,
    },
  });
};

test("ListAttention merges the partitions, the newest first, and says where there is more", async () => {
  answerAll();
  const { attentions, more } = await cluster.admin.listAttention({});
  expect(attentions.map(({ runId }) => runId)).toEqual([
    "r3-8",
    "r2-8",
    "r1-8",
    "r0-8",
    "r3-4",
    "r2-4",
    "r1-4",
    "r0-4",
  ]);
  expect(more).toBe(false);
  expect((await cluster.admin.listAttention({ limit: 3 })).more).toBe(true);
  answerAll(true);
  expect((await cluster.admin.listAttention({})).more).toBe(true);
});

test("ListAttention asks each partition for one workflow, and for no more than can be shown", async () => {
  const asked: unknown[] = [];
  cluster.script.query = (kind, partition) => {
    if (kind.case === "listAttention") asked.push([partition, kind.value.workflow, kind.value.limit]);
    return { case: "attention", value: {} };
  };
  await cluster.admin.listAttention({ workflow: "orders", limit: 7 });
  expect(asked).toEqual([0, 1, 2, 3].map((partition) => [partition, "orders", 7]));
});

test.each([
  ["a workflow that can't be", { workflow: "no way" }],
  ["more than are listed at once", { limit: 1_001 }],
])("ListAttention refuses %s", async (_what, request) => {
  expect(await codeOf(cluster.admin.listAttention(request))).toBe("INVALID_ARGUMENT");
});

test("a partition that is silent, or of another version, is an error and never a shorter list", async () => {
  cluster.script.query = (_kind, partition) =>
    partition === 2 ? "silent" : { case: "attention", value: {} };
  expect(await codeOf(cluster.admin.listAttention({}))).toBe("UNAVAILABLE");
  cluster.script.query = () => ({ case: "counts", value: {} });
  expect(await codeOf(cluster.admin.listAttention({}))).toBe("UNAVAILABLE");
});
