/** Questions to partitions: retries, errors, and lists put together from all of them. */
import {
  type ListRunsQuery,
  QueryErrorCode,
  type QueryRequest,
  QueryRequestSchema,
  type QueryResponse,
  QueryResponseSchema,
  RunStatus,
  type RunSummary,
  RunSummarySchema,
  RunViewSchema,
} from "@holdfast/proto";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { init } from "@holdfast/proto/codec";
import { partitionOf } from "@holdfast/core";
import { array, assert, asyncProperty, integer, nat, record } from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { querySubject } from "../subjects.js";
import { decode, encode } from "./codec.js";
import { MemoryNetwork } from "../memory/index.js";
import { encodeItemsToken } from "./page-token.js";
import { PassingClock } from "./passing-clock.js";
import { QueryClient } from "./query-client.js";

type Answer = (request: QueryRequest["kind"], partition: number) => QueryResponse["result"];

const QUICK = { timeoutMs: 120, tryMs: 20, backoffMs: 2, backoffMsMax: 8 };

const clocks: PassingClock[] = [];
afterEach(() => {
  for (const clock of clocks.splice(0)) clock.stop();
});

function serve(partitions: number, answer: Answer, only: (partition: number) => boolean = () => true) {
  const clock = new PassingClock();
  clocks.push(clock);
  const bus = new MemoryNetwork({ clock }).bus();
  for (let partition = 0; partition < partitions; partition++) {
    if (!only(partition)) continue;
    bus.subscribe(querySubject(partition), (message) => {
      const { kind } = decode(QueryRequestSchema, message.data);
      const result = answer(kind, partition);
      if (result.case !== undefined) {
        message.respond(encode(QueryResponseSchema, { $typeName: "holdfast.v1.QueryResponse", result }));
      }
    });
  }
  return new QueryClient({ bus, partitions, limits: QUICK, clock });
}

const errorOf = (code: QueryErrorCode, message = "no"): QueryResponse["result"] => ({
  case: "error",
  value: { $typeName: "holdfast.v1.QueryError", code, message, pruned: false },
});

function summary(runId: string, seconds: number): RunSummary {
  return init(RunSummarySchema, {
    runId,
    workflow: "orders",
    status: RunStatus.RUNNING,
    createdAt: init(TimestampSchema, { seconds: BigInt(seconds), nanos: 5 }),
  });
}

/** Lists as an owner would: its runs newest first, the cursor a position, looking at no more than `scan` rows at once. */
function listAnswer(
  runs: readonly RunSummary[],
  query: ListRunsQuery,
  scan = 1_000,
): QueryResponse["result"] {
  const before = query.createdBeforeNs;
  const start = query.cursor.length === 0 ? 0 : (query.cursor[0] ?? 0);
  const looked = runs.slice(start, start + Math.min(query.limit, scan));
  const kept = looked.flatMap((run, i) => {
    const ns = (run.createdAt?.seconds ?? 0n) * 1_000_000_000n + 5n;
    const wanted = query.workflow === "" || run.workflow === query.workflow;
    return wanted && (before === 0n || ns < before) ? [{ run, at: start + i + 1 }] : [];
  });
  const end = start + looked.length;
  return {
    case: "runs",
    value: {
      $typeName: "holdfast.v1.ListRunsAnswer",
      runs: kept.map((k) => k.run),
      cursors: kept.map((k) => Uint8Array.of(k.at)),
      more: end < runs.length,
      next: Uint8Array.of(end),
    },
  };
}

describe("a question", () => {
  it("goes to the run's partition, and its answer comes back", async () => {
    const client = serve(8, (kind, partition) => {
      if (kind.case !== "getRun") return { case: undefined };
      return {
        case: "run",
        value: init(RunViewSchema, { summary: summary(kind.value.runId, 1), partition }),
      };
    });
    const run = await client.getRun("r-1", { full: true });
    expect(run.partition).toBe(partitionOf("r-1", 8));
  });

  it("is asked again while the partition is unavailable", async () => {
    let asked = 0;
    const client = serve(1, () => {
      asked++;
      if (asked === 1) return errorOf(QueryErrorCode.UNAVAILABLE, "not caught up");
      if (asked === 2) return { case: undefined };
      return { case: "counts", value: { $typeName: "holdfast.v1.GetCountsAnswer", workflows: [] } };
    });
    await expect(client.counts()).resolves.toMatchObject({ workflows: [] });
    expect(asked).toBe(3);
  });

  it("fails at its deadline with an error that names the partition", async () => {
    const client = serve(
      3,
      () => errorOf(QueryErrorCode.UNAVAILABLE, "not caught up"),
      (p) => p !== 2,
    );
    await expect(client.query(2, { case: undefined })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      partition: 2,
      retry: "safe",
    });
    await expect(client.query(1, { case: undefined })).rejects.toThrow(
      "partition 1 is unavailable: not caught up",
    );
  });

  it("that is refused is not asked again", async () => {
    let asked = 0;
    const client = serve(1, () => {
      asked++;
      return errorOf(QueryErrorCode.NOT_FOUND, "no run r-1");
    });
    await expect(client.getRun("r-1")).rejects.toMatchObject({ code: "NOT_FOUND", message: "no run r-1" });
    expect(asked).toBe(1);
  });

  it("answered with something else is an internal error", async () => {
    const client = serve(1, () => ({
      case: "counts",
      value: { $typeName: "holdfast.v1.GetCountsAnswer", workflows: [] },
    }));
    await expect(client.getRun("r-1")).rejects.toMatchObject({ code: "INTERNAL" });
  });
});

describe("a list of runs", () => {
  it("is one list over all partitions, whatever the page size and how far an owner looks", async () => {
    const model = record({
      perPartition: array(array(nat({ max: 60 }), { maxLength: 30 }), {
        minLength: 1,
        maxLength: 5,
      }),
      pageSize: integer({ min: 1, max: 40 }),
      scan: integer({ min: 1, max: 12 }),
    });
    await assert(
      asyncProperty(model, async ({ perPartition, pageSize, scan }) => {
        const byPartition = perPartition.map((seconds, p) =>
          seconds.toSorted((a, b) => b - a).map((s, i) => summary(`p${p}-${String(i).padStart(3, "0")}`, s)),
        );
        const client = serve(perPartition.length, (kind, p) =>
          kind.case === "listRuns" ? listAnswer(byPartition[p] ?? [], kind.value, scan) : { case: undefined },
        );
        const seen: RunSummary[] = [];
        let pageToken = "";
        do {
          const page = await client.listRuns({ pageSize, pageToken });
          expect(page.runs.length).toBeLessThanOrEqual(pageSize);
          seen.push(...page.runs);
          pageToken = page.nextPageToken;
        } while (pageToken !== "");
        const all = byPartition.flat();
        expect(seen.map((r) => r.runId).toSorted()).toEqual(all.map((r) => r.runId).toSorted());
        const times = seen.map((r) => Number(r.createdAt?.seconds));
        expect(times).toEqual(times.toSorted((a, b) => b - a));
      }),
      { numRuns: 60 },
    );
  });

  it("does not show runs that were started after its first page", async () => {
    const runs = [5, 4, 3, 2, 1].map((s) => summary(`r${s}`, s));
    const client = serve(2, (kind, p) =>
      kind.case === "listRuns"
        ? listAnswer(p === 0 ? runs : [summary("new", 9)], kind.value)
        : { case: undefined },
    );
    const only = serve(2, (kind, p) =>
      kind.case === "listRuns"
        ? listAnswer(p === 0 ? runs : [summary("old", 0)], kind.value)
        : { case: undefined },
    );
    const first = await only.listRuns({ pageSize: 2 });
    const second = await client.listRuns({ pageSize: 10, pageToken: first.nextPageToken });
    expect(second.runs.map((r) => r.runId)).toEqual(["r3", "r2", "r1"]);
  });

  it("refuses a token that is damaged, of another list, or of another cluster", async () => {
    const runs = [3, 2, 1].map((s) => summary(`r${s}`, s));
    const answer: Answer = (kind) =>
      kind.case === "listRuns" ? listAnswer(runs, kind.value) : { case: undefined };
    const client = serve(1, answer);
    const { nextPageToken } = await client.listRuns({ pageSize: 1 });
    const bad = [`${nextPageToken.slice(0, -2)}AA`, nextPageToken.slice(0, 8), "!", "x".repeat(70_000), "AQ"];
    for (const pageToken of [...bad, encodeItemsToken("r", "a", 1)]) {
      await expect(client.listRuns({ pageToken })).rejects.toMatchObject({ code: "INVALID" });
    }
    await expect(client.listRuns({ pageToken: nextPageToken, workflow: "other" })).rejects.toThrow(
      "another list",
    );
    await expect(serve(2, answer).listRuns({ pageToken: nextPageToken })).rejects.toThrow("other partitions");
  });

  it("fails rather than leaving a partition out", async () => {
    const client = serve(
      2,
      (kind) => (kind.case === "listRuns" ? listAnswer([], kind.value) : { case: undefined }),
      (p) => p === 0,
    );
    await expect(client.listRuns()).rejects.toMatchObject({ code: "UNAVAILABLE", partition: 1 });
  });
});

describe("counts and status", () => {
  it("add up over all partitions", async () => {
    const counts = (workflow: string, n: bigint) => ({
      $typeName: "holdfast.v1.WorkflowCounts" as const,
      workflow,
      active: n,
      completed: n,
      completedWithFailures: 0n,
      failed: 1n,
      cancelled: 0n,
      noEffect: 0n,
      silentNoOp: 0n,
      ended: n + 1n,
      retried: 0n,
      itemsSucceeded: 0n,
      itemsFailed: 0n,
      deadLetters: 0n,
    });
    const client = serve(3, (_kind, p) => ({
      case: "counts",
      value: {
        $typeName: "holdfast.v1.GetCountsAnswer",
        workflows: [counts("b", BigInt(p)), counts("a", 1n)],
      },
    }));
    const { workflows, total } = await client.counts();
    expect(workflows.map((w) => [w.workflow, w.active, w.failed])).toEqual([
      ["a", 3n, 3n],
      ["b", 3n, 3n],
    ]);
    expect(total).toMatchObject({ workflow: "", active: 6n, failed: 6n });
  });

  it("shows a partition that does not answer as unavailable", async () => {
    const client = serve(
      2,
      (_kind, partition) => ({
        case: "status",
        value: {
          $typeName: "holdfast.v1.PartitionStatus",
          partition,
          state: "owned",
          owner: "n",
          epoch: 1n,
          appliedSeq: 1n,
          lastSeq: 1n,
          problem: "",
          readyTasks: 0,
          inFlightTasks: 0,
          retentionBehindMs: 0n,
          paused: [],
          openBreakers: 0,
          heldActions: 0,
          ownerSilentMs: 0n,
          logBytes: 0n,
          logBytesMax: 0n,
          workerWarnings: [],
        },
      }),
      (p) => p === 0,
    );
    const status = await client.status();
    expect(status.map((s) => s.state)).toEqual(["owned", "unavailable"]);
    expect(status[1]?.problem).toContain("no node owns it");
  });
});
