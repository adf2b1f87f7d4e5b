/** A partition's signatures by page, one with its examples, and the failed runs of one. */
import { runKey, signatureKey, signatureListKey, signatureRunKey } from "@holdfast/core";
import {
  LatestRecordSchema,
  ListSignaturesQuerySchema,
  type ListSignaturesQuery,
  RunRecordSchema,
  RunStatus,
  SignatureListRecordSchema,
  SignatureRecordSchema,
  SignatureRunsQuerySchema,
  SignatureSeenSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { MemoryStateStore } from "../memory/index.js";
import { listSignatures, signatureRuns } from "./list-signatures.js";
import { PartitionState } from "./state.js";

const id = (n: number): string => n.toString(16).padStart(16, "0");
let state: PartitionState;

beforeEach(async () => {
  state = new PartitionState(await new MemoryStateStore().open(0), 100);
  const put = (workflow: string, numbers: readonly number[], gaveWay = 0n): void => {
    const kept = numbers.map((n) => init(SignatureSeenSchema, { id: id(n), seenNs: 1n }));
    state.put(
      signatureListKey(workflow),
      init(SignatureListRecordSchema, { kept, gaveWay, gaveWayFailures: gaveWay * 2n, gaveWayAtNs: gaveWay }),
    );
    for (const n of numbers)
      state.put(
        signatureKey(id(n)),
        init(SignatureRecordSchema, {
          workflow,
          count: 1n,
          runs: n % 2,
          examples: ["there", "gone"],
          hours: [],
        }),
      );
  };
  put("films", [5, 3, 1], 4n);
  put("songs", [4, 2]);
  state.put(runKey("there"), init(RunRecordSchema, { status: RunStatus.COMPLETED }));
  for (const [n, runId] of ["old", "mid", "new"].entries())
    state.put(signatureRunKey(id(1), BigInt(n + 1), runId), init(LatestRecordSchema));
  state.put(signatureRunKey(id(2), 9n, "another"), init(LatestRecordSchema));
});

const list = (fields: Init<ListSignaturesQuery>) =>
  listSignatures(state, init(ListSignaturesQuerySchema, { limit: 100, ...fields }));
const ids = (views: readonly { readonly id: string }[]): number[] =>
  views.map((view) => Number.parseInt(view.id, 16));

describe("a page", () => {
  test.each([
    ["all", { limit: 2 }, [[1, 2], [3, 4], [5]]],
    ["those of a workflow", { workflow: "films", limit: 2 }, [[1, 3], [5]]],
    ["those that something is failed with", { failedOnly: true, limit: 2 }, [[1], [3], [5]]],
    ["those of a workflow that has none", { workflow: "none", limit: 2 }, [[]]],
    ["those of what is no workflow", { workflow: "no/ne\0", limit: 2 }, [[]]],
  ])("of %s goes on where the last one ended", async (_, fields, wanted) => {
    const pages: number[][] = [];
    let after = "";
    do {
      const page = await list({ ...fields, after });
      pages.push(ids(page.signatures));
      after = page.nextAfter;
    } while (after !== "");
    expect(pages).toEqual(wanted);
  });

  test("the first one says what gave way", async () => {
    const { gaveWay, nextAfter } = await list({ limit: 1 });
    expect(gaveWay).toMatchObject([{ workflow: "films", signatures: 4n, failures: 8n }]);
    expect((await list({ limit: 1, after: nextAfter })).gaveWay).toEqual([]);
    expect((await list({ workflow: "songs" })).gaveWay).toEqual([]);
  });
});

test("one by its id comes with what became of its examples", async () => {
  const { signatures } = await list({ id: id(3) });
  expect(signatures).toMatchObject([
    {
      id: id(3),
      workflow: "films",
      examples: [
        { runId: "there", status: RunStatus.COMPLETED },
        { runId: "gone", status: RunStatus.UNSPECIFIED },
      ],
    },
  ]);
  for (const bad of [id(99), "x", "f", "\u2028"]) expect((await list({ id: bad })).signatures).toEqual([]);
});

test("its failed runs come newest first, page by page, and no others", async () => {
  const runs = (signature: string, limit: number, before = new Uint8Array()) =>
    signatureRuns(state, init(SignatureRunsQuerySchema, { id: signature, limit, before }));
  const first = await runs(id(1), 2);
  expect(first.runs.map(({ runId }) => runId)).toEqual(["new", "mid"]);
  const second = await runs(id(1), 2, first.next as Uint8Array<ArrayBuffer>);
  expect([second.runs.map(({ runId }) => runId), second.next.length]).toEqual([["old"], 0]);
  expect((await runs("no-id", 2)).runs).toEqual([]);
});
