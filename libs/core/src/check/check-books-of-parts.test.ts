/** What schedules, operations, breakers and signatures count is counted again: each planted fault is found, and nothing where all is right. */
import { BreakerStatus, BulkRefusalsSchema, FailureMode } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import {
  appliedKey,
  breakerKey,
  bulkKey,
  bulkShareKey,
  candidatePrefix,
  heldKey,
  readBreakerKey,
  runKey,
  scheduleKey,
  signatureKey,
  timerKey,
} from "../state/tables.js";
import { begin as beginHeld, tripped } from "../testing/breaker-scene.js";
import { homeOf } from "../testing/bulk-build.js";
import { begin, cluster as bulkCluster, failedRuns, run, setUp as setUpBulk } from "../testing/bulk-scene.js";
import {
  action,
  batch,
  define,
  failed,
  json,
  ONE_ATTEMPT,
  overInput,
  retry,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { TestCluster } from "../testing/cluster.js";
import { TestPartition } from "../testing/partition.js";
import { putSchedule, plan, specOf } from "../testing/schedule-build.js";
import { checkBreaker, checkBreakerTotals, sumOf } from "./check-breaker.js";
import { checkBulkOperation, checkBulkShare } from "./check-bulk.js";
import { checkSchedule } from "./check-schedule.js";
import { checkSignatureTotals, isUnchanged, SignatureTally } from "./check-signature-books.js";
import { checkRun } from "./check-run.js";
import type { FoundInBooks } from "./found.js";

const asText = (found: readonly FoundInBooks[]): string[] =>
  found.map(({ rule, message }) => `${rule} ${message}`);

describe("a schedule", () => {
  let at: TestPartition;
  const record = () => at.view.get(scheduleKey("tick")) ?? expect.fail("no schedule");
  const found = () => asText(checkSchedule(at.view, "tick", record(), { partition: 0, partitions: 1 }));

  beforeEach(() => {
    const cluster = new TestCluster(1, [workflow("one", [action("work", { retry: ONE_ATTEMPT })])]);
    at = cluster.at(0);
    at.control(putSchedule("tick", specOf("one")));
    const first = at.nowNs + 60_000_000_000n - ((at.nowNs + 60_000_000_000n) % 1_000_000_000n);
    plan(at, "tick", { nextNs: first });
    at.pass(120_000);
    cluster.settle();
    plan(at, "tick", { nextNs: first + 600_000_000_000n });
  });

  const plants: readonly [what: string, plant: () => unknown, said: RegExp][] = [
    [
      "an instant that is counted nowhere",
      () => (record().started -= 1n),
      /^I7 .*1 instants have come, but 0 are/,
    ],
    ["a timer that is gone", () => at.view.del(nextTimer()), /^I13 .* but no timer is set for it$/],
    ["a run that is gone", () => at.view.del(runKey(liveRun())), /^I10 .*, which is not there$/],
    ["a run that has ended", () => end(), /^I10 .*, which is COMPLETED$/],
    ["a buffer that waits for nothing", () => buffer(), /^I10 .*1 instants wait for runs .* there are none$/],
  ];
  const nextTimer = () => timerKey(record().nextNs, Number(record().timerSeq), record().timerRow);
  const liveRun = () => record().live[0]?.runId ?? "";
  const end = () => {
    at.run(liveRun()).status = 4;
  };
  const buffer = () => {
    record().live = [];
    record().buffered = [record().afterNs + 1n];
    record().instants += 1n;
  };

  test("nothing where all is right", () => {
    expect([record().live.length, record().nextNs > 0n, found()]).toEqual([1, true, []]);
  });
  test.each(plants)("%s", (_what, plant, said) => {
    plant();
    expect(found()).toEqual([expect.stringMatching(said)]);
  });
});

describe("an operation on many runs", () => {
  const home = () => homeOf(bulkCluster, "op");
  const record = () => home().view.get(bulkKey("op")) ?? expect.fail("no operation");
  const shares = () =>
    bulkCluster.partitions.flatMap(({ view }) => {
      const share = view.get(bulkShareKey("op"));
      return share === undefined ? [] : [{ share, left: view.keysOf(candidatePrefix("op")).length }];
    });
  const found = () =>
    asText([
      ...checkBulkOperation("op", record()),
      ...shares().flatMap(({ share, left }) => checkBulkShare("op", share, left)),
    ]);
  const part = () => {
    const at = shares().find(({ share }) => (share.part?.matched ?? 0) > (share.part?.handled ?? 0))?.share;
    return at?.part ?? expect.fail("no part has anything left");
  };

  beforeEach(() => {
    setUpBulk();
    failedRuns(12);
    run({ workflow: "one", canaryFirst: 2, canaryThen: 5 });
  });

  test("nothing where all is right", () => {
    expect(record().counts?.done).toBe(2n);
    expect(found()).toEqual([]);
  });
  test.each<[string, () => unknown, RegExp]>([
    [
      "a run that was come to and not counted",
      () => (counts().done -= 1n),
      /^I7 .*2 runs were come to, but 1 are done/,
    ],
    [
      "a refusal without a reason",
      () => [(counts().done -= 1n), (counts().refused += 1n)],
      /^I7 .*1 runs were refused, but for 0/,
    ],
    [
      "bad ids that were refused as something else",
      () => {
        record().wrongIds += 1;
        counts().refused += 1n;
        counts().refusals.push(init(BulkRefusalsSchema, { why: "something else", count: 1n }));
      },
      /^I7 .*1 of its list are no run ids, but 0 are refused as such$/,
    ],
    [
      "a match that is gone",
      () => (part().matched += 1),
      /^I7 .* runs were matched and .* are still to come$/,
    ],
    [
      "an end before its parts'",
      () => (record().status = 5),
      /^I7 .*it has ended, but \d+ partitions have not let go$/,
    ],
  ])("%s", (_what, plant, said) => {
    plant();
    expect(found()).toEqual([expect.stringMatching(said)]);
  });
  const counts = () => record().counts ?? expect.fail("no counts");

  test("one that begins anew is counted from nothing", () => {
    begin({ workflow: "one" }, [], "op2");
    expect(
      asText(checkBulkOperation("op2", homeOf(bulkCluster, "op2").view.get(bulkKey("op2")) ?? record())),
    ).toEqual([]);
  });
});

describe("a breaker", () => {
  let at: TestPartition;
  const applied = () => at.view.get(appliedKey) ?? expect.fail("no place in the log");
  const key = () => at.view.keysOf("B")[0] ?? "";
  const name = () => readBreakerKey(key());
  const record = () => at.view.get(breakerKey(name())) ?? expect.fail("no breaker");
  const found = () => {
    const rows = at.view
      .keysOf(heldKey(name(), 0n).slice(0, -8))
      .map((row) => [row, at.view.get<{ runId: string; action: number }>(row)] as const);
    return asText([
      ...checkBreaker(at.view, name(), record().held, rows.length, rows as never),
      ...checkBreakerTotals(applied().breakers ?? {}, sumOf([record()], BreakerStatus.CLOSED)),
      ...checkRun(at.view, "h1", at.run("h1"), at.planOf("h1")).breaches.map(({ rule, message }) => ({
        rule: rule as "I10",
        of: "",
        message,
      })),
    ]);
  };
  beforeEach(() => {
    at = tripped();
    beginHeld(at, "h1");
  });

  test("nothing where all is right", () => {
    expect([record().held, found()]).toEqual([1, []]);
  });
  test("a held action without its row", () => {
    at.view.del(at.view.keysOf("H")[0] ?? "");
    at.view.commit();
    expect(found()).toEqual([
      expect.stringMatching(/^I7 breaker .*: 1 actions are counted as held, 0 are$/),
      "I10 it is held, but its breaker would never let it go",
    ]);
  });
  test("a row whose action is not held", () => {
    const breaker = at.action("h1", "charge").breaker ?? expect.fail("no breaker");
    breaker.held = false;
    expect(found()).toEqual([expect.stringMatching(/^I10 breaker .*run h1, which is not held$/)]);
  });
  test("totals that are another's", () => {
    applied().breakers = { ...(applied().breakers ?? expect.fail("no totals")), open: 0, held: 3 };
    expect(found()).toEqual([
      "I7 0 open breakers are counted, 1 are there",
      "I7 3 held actions are counted, 1 are there",
    ]);
  });
});

describe("failure signatures", () => {
  let at: TestPartition;
  const id = () => (at.view.keysOf("f")[0] ?? "").slice(1);
  const record = () => at.view.get(signatureKey(id())) ?? expect.fail("no signature");
  const found = () => {
    const tally = new SignatureTally();
    for (const key of at.view.keysOf("r")) tally.add(at.run(key.slice(1)));
    return asText(checkSignatureTotals(id(), record(), tally, at.view.keysOf("G").length));
  };
  beforeEach(() => {
    at = new TestPartition();
    at.announce();
    const load = action("load", { forEach: overInput(), retry: ONE_ATTEMPT });
    at.append(batch([define(workflow("w", [load]))]));
    for (const runId of ["r1", "r2", "r3"]) {
      at.send(start(runId, "w"));
      at.load(runId, "load", [json(1), json(2)]);
      at.finish(runId, "load", failed(FailureMode.VALIDATION, "row 1 is bad"), 0);
      if (runId !== "r3") at.finish(runId, "load", succeeded(), 1);
    }
  });

  test("nothing where all is right, while one runs, and once one is retried", () => {
    expect([record().runs, record().items, found()]).toEqual([2, 3n, []]);
    at.control(retry("r1"));
    expect([record().runs, record().items, found()]).toEqual([1, 2n, []]);
  });
  test.each<[string, () => unknown, RegExp]>([
    ["a run that is counted twice", () => (record().runs += 1), /^I7 .*counts 3 failed runs, there are 2$/],
    [
      "an item that is not counted",
      () => (record().items -= 1n),
      /^I7 .*counts 2 failed items, there are 3$/,
    ],
    [
      "a row of the index that is gone",
      () => [at.view.del(at.view.keysOf("G")[0] ?? ""), at.view.commit()],
      /a retry by it would find 1$/,
    ],
  ])("%s", (_what, plant, said) => {
    plant();
    expect(found()[0]).toMatch(said);
  });
  test("what came in between is told from what was so all the time", () => {
    const before = { ...record() };
    expect(isUnchanged(before, record())).toBe(true);
    at.finish("r3", "load", failed(FailureMode.VALIDATION, "row 2 is bad"), 1);
    expect(isUnchanged(before, record())).toBe(false);
    expect(isUnchanged(before, undefined)).toBe(false);
  });
});
