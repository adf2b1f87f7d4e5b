/** What the retry of a parent needs lives as long as that is promised: its children, theirs, in whichever partitions. */
import {
  FailureMode,
  MoveToDeadLettersSchema,
  PruneKind,
  RetentionPolicySchema,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import { NEED_ASKED_NS } from "../limits.js";
import { action, cancel, childRun, failed, ONE_ATTEMPT, pruning, retry, workflow } from "../testing/build.js";
import {
  allHold,
  begin,
  childOf,
  cluster,
  control,
  finish,
  run,
  setUp,
  status,
} from "../testing/child-scene.js";

const EVER = 2n ** 64n - 1n;
const DAY = 24 * 3_600_000;
const WEEK_S = 7 * 24 * 3_600;

const retention = init(RetentionPolicySchema, { failedRetentionS: 4 * WEEK_S });
const one = { retry: ONE_ATTEMPT };
const LONG = workflow("long", [action("sub", { child: childRun("leaf"), ...one })], { retention });
const GRAND = workflow("grand", [action("sub", { child: childRun("parent"), ...one })], { retention });
beforeEach(() => setUp(LONG, GRAND));

const exists = (runId: string): boolean => cluster.of(runId).view.keysOf("r").includes(`r${runId}`);

/** A whole day of sweeps everywhere. */
function sweepAll(): void {
  for (const partition of cluster.partitions)
    for (const kind of [PruneKind.FAILED, PruneKind.DEAD_LETTERS])
      for (const name of ["leaf", "parent", "long", "grand"])
        partition.asOwner(pruning({ kind, workflow: name, sweepNs: partition.nowNs, upToNs: EVER }));
  cluster.settle();
}
function days(count: number): void {
  for (let day = 0; day < count; day++) {
    cluster.pass(DAY);
    sweepAll();
    allHold();
  }
}

test("a child outlives its own floor as long as its parent can be retried, and goes after it", () => {
  const child = begin("long");
  finish(child, "work", failed(FailureMode.NETWORK, "away"));
  expect([status("p"), status(child)]).toEqual(["FAILED", "FAILED"]);
  days(10);
  expect(exists(child)).toBe(true);
  expect(run(child).retryableUntilNs).toBeGreaterThanOrEqual(run("p").retryableUntilNs);
  control("p", retry("p"));
  expect(childOf("p", "sub")).toBe(child);
  expect(run(child)).toMatchObject({ generation: 2, status: RunStatus.RUNNING });
  finish(child, "work", failed(FailureMode.NETWORK, "away"));
  days(27);
  expect([exists("p"), exists(child)]).toEqual([true, true]);
  days(4);
  expect([exists("p"), exists(child)]).toEqual([false, false]);
});

test("a grandchild lives as long as its grandparent can be retried", () => {
  const child = begin("grand");
  const grandchild = childOf(child, "sub");
  finish(grandchild, "work", failed(FailureMode.NETWORK, "away"));
  days(20);
  expect([exists(child), exists(grandchild)]).toEqual([true, true]);
  control("p", retry("p"));
  expect(run(grandchild)).toMatchObject({ generation: 2, status: RunStatus.RUNNING });
  finish(grandchild, "work");
  finish(child, "after");
  expect(status("p")).toBe("COMPLETED");
});

test("a parent in the dead letters keeps its child; discarded and past its floor, it lets both go", () => {
  const child = begin();
  finish(child, "work", failed(FailureMode.NETWORK, "away"));
  const value = init(MoveToDeadLettersSchema, { runId: "p", who: "ann", reason: "poison" });
  cluster.of("p").control({ case: "moveToDeadLetters", value });
  days(12);
  expect([exists("p"), exists(child)]).toEqual([true, true]);
});

test("a child that failed while its parent goes on is kept until that has ended", () => {
  setUp(
    workflow("slow", [
      action("sub", { child: childRun("leaf"), retry: ONE_ATTEMPT }),
      action("other", { retry: ONE_ATTEMPT }),
    ]),
  );
  const child = begin("slow");
  finish(child, "work", failed(FailureMode.NETWORK, "away"));
  days(9);
  expect(exists(child)).toBe(true);
  finish("p", "other");
  expect(status("p")).toBe("FAILED");
  control("p", retry("p"));
  expect(run(child)).toMatchObject({ generation: 2 });
});

test("what nobody needs goes with its own floor: of a parent that was cancelled, or has another child", () => {
  const child = begin();
  control("p", cancel("p"));
  expect([status("p"), status(child)]).toEqual(["CANCELLED", "CANCELLED"]);
  days(9);
  expect([exists("p"), exists(child)]).toEqual([false, false]);
});

test("a parent that does not answer keeps its child, which asks again", () => {
  const child = begin("long");
  finish(child, "work", failed(FailureMode.NETWORK, "away"));
  const home = cluster.of(child);
  home.nowNs += BigInt(8 * DAY) * 1_000_000n;
  for (let n = 0; n < 3; n++) {
    home.asOwner(pruning({ kind: PruneKind.FAILED, workflow: "leaf", sweepNs: home.nowNs, upToNs: EVER }));
    expect(exists(child)).toBe(true);
    home.nowNs += NEED_ASKED_NS + 1n;
  }
});
