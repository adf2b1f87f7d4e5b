/** A run in another's place: both say so, whichever partitions they live in, and whatever becomes of the message. */
import {
  FailureMode,
  OnConflict,
  PruneKind,
  RecoveryStrategy,
  RestartSchema,
  RunEventType,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { restartRunId } from "../actor/restart-id.js";
import { planOf } from "../definition/plan.js";
import { RESTARTS_KEPT_MAX } from "../limits.js";
import { partitionOf } from "../names.js";
import { recommendForRun } from "../recovery/recommend-run.js";
import { APPROVAL } from "../testing/refused-scene.js";
import {
  action,
  failed,
  inline,
  ONE_ATTEMPT,
  pruning,
  retry,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { TestCluster } from "../testing/cluster.js";

const ONE = workflow("one", [action("a", { retry: ONE_ATTEMPT })]);
const inPlaceOf = (runId: string, reason = "the address was wrong") => ({
  restarts: init(RestartSchema, { runId, who: "ann", reason }),
});

/** Two partitions, a failed run in one, and the id of a run that lives in the other. */
function failedRun(): { cluster: TestCluster; far: string } {
  const cluster = new TestCluster(2, [ONE]);
  cluster.start("old", "one", { input: inline(1) });
  cluster.of("old").finish("old", "a", failed(FailureMode.VALIDATION));
  const far = Array.from({ length: 50 }, (_, n) => `new-${n}`).find(
    (id) => partitionOf(id, 2) !== partitionOf("old", 2),
  );
  return { cluster, far: far ?? "" };
}

test("the new run names the old one at once, and the old one the new once it is told", () => {
  const { cluster, far } = failedRun();
  const before = cluster.of("old").run("old").nextEvent;
  cluster.start(far, "one", { input: inline(2), ...inPlaceOf("old") });
  expect(cluster.of(far).run(far).restarts).toMatchObject({ runId: "old", who: "ann" });
  expect(cluster.of("old").run("old").restarted).toBeUndefined();
  cluster.settle();
  const old = cluster.of("old").run("old");
  expect(old.restarted).toMatchObject({
    count: 1,
    newest: [{ runId: far, who: "ann", reason: "the address was wrong" }],
  });
  expect(old.status).toBe(RunStatus.FAILED);
  expect(old.nextEvent).toBe(before + 1);
  expect(old.events.at(-1)).toMatchObject({
    type: RunEventType.RUN_RESTARTED,
    detail: `restarted as run ${far} by ann: the address was wrong`,
  });
  expect(recommendForRun("old", planOf(ONE), old)).toMatchObject({
    strategy: RecoveryStrategy.ABORT,
    reason: `it was restarted as run ${far}`,
  });
});

test("a message that comes twice, and a start that is sent again, are one restart", () => {
  const { cluster, far } = failedRun();
  const again = () =>
    cluster
      .of(far)
      .send(start(far, "one", { ...inPlaceOf("old"), onConflict: OnConflict.REJECT, compareInput: true }), {
        id: "request-1",
      });
  expect(again()).toMatchObject({ case: "accepted", value: { existed: false, differs: false } });
  expect(again()).toMatchObject({ case: "accepted", value: { existed: false, differs: false } });
  cluster.post(partitionOf(far, 2), partitionOf("old", 2));
  cluster.arrive(0, true);
  cluster.settle();
  expect(cluster.of("old").run("old").restarted?.count).toBe(1);
});

test("nobody has to look at a run any more that was restarted; it can still be retried", () => {
  const { cluster, far } = failedRun();
  const home = cluster.of("old");
  const told = () => home.view.keysOf("K").length;
  expect([told(), home.effects.some(({ kind }) => kind === "attention")]).toEqual([1, true]);
  cluster.start(far, "one", inPlaceOf("old"));
  cluster.settle();
  expect([told(), home.run("old").attentionSeq]).toEqual([0, 0n]);
  expect(home.control(retry("old", { force: true }))).toMatchObject({ case: "accepted" });
});

test("a run that goes on, and waits for somebody, stays among what needs a person", () => {
  const asks = workflow("asks", [action("ask", { wait: APPROVAL })]);
  const cluster = new TestCluster(1, [asks]);
  cluster.start("old", "asks");
  const told = () => cluster.at(0).view.keysOf("K").length;
  expect(told()).toBe(1);
  cluster.start("new", "asks", inPlaceOf("old"));
  cluster.settle();
  expect([cluster.at(0).run("old").restarted?.count, told()]).toEqual([1, 2]);
});

test("a completed run that was restarted often leaves nothing behind when it is pruned", () => {
  const cluster = new TestCluster(1, [ONE]);
  const home = cluster.at(0);
  const rows = () => home.view.keysOf("h").length;
  cluster.start("old", "one");
  home.finish("old", "a", succeeded());
  for (let n = 0; n < 40; n++) {
    cluster.start(`again-${n}`, "one", inPlaceOf("old"));
    cluster.settle();
  }
  expect(rows()).toBe(1);
  home.pass(25 * 3600 * 1000);
  home.asOwner(pruning({ kind: PruneKind.COMPLETED, workflow: "one", upToNs: 2n ** 63n }));
  expect([home.view.keysOf("r").includes("rold" as never), rows()]).toEqual([false, 0]);
});

test("of many restarts the newest are named, and all are counted", () => {
  const { cluster } = failedRun();
  for (let n = 0; n < RESTARTS_KEPT_MAX + 3; n++) cluster.start(`again-${n}`, "one", inPlaceOf("old"));
  cluster.settle();
  const list = cluster.of("old").run("old").restarted;
  expect(list?.count).toBe(RESTARTS_KEPT_MAX + 3);
  expect(list?.newest).toHaveLength(RESTARTS_KEPT_MAX);
  expect(new Set(list?.newest.map(({ runId }) => runId)).size).toBe(RESTARTS_KEPT_MAX);
});

test("where the old run is gone, the new one keeps its link and nothing else happens", () => {
  const cluster = new TestCluster(2, [ONE]);
  cluster.start("new", "one", inPlaceOf("gone"));
  cluster.settle();
  expect(cluster.of("new").run("new").restarts?.runId).toBe("gone");
  expect(cluster.partitions.flatMap(({ view }) => view.keysOf("r"))).toHaveLength(1);
});

test.each([
  ["inline", inline({ a: 1 }), inline({ a: 2 })],
  ["beside the record", inline("x".repeat(5_000)), inline("y".repeat(5_000))],
])("a start says whether a run that is there was begun with another input: %s", (_what, one, other) => {
  const partition = new TestCluster(1, [ONE]).at(0);
  const differs = (input: typeof one | undefined, id = "") => {
    const result = partition.send(start("r", "one", { input, compareInput: true }), { id });
    return result.case === "accepted" ? result.value.differs : result.case;
  };
  expect(differs(one, "first")).toBe(false);
  expect([
    differs(one, "first"),
    differs(one),
    differs(other, "first"),
    differs(other),
    differs(undefined),
  ]).toEqual([false, false, true, true, true]);
  expect(partition.send(start("r", "one", { input: other }))).toMatchObject({ value: { differs: false } });
  partition.finish("r", "a", succeeded());
});

test("ids: the same request names the same run, another one another, and a restart's restart stays short", () => {
  const id = restartRunId("order-1", "a");
  expect(id).toMatch(/^order-1-again-[0-9a-f]{10}$/);
  expect([restartRunId("order-1", "a") === id, restartRunId("order-1", "b") === id]).toEqual([true, false]);
  expect(restartRunId(id, "a")).toMatch(/^order-1-again-[0-9a-f]{10}$/);
  expect(restartRunId(id, "a")).not.toBe(id);
  expect(restartRunId("x".repeat(128), "a").length).toBeLessThanOrEqual(128);
});
