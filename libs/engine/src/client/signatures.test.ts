/** One signature of many partitions' records, and lists put together from all of them. */
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { SIGNATURE_EXAMPLES_MAX, SIGNATURE_HOURS } from "@holdfast/core";
import {
  FailedRunRefSchema,
  FailureExampleSchema,
  FailureMode,
  type FailureSignatureView,
  FailureSignatureViewSchema,
  ListSignaturesAnswerSchema,
  type ListSignaturesQuery,
  SignatureRunsAnswerSchema,
  SignaturesGaveWaySchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { describe, expect, it } from "vitest";
import { QueryFailedError } from "./query-errors.js";
import { type AskSignatures, failedRunsOf, getSignature, listSignatures } from "./signatures.js";

const HOUR_S = 3_600;
const at = (seconds: number) => init(TimestampSchema, { seconds: BigInt(seconds), nanos: 0 });
const id = (n: number): string => n.toString(16).padStart(16, "0");

const view = (fields: Init<FailureSignatureView>): FailureSignatureView =>
  init(FailureSignatureViewSchema, {
    id: id(1),
    workflow: "orders",
    action: "load",
    mode: FailureMode.VALIDATION,
    message: "row <n> is bad",
    firstSeen: at(100),
    lastSeen: at(200),
    count: 1n,
    runs: 1n,
    items: 1n,
    partitions: 1,
    trend: Array.from({ length: SIGNATURE_HOURS }, () => 0),
    examples: [],
    ...fields,
  });
const examples = (...runIds: string[]) => runIds.map((runId) => init(FailureExampleSchema, { runId }));

/** Partitions that hold these, in the order of their ids, a page at a time. */
function over(
  partitions: readonly (readonly FailureSignatureView[])[],
  runs: readonly (readonly string[])[] = [],
): AskSignatures & { readonly asked: ListSignaturesQuery[] } {
  const asked: ListSignaturesQuery[] = [];
  return {
    asked,
    partitions: partitions.length,
    nowMs: 50 * HOUR_S * 1_000 + 7,
    list: async (partition, query) => {
      asked.push(query);
      const mine = (partitions[partition] ?? []).toSorted((a, b) => (a.id < b.id ? -1 : 1));
      const found = mine.filter((one) => (query.id === "" ? one.id > query.after : one.id === query.id));
      const page = query.id === "" ? found.slice(0, query.limit) : found;
      const first = query.after === "" && query.id === "";
      return init(ListSignaturesAnswerSchema, {
        signatures: page.map((one) => init(FailureSignatureViewSchema, { ...one })),
        gaveWay: first
          ? [
              init(SignaturesGaveWaySchema, {
                workflow: "orders",
                signatures: 1n,
                failures: 5n,
                at: at(partition),
              }),
            ]
          : [],
        nextAfter: page.length < query.limit ? "" : (page.at(-1)?.id ?? ""),
      });
    },
    runs: async (partition, { limit, before }) => {
      const mine = runs[partition] ?? [];
      const from = before[0] ?? 0;
      const page = mine.slice(from, from + limit);
      return init(SignatureRunsAnswerSchema, {
        runs: page.map((runId, n) =>
          init(FailedRunRefSchema, { runId, createdAt: at(1_000 - n * 10 - partition) }),
        ),
        next: from + limit < mine.length ? Uint8Array.of(from + limit) : new Uint8Array(),
      });
    },
  };
}

describe("a list", () => {
  it("has each signature once, with what all partitions counted", async () => {
    const ask = over([
      [view({ count: 3n, runs: 2n, items: 5n, firstSeen: at(50), sample: "row 1 is bad" })],
      [view({ count: 4n, runs: 1n, items: 1n, lastSeen: at(900), sample: "row 2 is bad" })],
      [],
    ]);
    const { signatures, more, incomplete, gaveWay } = await listSignatures(ask, {});
    expect(signatures).toMatchObject([
      {
        count: 7n,
        runs: 3n,
        items: 6n,
        firstSeen: at(50),
        lastSeen: at(900),
        sample: "row 2 is bad",
        partitions: 2,
      },
    ]);
    expect([more, incomplete]).toEqual([false, false]);
    expect(gaveWay).toMatchObject([{ workflow: "orders", signatures: 3n, failures: 15n, at: at(2) }]);
    expect(new Set(ask.asked.map(({ untilHour }) => untilHour))).toEqual(new Set([50n]));
  });

  it("begins with what most runs are failed with, then most items, then what was seen last", async () => {
    const ask = over([
      [view({ id: id(1), runs: 0n, items: 9n }), view({ id: id(2), runs: 1n, items: 1n })],
      [view({ id: id(3), runs: 1n, items: 2n }), view({ id: id(4), runs: 0n, items: 9n, lastSeen: at(300) })],
      [view({ id: id(2), runs: 1n })],
    ]);
    const { signatures, more } = await listSignatures(ask, { limit: 3 });
    expect(signatures.map((one) => one.id)).toEqual([2, 3, 4].map(id));
    expect(more).toBe(true);
  });

  it("asks for all pages of every partition, and says where it stopped", async () => {
    const many = (count: number) => Array.from({ length: count }, (_, n) => view({ id: id(n) }));
    const ask = over([many(450), many(1)]);
    const { signatures, more, incomplete } = await listSignatures(ask, { limit: 1_000 });
    expect([signatures.length, more, incomplete]).toEqual([450, false, false]);
    expect(ask.asked).toHaveLength(4);
    const tooMany = await listSignatures(over([many(10_500)]), { limit: 1_000 });
    expect([tooMany.signatures.length, tooMany.more, tooMany.incomplete]).toEqual([1_000, true, true]);
  });

  it("adds the hours up, and keeps a few of the newest examples", async () => {
    const hours = (last: number) => [...Array.from({ length: SIGNATURE_HOURS - 1 }, () => 0), last];
    const ask = over([
      [view({ trend: hours(2), examples: examples("a1", "a2", "a3", "a4"), lastSeen: at(1) })],
      [view({ trend: hours(3), examples: examples("b1", "b2", "b3", "b4"), lastSeen: at(2) })],
    ]);
    const [one] = (await listSignatures(ask, {})).signatures;
    expect(one?.trend).toEqual(hours(5));
    expect(one?.examples.map(({ runId }) => runId)).toEqual(["b2", "a3", "b3", "a4", "b4"]);
    expect(one?.examples).toHaveLength(SIGNATURE_EXAMPLES_MAX);
  });
});

describe("one signature", () => {
  it("has the newest of its failed runs, over all partitions", async () => {
    const runs = [Array.from({ length: 8 }, (_, n) => `a${n}`), Array.from({ length: 8 }, (_, n) => `b${n}`)];
    const { signature, failedRuns, moreFailedRuns } = await getSignature(
      over([[view({})], [view({})]], runs),
      id(1),
    );
    expect(signature).toMatchObject({ id: id(1), count: 2n, partitions: 2 });
    expect(failedRuns.map(({ runId }) => runId)).toEqual([
      "a0",
      "b0",
      "a1",
      "b1",
      "a2",
      "b2",
      "a3",
      "b3",
      "a4",
      "b4",
    ]);
    expect(moreFailedRuns).toBe(true);
  });

  it("that no partition keeps is not found", async () => {
    const missing = getSignature(over([[], []]), id(7));
    await expect(missing).rejects.toThrow(QueryFailedError);
    await expect(missing).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("the failed runs of a signature", () => {
  const all = async (ask: AskSignatures): Promise<string[]> => {
    const found: string[] = [];
    for await (const runId of failedRunsOf(ask, id(1))) found.push(runId);
    return found;
  };

  it("come from every page of every partition, also of one that gave way", async () => {
    const ask = over([[], []], [["a", "b"], ["c"]]);
    const paged: AskSignatures = {
      ...ask,
      runs: (partition, query) => ask.runs(partition, { ...query, limit: 1 }),
    };
    expect(await all(paged)).toEqual(["a", "b", "c"]);
  });

  it("are none where it is known and nothing is failed so; unknown, it is not found", async () => {
    expect(await all(over([[view({ runs: 0n })]]))).toEqual([]);
    await expect(all(over([[]]))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
