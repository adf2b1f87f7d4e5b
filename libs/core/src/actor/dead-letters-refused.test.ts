/** What can't be moved to the dead letters, or discarded: each is told why, and nothing has changed. */
import { type Command, FailureMode, RejectCode, RunStatus } from "@holdfast/proto";
import { beforeEach, expect, test } from "vitest";
import { DEAD_LETTER_ITEMS_MAX } from "../limits.js";
import { batch, cancel, failed, inline, json, report, start, succeeded } from "../testing/build.js";
import { DeadLetterScene, moveOf } from "../testing/dead-letter-scene.js";
import type { TestPartition } from "../testing/partition.js";

const DAY_MS = 24 * 3_600_000;

let scene: DeadLetterScene;
let partition: TestPartition;
beforeEach(() => {
  scene = new DeadLetterScene();
  partition = scene.partition;
});

const rejected = (code: RejectCode, message: RegExp) => ({
  case: "rejected",
  value: { code, message: expect.stringMatching(message) },
});

test.each<[string, () => void, Command["kind"], RejectCode, RegExp]>([
  [
    "a run that is not there",
    () => undefined,
    moveOf("nobody"),
    RejectCode.RUN_NOT_FOUND,
    /there is no run "nobody"/,
  ],
  ["what is no run id", () => undefined, moveOf("Ł\0"), RejectCode.RUN_NOT_FOUND, /there is no run/],
  [
    "a run that goes on",
    () => void partition.send(start("r", "plain")),
    moveOf("r"),
    RejectCode.NOT_FAILED,
    /it is RUNNING/,
  ],
  [
    "a run that was cancelled",
    () => {
      partition.send(start("r", "plain"));
      partition.control(cancel("r"));
    },
    moveOf("r"),
    RejectCode.NOT_FAILED,
    /it is CANCELLED/,
  ],
  [
    "a run that is there",
    () => {
      scene.failRun();
      scene.move();
    },
    moveOf("r"),
    RejectCode.DEAD_LETTER,
    /already, since .+ by ann: poison/,
  ],
  [
    "items of a run that is there",
    () => {
      scene.failItems();
      scene.move();
    },
    moveOf("r", "rows", [1]),
    RejectCode.DEAD_LETTER,
    /run r is in the dead letters/,
  ],
  [
    "items that are there",
    () => {
      scene.failItems();
      scene.move("r", "rows", [1]);
    },
    moveOf("r", "rows", [1]),
    RejectCode.DEAD_LETTER,
    /item 1 of action rows/,
  ],
  [
    "an action that is not",
    () => scene.failItems(),
    moveOf("r", "Ł", [1]),
    RejectCode.NO_SUCH_ITEM,
    /its actions over items are: rows/,
  ],
  [
    "an action without items",
    () => scene.failItems(),
    moveOf("r", "done", [1]),
    RejectCode.NO_SUCH_ITEM,
    /has no items of action done/,
  ],
  [
    "items of no action",
    () => scene.failItems(),
    moveOf("r", "", [1]),
    RejectCode.NO_SUCH_ITEM,
    /has no action/,
  ],
  [
    "no items",
    () => scene.failItems(),
    moveOf("r", "rows"),
    RejectCode.MALFORMED,
    /no item of action rows .+ is named/,
  ],
  [
    "an item that is not",
    () => scene.failItems(),
    moveOf("r", "rows", [1, 4_294_967_295]),
    RejectCode.NO_SUCH_ITEM,
    /no item 4294967295/,
  ],
  [
    "an item that succeeded",
    () => scene.failItems(),
    moveOf("r", "rows", [1, 2]),
    RejectCode.NOT_FAILED,
    /item 2 .+ it is SUCCEEDED; nothing was moved/,
  ],
  [
    "several items that can't be",
    () => scene.failItems(),
    moveOf("r", "rows", [1, 2, 4_294_967_295, 2]),
    RejectCode.NOT_FAILED,
    /^2 of the 3 items named are no failed items of .+: 2 is SUCCEEDED, 4294967295 is not there; nothing was moved$/,
  ],
  [
    "more items than it looks at",
    () => scene.failItems(),
    moveOf(
      "r",
      "rows",
      Array.from({ length: 100_001 }, (_, n) => 1_000 + n),
    ),
    RejectCode.NO_SUCH_ITEM,
    /^1000 of the 100001 items named .+ 1009 is not there and 990 more and 99001 not looked at; nothing was moved$/,
  ],
  [
    "items of a run that is recovered by itself",
    () => scene.failItems("patient-rows", [FailureMode.NETWORK, FailureMode.NETWORK]),
    moveOf("r", "rows", [1]),
    RejectCode.NOT_FAILED,
    /recovered by itself at/,
  ],
  [
    "a run whose recovery can't be called off without undoing",
    () => {
      partition.send(start("r", "undoing"));
      partition.finish("r", "first", succeeded());
      partition.finish("r", "only", failed(FailureMode.NETWORK));
    },
    moveOf("r"),
    RejectCode.NOT_FAILED,
    /would have to be undone first/,
  ],
])("to move %s", (_, before, sent, code, message) => {
  before();
  const dump = partition.view.dump();
  expect(partition.control(sent)).toMatchObject(rejected(code, message));
  const changed = partition.view.keysOf("").filter((key) => !"Akt".includes(key.charAt(0)));
  expect(changed.filter((key) => dump.get(key) === undefined)).toEqual([]);
  expect(scene.announced()).toEqual([]);
});

test.each<[string, () => void, () => unknown, RejectCode, RegExp]>([
  [
    "without a reason",
    () => {
      scene.failRun();
      scene.move();
    },
    () => scene.discard("", [], " \n "),
    RejectCode.MALFORMED,
    /needs a reason/,
  ],
  [
    "what is not there",
    () => scene.failRun(),
    () => scene.discard(),
    RejectCode.NOT_DEAD_LETTER,
    /run r is not in the dead letters/,
  ],
  [
    "items that are not there",
    () => {
      scene.failItems();
      scene.move("r", "rows", [1]);
    },
    () => scene.discard("rows", [1, 3]),
    RejectCode.NOT_DEAD_LETTER,
    /item 3 .+ is not in the dead letters by itself; nothing was discarded/,
  ],
  [
    "more items that are not there than an error names",
    () => {
      scene.failItems();
      scene.move("r", "rows", [1]);
    },
    () => scene.discard("rows", [1, ...Array.from({ length: 100_001 }, (_, n) => 1_000 + n), 2 ** 32 - 1]),
    RejectCode.NOT_DEAD_LETTER,
    /items 1000, .+, 1009 and 99992 more of .+ are not in the dead letters/,
  ],
  [
    "an item of a run that is there as a whole",
    () => {
      scene.failItems();
      scene.move();
    },
    () => scene.discard("rows", [1]),
    RejectCode.NOT_DEAD_LETTER,
    /the run as a whole is/,
  ],
  [
    "an action of which nothing is there",
    () => {
      scene.failItems();
      scene.move();
    },
    () => scene.discard("rows"),
    RejectCode.NOT_DEAD_LETTER,
    /no item of action rows/,
  ],
  [
    "an action that is not",
    () => {
      scene.failItems();
      scene.move();
    },
    () => scene.discard("nothing", [1]),
    RejectCode.NO_SUCH_ITEM,
    /has no action "nothing"/,
  ],
  ["a run that is not", () => undefined, () => scene.discard(), RejectCode.RUN_NOT_FOUND, /there is no run/],
])("to discard %s", (_, before, sent, code, message) => {
  before();
  const there = scene.listed();
  expect(sent()).toMatchObject(rejected(code, message));
  expect(scene.listed()).toEqual(there);
});

test("to move more single items of a run than can be, without moving any", () => {
  const rows = Array.from({ length: DEAD_LETTER_ITEMS_MAX + 1 }, (_, row) => row);
  partition.send(start("r", "listed", { input: inline(rows) }));
  partition.load("r", "rows", rows.map(json));
  while (partition.open.size > 0) {
    const outcome = failed(FailureMode.VALIDATION);
    const open = [...partition.open.values()];
    partition.append(
      batch(open.map(({ action, item, attempt }) => report("r", { action, item, attempt, outcome }))),
    );
  }
  expect(partition.run("r").status).toBe(RunStatus.FAILED);
  expect(scene.move("r", "rows", rows)).toMatchObject(
    rejected(RejectCode.TOO_LARGE, /at most 1000 can be: move the run/),
  );
  expect(scene.listed()).toEqual([]);
  expect(scene.move("r", "rows", rows.slice(1))).toMatchObject({
    case: "accepted",
    value: { items: DEAD_LETTER_ITEMS_MAX },
  });
  expect(scene.move("r", "rows", [0])).toMatchObject(
    rejected(RejectCode.TOO_LARGE, /1000 items .+ are in the dead letters/),
  );
  expect(scene.move()).toMatchObject({ case: "accepted" });
});

test("a run that was pruned, with when and why it was", () => {
  scene.failRun();
  scene.wait(8 * DAY_MS);
  scene.sweep();
  expect(scene.move()).toMatchObject(rejected(RejectCode.PRUNED, /was pruned at/));
});
