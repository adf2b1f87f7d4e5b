/** A run that has failed and is to be recovered by itself: a cancel stops that, and the run stays failed and can be retried. */
import { FailureMode, RejectCode, RunStatus } from "@holdfast/proto";
import { beforeEach, expect, test } from "vitest";
import { cancel, failed, retry, start, succeeded } from "../testing/build.js";
import { DeadLetterScene } from "../testing/dead-letter-scene.js";
import { checkPartition } from "../testing/invariants.js";

let scene: DeadLetterScene;
beforeEach(() => {
  scene = new DeadLetterScene();
});
const stop = () => scene.partition.control(cancel("r", "the host is gone"));
const run = () => scene.partition.run("r");

test("it does not come, and the run says who stopped it", () => {
  scene.failRun("r", "patient");
  expect(run().recoverAtNs).toBeGreaterThan(0n);
  const floor = run().retryableUntilNs;
  expect(stop()).toMatchObject({ case: "accepted" });
  scene.partition.pass(60_000);
  expect(run()).toMatchObject({ generation: 1, recoverAtNs: 0n, retryableUntilNs: floor });
  expect(run().detail?.text).toBe("only: no answer; its recovery was cancelled by tester: the host is gone");
  expect(stop()).toMatchObject({ value: { code: RejectCode.ALREADY_ENDED } });
  checkPartition(scene.partition);
  expect(scene.partition.control(retry("r"))).toMatchObject({ case: "accepted" });
  scene.partition.finish("r", "only", succeeded());
  checkPartition(scene.partition);
});

test("one of single items, by a workflow whose rows failed", () => {
  scene.failItems("patient-rows");
  stop();
  scene.partition.pass(60_000);
  expect(run().generation).toBe(1);
  const items = { action: "rows", items: [1] };
  expect(scene.partition.control(retry("r", items))).toMatchObject({ case: "accepted" });
  checkPartition(scene.partition);
});

test("a workflow that keeps dead letters keeps it, and says why", () => {
  scene.failRun("r", "recovering");
  stop();
  expect(scene.listed()).toEqual(["r"]);
  expect(scene.announced()[0]?.reason).toBe("its recovery was cancelled by tester: the host is gone");
  checkPartition(scene.partition);
});

test("what it did is undone, as of any run that has failed for good", () => {
  scene.partition.send(start("r", "undoing"));
  scene.partition.finish("r", "first", succeeded());
  scene.partition.finish("r", "only", failed(FailureMode.NETWORK));
  stop();
  scene.partition.finish("r", "first", succeeded());
  expect(run().status).toBe(RunStatus.FAILED);
  checkPartition(scene.partition);
});

test("a retry of a run with such a policy that is cancelled is not recovered by itself either", () => {
  scene.failRun("r", "patient");
  scene.partition.control(retry("r"));
  stop();
  scene.partition.pass(60_000);
  expect(run()).toMatchObject({ generation: 2, recoverAtNs: 0n });
  checkPartition(scene.partition);
});

test("a dead letter that a retry took out is settled with it: no later cancel brings it back", () => {
  const { partition } = scene;
  scene.failRun("r", "patient");
  expect(scene.move()).toMatchObject({ case: "accepted" });
  expect(partition.control(retry("r"))).toMatchObject({ case: "accepted" });
  partition.finish("r", "only", failed(FailureMode.NETWORK, "no answer"));
  expect(run().recoverAtNs).toBeGreaterThan(0n);
  expect(run().lettersOut).toBeDefined();
  stop();
  expect(run().lettersOut).toBeUndefined();
  checkPartition(partition);
});
