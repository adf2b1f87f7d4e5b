/** A bad id in a list fails alone: the good ones count, and each bad one is a refused result that names its place. */
import {
  BulkKind,
  BulkResultKind as Kind,
  BulkStatus,
  FailureMode,
  RejectCode,
  type StartBulk,
  WrongRunIdSchema,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, it } from "vitest";
import { checkBulkOperation } from "../check/check-bulk.js";
import {
  BULK_ID_BYTES_MAX,
  BULK_IDS_MAX,
  BULK_KEPT_NS,
  BULK_RUNS_A_STEP,
  WRONG_ID_SHOWN_CHARS_MAX,
} from "../limits.js";
import { bulkKey, bulkResultsKey } from "../state/tables.js";
import {
  abortBulk,
  bulkSpec,
  drive,
  homeOf,
  operationOf,
  resultsOf,
  startBulk,
} from "../testing/bulk-build.js";
import { cluster, failedRuns, ids, results, runSorted, setUp, statusOf } from "../testing/bulk-scene.js";
import { checkPartition } from "../testing/invariants.js";
import { sortIds } from "./ids.js";
import { bulkSpecProblem } from "./spec.js";

beforeEach(() => setUp());

const home = () => homeOf(cluster, "op");
const told = () => resultsOf(home(), "op").filter(({ why }) => why === "not a run id");
const record = () => home().view.get(bulkKey("op")) ?? expect.fail("no operation");

describe("of a list with bad ids among good ones", () => {
  it("the good ones count, and each bad one is refused with its place", () => {
    failedRuns(2);
    failedRuns(1, "one", "p", FailureMode.POLICY_SECURITY);
    const operation = runSorted({}, ["r0", "a b", "r1", "", "r0", "a b", "p0", "nobody"]);
    expect(operation).toMatchObject({
      status: BulkStatus.COMPLETED,
      found: 6n,
      total: 6n,
      left: 0n,
      wrongIds: 2,
    });
    expect(operation.counts).toMatchObject({ done: 2n, raced: 0n, refused: 4n, pruned: 0n });
    expect(operation.counts?.refusals).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ why: "not a run id", count: 2n }),
        expect.objectContaining({ why: "there is no such run", count: 1n }),
      ]),
    );
    const rule = "is not valid: use 1 to 128 of A-Z a-z 0-9 _ -";
    expect(told()).toMatchObject([
      { runId: '"a b"', kind: Kind.REFUSED, reason: `number 2 of the 8 run ids ${rule}` },
      { runId: '"" (empty)', kind: Kind.REFUSED, reason: `number 4 of the 8 run ids ${rule}` },
    ]);
    expect([statusOf("r0"), statusOf("r1")]).toEqual(["RUNNING", "RUNNING"]);
    expect(checkBulkOperation("op", record())).toEqual([]);
  });

  it.each([BulkKind.RETRY, BulkKind.CANCEL, BulkKind.MOVE_TO_DEAD_LETTERS, BulkKind.DISCARD])(
    "a dry run of kind %i says the same of them, and changes nothing",
    (kind) => {
      failedRuns(1);
      const before = cluster.of("r0").run("r0").generation;
      const { counts } = runSorted({ kind, dryRun: true }, ["a b", "r0", "\0"]);
      expect(counts?.refusals).toMatchObject([{ why: "not a run id", count: 2n }]);
      expect(told()).toHaveLength(2);
      expect(cluster.of("r0").run("r0").generation).toBe(before);
    },
  );

  it("a limit and waves are of runs: what is none takes no place", () => {
    failedRuns(3);
    const operation = runSorted({ limit: 2 }, ["a b", ...ids(3), "c d", "e f"]);
    expect(operation).toMatchObject({ found: 6n, total: 5n, left: 0n });
    expect(operation.counts).toMatchObject({ done: 2n, refused: 3n });
    const waves = runSorted({ canaryFirst: 1 }, ["a b", "r2"], "waves");
    expect(waves.counts).toMatchObject({ done: 1n, refused: 1n });
  });

  it("are told from the first moment on, also where it is aborted before it comes to a run", () => {
    failedRuns(3);
    const { runIds, wrongIds, listed } = sortIds(["a b", ...ids(3)]);
    const named = { runIds: [...runIds], wrongIds: [...wrongIds], listed };
    home().control(startBulk("op", { byIds: true }, named));
    expect(operationOf(cluster, "op")).toMatchObject({ status: BulkStatus.MATCHING, pages: 1, wrongIds: 1 });
    expect(told()).toHaveLength(1);
    home().control(abortBulk("op"));
    drive(cluster);
    cluster.partitions.forEach(checkPartition);
    const { status, counts } = operationOf(cluster, "op");
    expect([status, counts?.refused, counts?.done]).toEqual([BulkStatus.ABORTED, 1n, 0n]);
  });

  it("stand in pages of bounded size, and go with the operation", () => {
    failedRuns(1);
    const many = ids(2 * BULK_RUNS_A_STEP + 1).map((id) => `${id} ${"\0".repeat(1_000)}`);
    expect(runSorted({}, [...many, "r0"]).counts).toMatchObject({ done: 1n, refused: BigInt(many.length) });
    for (let page = 0; page < record().pages; page++)
      expect(home().view.get(bulkResultsKey("op", page))?.results.length).toBeLessThanOrEqual(
        BULK_RUNS_A_STEP,
      );
    cluster.pass(Number(BULK_KEPT_NS / 1_000_000n) + 10_000);
    drive(cluster);
    for (const { view } of cluster.partitions)
      for (const table of ["a", "b", "C", "R"]) expect(view.keysOf(table)).toEqual([]);
  });

  it.each([
    ["of a megabyte", "x".repeat(1_000_000)],
    ["of control characters", "\u0007\u001b[2J\0".repeat(100)],
    ["of lone surrogates", "\ud800".repeat(100)],
    ["with a pair where it is cut", `${"x".repeat(59)}😀`],
    ["of quotes", '"\\'.repeat(100)],
    ["that looks like a key", "op\0r0"],
  ])("one %s is shown bounded, and is in no key", (_, bad) => {
    failedRuns(1);
    const { counts } = runSorted({}, [bad, "r0"]);
    expect(counts).toMatchObject({ done: 1n, refused: 1n });
    const [result] = told();
    expect(result?.runId.length).toBeLessThanOrEqual(WRONG_ID_SHOWN_CHARS_MAX);
    expect(result?.runId).toMatch(/^[\x20-\x7e…]+$/);
    for (const { view } of cluster.partitions)
      for (const key of view.keysOf("")) expect(key).not.toContain(bad.slice(0, 10));
  });
});

describe("sorted", () => {
  it("each once, by its first place", () => {
    expect(sortIds(["r1", "r1", "a b", "r2", "a b", ""])).toEqual({
      runIds: ["r1", "r2"],
      wrongIds: [
        expect.objectContaining({ number: 3, shown: '"a b"' }),
        expect.objectContaining({ number: 6, shown: '"" (empty)' }),
      ],
      listed: 6,
    });
  });

  it.each<[string, string[], string]>([
    ["none", [], "no selector was given"],
    ["one, a bad one", ["a b"], 'run id "a b" is not valid'],
    [
      "bad ones only",
      ["a b", "a b", ""],
      'number 1 of the 3 run ids: run id "a b" is not valid: use 1 to 128 of A-Z a-z 0-9 _ -; nor are number 2 "a b", number 3 "" (empty): 3 in all; nothing was begun',
    ],
    [
      "too many, bad ones counted",
      [...ids(BULK_IDS_MAX), "a b"],
      `${BULK_IDS_MAX + 1} run ids are more than`,
    ],
    [
      "too long, with what is shown of bad ones",
      ["ok", ...ids(BULK_IDS_MAX - 1).map((id) => id.padEnd(80, " "))],
      `more than the ${BULK_ID_BYTES_MAX}`,
    ],
  ])("a list is refused at the door: %s", (_, asGiven, message) => {
    const named = sortIds(asGiven);
    expect(bulkSpecProblem(bulkSpec({ byIds: named.listed > 0 }), named)).toContain(message);
  });
});

describe("in the log", () => {
  it.each<[string, Init<StartBulk>, string]>([
    ["bad ids that nobody sorted out", { runIds: ["r0", "a b"] }, 'number 2 of the 2 run ids: run id "a b"'],
    ["no good id", { ...wrong([1, '"a b"']), runIds: [] }, "run_ids is empty"],
    ["a place twice", wrong([1, '"a"'], [1, '"b"']), "number 1 after 1"],
    ["a place beyond the list", wrong([4, '"a"']), "number 4 after 0, of 3"],
    ["a text that is too long", wrong([1, "x".repeat(WRONG_ID_SHOWN_CHARS_MAX + 1)]), "not shown quoted"],
    ["a text that moves a cursor", wrong([1, "\u001b[2J"]), "not shown quoted"],
    ["a text that is empty", wrong([1, ""]), "not shown quoted"],
  ])("%s refuses the operation", (_, named, message) => {
    expect(home().control(startBulk("op", { byIds: true }, named))).toMatchObject({
      value: { code: RejectCode.MALFORMED, message: expect.stringContaining(message) },
    });
    expect(home().view.keysOf("a")).toEqual([]);
  });

  it("bad ids beside another selector are two selectors", () => {
    const { value } = home().control(
      startBulk("op", { workflow: "one" }, { ...wrong([1, '"a"']), runIds: [] }),
    );
    expect(value).toMatchObject({
      message: expect.stringContaining("workflow and run_ids were given together"),
    });
  });

  function wrong(...entries: [number, string][]): Init<StartBulk> {
    return {
      runIds: ["r0"],
      wrongIds: entries.map(([number, shown]) => init(WrongRunIdSchema, { number, shown })),
      listed: 3,
    };
  }
});

it("results of runs and of bad ids are listed together", () => {
  failedRuns(1);
  runSorted({}, ["r0", "a b"]);
  expect(results().map(({ runId }) => runId)).toEqual(['"a b"', "r0"]);
});
