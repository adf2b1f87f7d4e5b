/** RetryFailed over a real gRPC port: its selectors, its accounting, its dry run, its end by error or by the caller. */
import { create } from "@bufbuild/protobuf";
import {
  FailureMode,
  RejectCode,
  type RetryFailedRequestSchema,
  type RetryOutcome,
  type RetryResult,
  RetryResultKind as Kind,
  RunStatus,
  RunViewSchema,
  type SignatureRunsQuery,
} from "@holdfast/proto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import { RpcError } from "@holdfast/rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RETRIES_AT_ONCE } from "./retry-failed.js";
import {
  definitionOf,
  PARTITIONS,
  type QueryResult,
  type ScriptedCluster,
  scriptedCluster,
} from "./scripted-cluster.js";

interface Run {
  status: RunStatus;
  readonly mode: FailureMode;
}

let cluster: ScriptedCluster;
/** What the scripted partitions hold. */
let runs: Map<string, Run>;

beforeEach(async () => {
  runs = new Map();
  cluster = await scriptedCluster({
    query: (kind, partition) => {
      if (kind.case === "getRun") return viewOf(kind.value.runId);
      if (kind.case === "retention")
        return { case: "retention", value: { workflows: [prunedOf(partition)] } };
      if (kind.case === "listSignatures") return { case: "signatures", value: {} };
      if (kind.case === "signatureRuns") return runsOfSignature(kind.value, partition);
      if (kind.case !== "listRuns") return { case: "error", value: { code: 2, message: "not asked here" } };
      const { statuses, limit, cursor } = kind.value;
      const from = cursor.length === 0 ? 0 : Buffer.from(cursor).readUInt32BE();
      const mine = [...runs].filter(
        ([id, { status }]) => partitionOf(id, PARTITIONS) === partition && statuses.includes(status),
      );
      const page = mine.slice(from, from + limit);
      return {
        case: "runs",
        value: {
          runs: page.map(([runId, { status, mode }]) => ({
            runId,
            status,
            failureMode: mode,
            createdAt: { seconds: 5n },
          })),
          cursors: page.map((_, i) => cursorOf(from + i + 1)),
          more: from + limit < mine.length,
          next: cursorOf(from + page.length),
        },
      };
    },
    command: ({ kind }) => {
      const runId = kind.case === "retryRun" ? kind.value.runId : "";
      const run = runs.get(runId);
      const no = (code: RejectCode, message: string) =>
        ({ case: "rejected", value: { code, message, runId, status: run?.status ?? 0 } }) as const;
      if (run === undefined && runId.startsWith("pruned")) return no(RejectCode.PRUNED, PRUNED_TEXT);
      if (run === undefined) return no(RejectCode.RUN_NOT_FOUND, `there is no run ${runId}`);
      if (run.status === RunStatus.COMPLETED) return no(RejectCode.NOT_FAILED, `run ${runId} is not failed`);
      if (run.mode === FailureMode.SYSTEM_CRASH)
        return no(RejectCode.TERMINAL_MODE, `run ${runId} needs a person`);
      return { case: "accepted", value: { runId, status: RunStatus.RUNNING, items: 2 } };
    },
  });
  await cluster.definitions.put(definitionOf("orders"));
});
afterEach(() => cluster.close());

function cursorOf(index: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(index);
  return bytes;
}

/** What a partition says of what it pruned. */
function prunedOf(partition: number) {
  const ended = {
    firstEndedAt: { seconds: 100n + BigInt(partition) },
    lastEndedAt: { seconds: 900n - BigInt(partition) },
  };
  return {
    workflow: "orders",
    pruned: [
      {
        queue: "default",
        counts: [
          { status: RunStatus.FAILED, runs: 1n },
          { status: RunStatus.COMPLETED, runs: 40n },
        ],
        ...ended,
      },
      { queue: "other", counts: [{ status: RunStatus.COMPLETED_WITH_FAILURES, runs: 2n }], ...ended },
    ],
  };
}

const PRUNED_TEXT = "it ended FAILED and was pruned: failed runs are kept 7 d";

function viewOf(runId: string) {
  const run = runs.get(runId);
  if (run === undefined) {
    const pruned = runId.startsWith("pruned");
    const message = pruned ? PRUNED_TEXT : `there is no run ${runId}`;
    return { case: "error", value: { code: 1, message, pruned } } as const;
  }
  const summary = { runId, status: run.status, failureMode: run.mode, items: { failed: 2 } };
  const actions = [{ name: "load", failure: { mode: run.mode } }];
  return { case: "run", value: create(RunViewSchema, { summary, actions }) } as const;
}

const failed = (id: string, mode = FailureMode.NETWORK, status = RunStatus.FAILED): void =>
  void runs.set(id, { status, mode });

async function retry(request: MessageInitShape<typeof RetryFailedRequestSchema>) {
  const results: RetryResult[] = [];
  let outcome: RetryOutcome | undefined;
  for await (const { kind } of cluster.admin.retryFailed(request)) {
    expect(outcome).toBeUndefined();
    if (kind.case === "result") results.push(kind.value);
    if (kind.case === "outcome") outcome = kind.value;
  }
  if (outcome === undefined) throw new Error("the stream ended without an outcome");
  expect(outcome.matched).toBe(outcome.retried + outcome.raced + outcome.refused);
  // What was pruned is told, but is not among the matched.
  expect(outcome.matched).toBe(BigInt(results.filter(({ kind }) => kind !== Kind.PRUNED).length));
  expect(outcome.refusedReasons.reduce((sum, { count }) => sum + count, 0n)).toBe(outcome.refused);
  return { results, outcome };
}

async function failure(promise: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof RpcError)) throw new Error(`expected an RpcError, got ${String(error)}`);
  return error;
}

const SIGNATURE = "5381a29500f90716";

function runsOfSignature({ limit, before }: SignatureRunsQuery, partition: number): QueryResult {
  const mine = [...runs.keys()].filter((id) => partitionOf(id, PARTITIONS) === partition);
  const from = before.length === 0 ? 0 : Buffer.from(before).readUInt32BE();
  const next = from + limit < mine.length ? cursorOf(from + limit) : new Uint8Array();
  const page = mine.slice(from, from + limit).map((runId) => ({ runId, createdAt: { seconds: 5n } }));
  return { case: "signatureRuns", value: { runs: page, next } };
}

describe("the selector", () => {
  it("is exactly one, and the message says what was given", async () => {
    expect(await failure(retry({}))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message:
        "selector: neither workflow, run_ids nor signature was given; give exactly one selector: workflow, run_ids, or signature",
    });
    const both = await failure(retry({ workflow: "orders", runIds: ["a", "b"] }));
    expect(both.message).toContain('both workflow ("orders") and run_ids (2 of them) were given');
    const three = await failure(retry({ workflow: "orders", runIds: ["a"], signature: SIGNATURE }));
    expect(three.message).toContain(`run_ids (1 of them) and signature ("${SIGNATURE}") were given`);
  });

  it("must be registered where it is a workflow, and valid ids where it is ids", async () => {
    expect((await failure(retry({ workflow: "odrers" }))).code).toBe("NOT_FOUND");
    expect((await failure(retry({ runIds: ["ok", "a.b"] }))).message).toContain("run_ids");
    expect((await failure(retry({ signature: "5381A29500F90716" }))).message).toContain("16 hex digits");
    const ids = Array.from({ length: 10_001 }, (_, n) => `r${n}`);
    expect((await failure(retry({ runIds: ids }))).message).toContain("at most 10000");
    expect(cluster.appended).toEqual([]);
  });
});

describe("by signature", () => {
  it("finds what its index holds in every partition, page by page, and looks at no other run", async () => {
    for (let n = 0; n < 1_300; n++) failed(`r${n}`);
    const { results, outcome } = await retry({ signature: SIGNATURE });
    expect(outcome).toMatchObject({ matched: 1_300n, retried: 1_300n, raced: 0n, refused: 0n });
    expect(new Set(results.map(({ runId }) => runId)).size).toBe(1_300);
  });

  it("can be narrowed by mode", async () => {
    failed("net");
    failed("val", FailureMode.VALIDATION);
    const { results } = await retry({ signature: SIGNATURE, modes: [FailureMode.VALIDATION] });
    expect(results.map(({ runId }) => runId)).toEqual(["val"]);
  });

  it("that nobody knows is an error, not an empty success", async () => {
    const error = await failure(retry({ signature: SIGNATURE }));
    expect(error).toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining(SIGNATURE) });
  });
});

describe("by workflow", () => {
  it("finds every failed and partly failed run over all pages and partitions, and no other", async () => {
    for (let n = 0; n < 1_300; n++)
      failed(
        `r${n}`,
        FailureMode.NETWORK,
        n % 2 === 0 ? RunStatus.FAILED : RunStatus.COMPLETED_WITH_FAILURES,
      );
    for (let n = 0; n < 50; n++) failed(`ok${n}`, FailureMode.UNSPECIFIED, RunStatus.COMPLETED);
    const { results, outcome } = await retry({ workflow: "orders", reason: "mended" });
    expect(outcome).toMatchObject({
      matched: 1_300n,
      retried: 1_300n,
      refused: 0n,
      raced: 0n,
      // Three in each partition, of two queues; the completed ones among them are nobody's to retry.
      prunedPastRetention: 3n * BigInt(PARTITIONS),
      prunedFrom: { seconds: 100n },
      prunedUntil: { seconds: 900n },
    });
    expect(new Set(results.map(({ runId }) => runId)).size).toBe(1_300);
    expect(results.every(({ kind, items }) => kind === Kind.RETRIED && items === 2)).toBe(true);
    expect(cluster.appended[0]?.kind.value).toMatchObject({ who: "ann", reason: "mended", force: false });
    expect(new Set(cluster.appended.map(({ id }) => id)).size).toBe(1_300);
  });

  it("filters by mode", async () => {
    failed("net");
    failed("val", FailureMode.VALIDATION);
    const { results } = await retry({ workflow: "orders", modes: [FailureMode.VALIDATION] });
    expect(results.map(({ runId }) => runId)).toEqual(["val"]);
  });

  it("stops at the limit and says that there were more, or that there were none", async () => {
    for (let n = 0; n < 10; n++) failed(`r${n}`);
    expect((await retry({ workflow: "orders", limit: 4 })).outcome).toMatchObject({
      matched: 4n,
      limited: true,
    });
    expect((await retry({ workflow: "orders", limit: 10 })).outcome).toMatchObject({
      matched: 10n,
      limited: false,
    });
  });
});

describe("by run ids", () => {
  it("counts each id once, with raced and refused apart and their reasons summed", async () => {
    failed("a");
    failed("b", FailureMode.SYSTEM_CRASH);
    failed("c", FailureMode.SYSTEM_CRASH);
    failed("d", FailureMode.UNSPECIFIED, RunStatus.COMPLETED);
    const { results, outcome } = await retry({ runIds: ["a", "a", "b", "c", "d", "gone", "b"] });
    expect(outcome).toMatchObject({ matched: 5n, retried: 1n, raced: 1n, refused: 3n, limited: false });
    expect(outcome.refusedReasons).toMatchObject([
      { reason: "failed in a mode that needs a person: mend the cause, then retry with force", count: 2n },
      { reason: "there is no such run", count: 1n },
    ]);
    expect(results.find(({ runId }) => runId === "d")).toMatchObject({
      kind: Kind.RACED,
      reason: "no longer failed: it is COMPLETED",
    });
  });

  it("leaves those of another mode out where modes are given", async () => {
    failed("net");
    failed("val", FailureMode.VALIDATION);
    const { outcome } = await retry({ runIds: ["net", "val", "gone"], modes: [FailureMode.NETWORK] });
    expect(outcome).toMatchObject({ matched: 2n, retried: 1n, refused: 1n });
  });
});

describe("a dry run", () => {
  it("submits nothing and foresees what a real one then does", async () => {
    failed("a");
    failed("b", FailureMode.SYSTEM_CRASH);
    failed("d", FailureMode.UNSPECIFIED, RunStatus.COMPLETED);
    const request = { runIds: ["a", "b", "d", "gone", "pruned-1", "pruned-2"] };
    const dry = await retry({ ...request, dryRun: true });
    expect(cluster.appended).toEqual([]);
    const real = await retry(request);
    const kinds = ({ results }: { results: RetryResult[] }) =>
      results.map(({ runId, kind, items }) => `${runId} ${kind} ${items}`).toSorted();
    expect(kinds(dry)).toEqual(kinds(real));
    const { dryRun: wasDry, $typeName: _a, ...foreseen } = dry.outcome;
    const { dryRun: wasReal, $typeName: _b, ...done } = real.outcome;
    expect(foreseen).toEqual(done);
    expect(foreseen).toMatchObject({ matched: 4n, prunedPastRetention: 2n });
    const ofPruned = dry.results.filter(({ runId }) => runId === "pruned-1");
    expect(ofPruned).toMatchObject([{ kind: Kind.PRUNED, reason: PRUNED_TEXT }]);
    expect([wasDry, wasReal]).toEqual([true, false]);
  });

  it("with force foresees no refusal by mode", async () => {
    failed("b", FailureMode.SYSTEM_CRASH);
    expect((await retry({ runIds: ["b"], dryRun: true, force: true })).outcome.retried).toBe(1n);
  });
});

describe("an end before the end", () => {
  it("by a silent partition is UNAVAILABLE, names it, and says how far it had come", async () => {
    for (let n = 0; n < 20; n++) failed(`r${n}`);
    const { query } = cluster.script;
    cluster.script.query = (kind, partition) => (partition === 1 ? "silent" : query(kind, partition));
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const each of cluster.admin.retryFailed(
        { runIds: [...runs.keys()], dryRun: true },
        { timeoutMs: 900 },
      ))
        seen.push(each);
    })();
    const error = await failure(reading);
    expect(error.code).toBe("UNAVAILABLE");
    expect(error.message).toContain("partition 1");
    expect(error.details).toMatchObject({ reason: "INTERRUPTED", retried: seen.length });
  });

  it("by the caller stops submitting", async () => {
    const ids = Array.from({ length: 5_000 }, (_, n) => `r${n}`);
    for (const id of ids) failed(id);
    for await (const { kind } of cluster.admin.retryFailed({ runIds: ids })) {
      expect(kind.case).toBe("result");
      break;
    }
    await expect.poll(() => cluster.calls.map(({ code }) => code)).toEqual(["CANCELLED"]);
    const submitted = cluster.appended.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(cluster.appended.length).toBeLessThanOrEqual(submitted + RETRIES_AT_ONCE);
    expect(cluster.appended.length).toBeLessThan(ids.length);
  });
});
