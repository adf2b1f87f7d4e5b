/** What a bulk operation is refused for, in words that name the field and what is allowed. */
import { BulkKind, type BulkSpec, FailureMode, RejectCode } from "@holdfast/proto";
import { type Init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, it } from "vitest";
import { partitionOf } from "../names.js";
import { abortBulk, homeOf, startBulk } from "../testing/bulk-build.js";
import { cluster, setUp, PARTITIONS, ids, begin, run } from "../testing/bulk-scene.js";

beforeEach(() => setUp());

describe("refused", () => {
  const rejected = (spec: Init<BulkSpec>, runIds: string[] = [], id = "op") =>
    begin(spec, runIds, id) as { case: string; value: { code: RejectCode; message: string } };

  it.each<[string, Init<BulkSpec>, string[], string]>([
    [
      "no selector",
      {},
      [],
      "no selector was given; give exactly one selector: workflow, queue, signature or run_ids",
    ],
    [
      "several selectors",
      { workflow: "one", queue: "main" },
      ["r1"],
      "workflow and queue and run_ids were given together; give exactly one selector: workflow, queue, signature or run_ids",
    ],
    [
      "a bad workflow",
      { workflow: "a.*" },
      [],
      'workflow name "a.*" is not valid: use 1 to 64 of A-Z a-z 0-9 _ -',
    ],
    ["a bad queue", { queue: "Ł" }, [], "queue name"],
    ["a bad signature", { signature: "nonsense" }, [], '"nonsense" is no failure signature to select by'],
    ["no ids", { byIds: true }, [], "run_ids is empty: name at least one run"],
    ["ids that are not selected by", {}, ["r1"], "run_ids were given, but by_ids is not set"],
    ["a bad id", { byIds: true }, ["a b"], 'run id "a b" is not valid'],
    [
      "bad ids among good ones, unsorted",
      { byIds: true },
      ["r1", "a b", "r2", ""],
      'number 2 of the 4 run ids: run id "a b" is not valid: use 1 to 128 of A-Z a-z 0-9 _ -; nor are number 4 "" (empty): 2 in all; nothing was begun',
    ],
    [
      "a bad id after one that is named twice",
      { byIds: true },
      ["r1", "r1", "r1", "a b", "r2"],
      'number 4 of the 5 run ids: run id "a b"',
    ],
    [
      "many bad ids",
      { byIds: true },
      ids(1_000).map((id) => `${id} x`),
      ", 990 more: 1000 in all; nothing was begun",
    ],
    ["too many ids", { byIds: true }, ids(10_001), "10001 run ids are more than the 10000"],
    ["too long ids", { byIds: true }, ids(10_000).map((id) => id.padEnd(128, "x")), "1280000 bytes together"],
    [
      "what is bad and what is good, too many together",
      { byIds: true },
      [...ids(9_999), "a b", "", "ok"],
      "10002",
    ],
    ["an unknown mode", { workflow: "one", modes: [999 as FailureMode] }, [], "999 is no failure mode"],
    ["an empty time", { workflow: "one", fromNs: 5n, untilNs: 5n }, [], "the time bounds hold nothing"],
    [
      "a later wave without a first",
      { workflow: "one", canaryThen: 1 },
      [],
      "canary.then needs canary.first",
    ],
    ["a dry canary", { workflow: "one", canaryFirst: 1, dryRun: true }, [], "a dry run sets nothing off"],
    [
      "a cancel in waves",
      { kind: BulkKind.CANCEL, workflow: "one", canaryFirst: 1 },
      [],
      "only a retry goes in waves",
    ],
    [
      "a cancel by mode",
      { kind: BulkKind.CANCEL, workflow: "one", modes: [FailureMode.TIMEOUT] },
      [],
      "takes no modes",
    ],
    [
      "a long grace",
      { kind: BulkKind.CANCEL, workflow: "one", graceMs: 3_600_001 },
      [],
      "a grace of 3600001 ms",
    ],
    [
      "a discard without a reason",
      { kind: BulkKind.DISCARD, workflow: "one", reason: " " },
      [],
      "needs a reason",
    ],
    ["an unknown kind", { kind: 99 as BulkKind, workflow: "one" }, [], "99 is no kind of bulk operation"],
    ["a long name", { workflow: "one", who: "x".repeat(129) }, [], "who has 129 characters"],
    ["a long reason", { workflow: "one", reason: "x".repeat(1_025) }, [], "the reason has 1025 characters"],
  ])("is %s", (_, spec, runIds, message) => {
    const { value } = rejected(spec, runIds);
    expect(value.code).toBe(RejectCode.MALFORMED);
    expect(value.message).toContain(message);
    for (const { view } of cluster.partitions) expect(view.keysOf("a")).toEqual([]);
  });

  it("is an id that is none, another partition's, or in use", () => {
    const bad = cluster.at(0).control(startBulk("a b", { workflow: "one" }));
    expect(bad).toMatchObject({ value: { code: RejectCode.INVALID_NAME } });
    const elsewhere = cluster.at((partitionOf("op", PARTITIONS) + 1) % PARTITIONS);
    expect(elsewhere.control(startBulk("op", { workflow: "one" }))).toMatchObject({
      value: { code: RejectCode.MALFORMED, message: expect.stringContaining("does not belong to partition") },
    });
    begin({ workflow: "one" });
    const again = homeOf(cluster, "op").control(startBulk("op", { workflow: "other" }), "another");
    expect(again).toMatchObject({ value: { code: RejectCode.OPERATION_EXISTS } });
  });

  it("is an abort of what is not there, or has ended", () => {
    const home = homeOf(cluster, "op");
    expect(home.control(abortBulk("op"))).toMatchObject({ value: { code: RejectCode.NO_SUCH_OPERATION } });
    expect(home.control(abortBulk("a b"))).toMatchObject({ value: { code: RejectCode.NO_SUCH_OPERATION } });
    run({ workflow: "nowhere" });
    expect(home.control(abortBulk("op"))).toMatchObject({
      value: { code: RejectCode.OPERATION_ENDED, message: "bulk operation op is COMPLETED already" },
    });
  });
});
