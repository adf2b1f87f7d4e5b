/** A machine whose wall clock is stepped, both ways, while the log's goes on: nothing is late, nothing is early, and the log does not fill. */
import { create } from "@bufbuild/protobuf";
import {
  FailureMode,
  ListAttentionQuerySchema,
  RunStatus,
  ScheduleOverlap,
  ScheduleSpecSchema,
  type Task,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import { putScheduleCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";

const DAY_MS = 86_400_000;
const PARTITION = 0;
const retry = { maxAttempts: 3, initialBackoffMs: 5_000, jitterMilli: 0 };
const only = create(WorkflowDefinitionSchema, { name: "only", actions: [{ name: "once", retry }] });
const late = create(WorkflowDefinitionSchema, {
  name: "late",
  actions: [{ name: "rest", wait: { for: { case: "sleepMs", value: 10_000n } } }],
});

class Scene {
  readonly world = new TestWorld({ workerLeaseMs: 20_000, sweepPauseMs: 1_000, stuckAfterMs: 30_000 }, 1);

  static async open(): Promise<Scene> {
    const scene = new Scene();
    await scene.world.startNode();
    for (const definition of [only, late]) await scene.world.define(definition);
    return scene;
  }

  async status(runId: string): Promise<string | undefined> {
    return RunStatus[(await this.world.until(this.world.queries.getRun(runId))).summary?.status ?? 0];
  }

  async entries(): Promise<number> {
    return (await this.world.log.info(PARTITION)).lastSeq;
  }

  async attention(): Promise<string[]> {
    const value = init(ListAttentionQuerySchema, {});
    const answer = await this.world.until(
      this.world.queries.query(PARTITION, { case: "listAttention", value }),
    );
    return answer.case === "attention" ? answer.value.attentions.map(({ runId }) => runId) : [];
  }

  get offsetS(): number {
    const line = /^holdfast_log_clock_offset_seconds (\S+)$/m.exec(this.world.registry.render());
    return Math.round(Number(line?.[1]));
  }

  /** Lets so much time pass, in which a worker is heard. */
  async pass(ms: number, worker?: TestWorker): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) {
      await this.world.clock.advance(Math.min(1_000, ms - passed));
      worker?.beat();
    }
  }
}

describe.each([
  ["a day back", -DAY_MS],
  ["a day ahead", DAY_MS],
])("a machine's clock that is set %s", (_what, byMs) => {
  test("makes no timer late or early, and is shown", async () => {
    const scene = await Scene.open();
    await scene.world.start("late", "run-1");
    scene.world.clock.step(byMs);
    await scene.world.start("late", "run-2");
    await scene.pass(9_000);
    expect([await scene.status("run-1"), await scene.status("run-2")]).toEqual(["RUNNING", "RUNNING"]);
    expect(scene.offsetS).toBe(-byMs / 1_000);
    await scene.pass(2_000);
    expect([await scene.status("run-1"), await scene.status("run-2")]).toEqual(["COMPLETED", "COMPLETED"]);
    scene.world.clock.step(-byMs);
    await scene.world.start("late", "run-3");
    await scene.pass(11_000);
    expect(await scene.status("run-3")).toBe("COMPLETED");
    expect(scene.offsetS).toBe(0);
  });

  test("while a timer is pending hardly writes to the log", async () => {
    const scene = await Scene.open();
    for (let i = 0; i < 20; i++) await scene.world.start("late", `run-${i}`);
    await scene.pass(60_000);
    const before = await scene.entries();
    await scene.world.start("late", "waits");
    scene.world.clock.step(byMs);
    await scene.pass(9_000);
    expect((await scene.entries()) - before).toBeLessThan(20);
  });

  test("makes no retry late, and no worker lost", async () => {
    const scene = await Scene.open();
    const worker = new TestWorker(scene.world, "worker-a", 5);
    await scene.world.start("only", "run-1");
    await scene.pass(100);
    scene.world.clock.step(byMs);
    await scene.pass(1_000, worker);
    await worker.fail(worker.tasks[0] as Task, FailureMode.UNAVAILABLE, "not now");
    await scene.pass(4_000, worker);
    expect(worker.tasks).toHaveLength(1);
    await scene.pass(2_000, worker);
    expect(worker.tasks.map(({ attempt }) => attempt)).toEqual([1, 2]);
    await worker.succeed(worker.tasks[1] as Task);
    await scene.pass(100);
    expect(await scene.status("run-1")).toBe("COMPLETED");
  });

  test("makes no schedule stop, nor begin what is not due", async () => {
    const scene = await Scene.open();
    const { world } = scene;
    const spec = { workflow: "late", cron: "* * * * *", overlap: ScheduleOverlap.ALLOW };
    const put = putScheduleCommand({
      name: "each-minute",
      spec: init(ScheduleSpecSchema, spec),
      who: "ann",
      id: "put-1",
      nowMs: world.clock.nowMs(),
    });
    await world.until(world.commands.submit(PARTITION, put));
    await scene.pass(61_000);
    const begun = async () => {
      const { completed, active } = (await world.until(world.queries.counts("late"))).total;
      return Number(completed + active);
    };
    expect(await begun()).toBe(1);
    world.clock.step(byMs);
    await scene.pass(180_000);
    expect(await begun()).toBe(4);
  });

  test("tells no work as stuck that is not, and what is in time", async () => {
    const scene = await Scene.open();
    await scene.world.start("only", "run-1");
    scene.world.clock.step(byMs);
    await scene.pass(20_000);
    expect(await scene.attention()).toEqual([]);
    await scene.pass(40_000);
    expect(await scene.attention()).toEqual(["run-1"]);
  });
});
