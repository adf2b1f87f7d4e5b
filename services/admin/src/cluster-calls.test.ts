/** The calls about many runs and the cluster, over a real gRPC port, against partitions that say what the test tells them to. */
import { create } from "@bufbuild/protobuf";
import { WORKER_BEAT } from "@holdfast/engine";
import { RejectCode, RunStatus, WorkerBeatSchema } from "@holdfast/proto";
import { encode } from "@holdfast/proto/codec";
import { RpcError } from "@holdfast/rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { definitionOf, type ScriptedCluster, scriptedCluster } from "./scripted-cluster.js";

let cluster: ScriptedCluster;
beforeEach(async () => {
  cluster = await scriptedCluster();
  await cluster.definitions.put(definitionOf("orders"));
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

describe("what there is", () => {
  it("ListRuns merges the partitions and refuses a span that holds nothing", async () => {
    cluster.script.query = (_kind, partition) => ({
      case: "runs",
      value: {
        runs: [{ runId: `r${partition}`, createdAt: { seconds: BigInt(100 - partition), nanos: 0 } }],
        cursors: [Buffer.from([partition])],
        more: false,
      },
    });
    const { runs, nextPageToken } = await cluster.admin.listRuns({ statuses: [RunStatus.FAILED] });
    expect(runs.map(({ runId }) => runId)).toEqual(["r0", "r1", "r2", "r3"]);
    expect(nextPageToken).toBe("");
    const span = { createdAfter: { seconds: 9n }, createdBefore: { seconds: 9n } };
    expect((await failure(cluster.admin.listRuns(span))).code).toBe("INVALID_ARGUMENT");
  });

  it("GetCounts adds the partitions up, and counts what was rejected", async () => {
    cluster.script.query = () => ({
      case: "counts",
      value: { workflows: [{ workflow: "orders", failed: 2n, ended: 3n }] },
    });
    const message = { subject: "holdfast.work.x", data: Buffer.from("{}") };
    await cluster.rejectWork(message, RejectCode.UNKNOWN_WORKFLOW);
    const counts = await cluster.admin.getCounts({});
    expect(counts).toMatchObject({ rejected: 1n, total: { failed: 8n, ended: 12n } });
    expect(counts.workflows).toMatchObject([{ workflow: "orders", failed: 8n }]);
  });

  it("ListWorkflows shows each with its actions and queues, by name", async () => {
    await cluster.definitions.put(definitionOf("billing"));
    const { workflows } = await cluster.admin.listWorkflows({});
    expect(workflows.map(({ name }) => name)).toEqual(["billing", "orders"]);
    expect(workflows[0]).toMatchObject({
      actions: ["load", "send"],
      queues: ["q1", "q2"],
      definitionHash: "hash-of-billing",
    });
  });

  it("DescribeCluster shows partitions that answer and those that don't, and the workers heard of", async () => {
    cluster.script.query = (_kind, partition) =>
      partition === 2
        ? "silent"
        : { case: "status", value: { partition, state: "owner", owner: "node-1", appliedSeq: 5n } };
    const beat = (fields: object) =>
      cluster.bus.publish(WORKER_BEAT, encode(WorkerBeatSchema, create(WorkerBeatSchema, fields)));
    beat({
      worker: "worker-b",
      queues: [
        { queue: "q2", capacity: 3 },
        { queue: "q1", capacity: 4 },
      ],
      running: 2,
    });
    beat({ worker: "worker-a", queues: [], draining: true });
    beat({ worker: "worker-c", queues: [] });
    beat({ worker: "worker-c", gone: true });
    const answer = await cluster.admin.describeCluster({});
    expect(answer).toMatchObject({
      version: "0.1.0",
      natsServerVersion: "2.15.1",
      warnings: ["one copy only"],
    });
    expect(answer.partitions.map(({ state }) => state)).toEqual(["owner", "owner", "unavailable", "owner"]);
    expect(answer.workers).toMatchObject([
      { worker: "worker-a", draining: true },
      { worker: "worker-b", queues: ["q1", "q2"], capacity: 7, running: 2 },
    ]);
  });

  it("DescribeCluster warns of partitions whose retention is behind by more than it may be", async () => {
    cluster.script.query = (_kind, partition) => ({
      case: "status",
      value: {
        partition,
        state: "owner",
        owner: `node-${partition}`,
        retentionBehindMs: partition === 1 ? 1_530_000n : 599_000n,
      },
    });
    const { warnings, partitions } = await cluster.admin.describeCluster({});
    expect(partitions[1]?.retentionBehindMs).toBe(1_530_000n);
    expect(warnings).toEqual([
      "one copy only",
      "partition 1 is 25 min behind with pruning ended runs: look at the load, disk and log of node-1",
    ]);
  });
});

describe("rejected work", () => {
  it("is listed a page at a time with its body cut, and replayed once", async () => {
    for (let id = 1; id <= 5; id++) {
      const headers = { "Content-Type": "application/json", "Holdfast-Run-Id": "r9" };
      const data = Buffer.alloc(5_000, 65 + id);
      await cluster.rejectWork(
        { subject: "holdfast.work.orders", data, headers },
        RejectCode.SCHEMA_MISMATCH,
      );
    }
    const first = await cluster.admin.listRejected({ workflow: "orders", pageSize: 3 });
    expect(first.rejected.map(({ id }) => id)).toEqual([1n, 2n, 3n]);
    expect(first.rejected[0]).toMatchObject({
      bodyBytes: 5_000n,
      contentType: "application/json",
      runId: "r9",
    });
    expect(first.rejected[0]?.body).toHaveLength(4_096);
    expect(first.rejected[0]?.rejectedAt?.seconds).toBeGreaterThan(1_600_000_000n);
    const rest = await cluster.admin.listRejected({
      workflow: "orders",
      pageSize: 3,
      pageToken: first.nextPageToken,
    });
    expect(rest).toMatchObject({ nextPageToken: "", rejected: [{ id: 4n }, { id: 5n }] });
    const replayed = await cluster.admin.replayRejected({ ids: [1n, 2n, 2n, 77n, 2n ** 64n - 1n] });
    expect(replayed).toMatchObject({ replayed: 2, notFound: [77n, 2n ** 64n - 1n] });
    expect((await failure(cluster.admin.listRejected({ pageToken: "1e9" }))).code).toBe("INVALID_ARGUMENT");
  });

  const rejectOne = (data: string) =>
    cluster.rejectWork({ subject: "holdfast.work.orders", data: Buffer.from(data) }, RejectCode.MALFORMED);

  it("is listed within what an answer may hold, however large its bodies are", async () => {
    for (let id = 1; id <= 1_000; id++) await rejectOne("x".repeat(5_000));
    const ids: bigint[] = [];
    let pageToken = "";
    do {
      const page = await cluster.admin.listRejected({ pageSize: 1_000, pageToken });
      expect(page.rejected.length).toBeGreaterThan(100);
      ids.push(...page.rejected.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(ids).toEqual(Array.from({ length: 1_000 }, (_, at) => BigInt(at + 1)));
  });

  it("is looked at whole, discarded for a reason, and what was decided stays to be read", async () => {
    await rejectOne("y".repeat(9_000));
    await rejectOne("{");
    const { rejected } = await cluster.admin.getRejected({ id: 1n });
    expect([rejected?.body.length, rejected?.bodyBytes]).toEqual([9_000, 9_000n]);
    expect((await failure(cluster.admin.getRejected({ id: 9n }))).code).toBe("NOT_FOUND");
    const silent = await failure(cluster.admin.discardRejected({ ids: [1n], reason: " " }));
    expect([silent.code, silent.message]).toEqual(["INVALID_ARGUMENT", expect.stringContaining("say why")]);
    const reason = "sent by mistake";
    expect(await cluster.admin.discardRejected({ ids: [1n, 9n], reason })).toMatchObject({
      discarded: 1,
      notFound: [9n],
    });
    expect((await cluster.admin.listRejected({})).rejected.map(({ id }) => id)).toEqual([2n]);
    const { decisions } = await cluster.admin.listRejectedDecisions({});
    expect(decisions).toMatchObject([{ id: 1n, discarded: true, reason, subject: "holdfast.work.orders" }]);
    expect(decisions[0]?.at?.seconds).toBeGreaterThan(1_600_000_000n);
  });

  it("is replayed changed, one at a time; what would be rejected again, or can't be changed, is refused", async () => {
    await cluster.definitions.put(definitionOf("orders"));
    await rejectOne("{");
    const replay = (edit: object, ids = [1n]) =>
      cluster.admin.replayRejected({ ids, edit, reason: "a typo" });
    expect((await failure(replay({ inputJson: "1" }, [1n, 2n]))).message).toContain("name one");
    for (const name of ["Nats-Expected-Stream", "Holdfast-Reject-Code", "a b"])
      expect((await failure(replay({ headers: { [name]: "1" } }))).message).toContain(
        "no header that can be",
      );
    const again = await failure(replay({ headers: { "Holdfast-Run-Id": "o-1" } }));
    expect(again.message).toMatch(/^rejected work 1 would be rejected again: .+nothing was changed$/);
    expect(await replay({ inputJson: "1", headers: { "Holdfast-Run-Id": "o-1" } })).toMatchObject({
      replayed: 1,
      runId: "o-1",
    });
    expect(await replay({ inputJson: "1" })).toMatchObject({ replayed: 0, notFound: [1n] });
    expect((await cluster.admin.listRejectedDecisions({})).decisions).toMatchObject([
      { id: 1n, edited: true },
    ]);
  });
});
