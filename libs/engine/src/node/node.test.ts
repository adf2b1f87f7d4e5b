import { create } from "@bufbuild/protobuf";
import { CheckQuerySchema, RunStatus, WorkflowDefinitionSchema } from "@holdfast/proto";
import { describe, expect, test } from "vitest";
import { TestWorker, TestWorld } from "../dispatch/testing.js";

const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });

async function worldWithRuns(runs: number): Promise<TestWorld> {
  const world = new TestWorld();
  await world.startNode();
  await world.define(one);
  const worker = new TestWorker(world, "worker-a", 100);
  for (let i = 0; i < runs; i++) await world.start("one", `run-${i}`);
  await world.clock.advance(100);
  for (const task of worker.tasks) await worker.succeed(task);
  await world.clock.advance(200);
  return world;
}

describe("a node", () => {
  test("checks all its runs, page by page, and finds that every rule holds", async () => {
    const world = await worldWithRuns(25);
    let checked = 0;
    for (const partition of [0, 1]) {
      let afterRunId = "";
      do {
        const value = create(CheckQuerySchema, { afterRunId, limit: 4 });
        const answer = await world.until(world.queries.query(partition, { case: "check", value }));
        if (answer.case !== "check") throw new Error(`answered with ${answer.case}`);
        expect(answer.value.breaches).toEqual([]);
        checked += answer.value.checkedRuns;
        afterRunId = answer.value.nextAfter;
      } while (afterRunId !== "");
    }
    expect(checked).toBe(25);
  });

  test("comes back with everything where its state was lost", async () => {
    const world = await worldWithRuns(10);
    await world.until(world.node?.stop() ?? Promise.resolve());
    world.loseState();
    await world.startNode();
    for (let i = 0; i < 10; i++) {
      expect((await world.until(world.queries.getRun(`run-${i}`))).summary?.status).toBe(RunStatus.COMPLETED);
    }
  });

  test.each([
    ["lost its tail", (world: TestWorld) => world.log.loseTail(0, 1), /lost its tail/],
    ["was made anew", (world: TestWorld) => world.log.recreate(0), /created anew/],
    [
      "no longer has what a lost state needs",
      (world: TestWorld) => {
        world.log.trim(0, 3);
        world.loseState();
      },
      /begins at 3, and the state is empty/,
    ],
  ])(
    "does not fold a log that %s: the partition says so, the other works",
    async (_what, damage, problem) => {
      const world = await worldWithRuns(10);
      await world.until(world.node?.stop() ?? Promise.resolve());
      damage(world);
      await world.startNode();
      const [first, second] = world.node?.status() ?? [];
      expect(first?.state).toBe("stopped");
      expect(first?.problem).toMatch(problem);
      expect(second?.state).toBe("acting");
      const ask = world.queries.query(
        0,
        { case: "check", value: create(CheckQuerySchema) },
        { timeoutMs: 200 },
      );
      await expect(world.until(ask)).rejects.toThrow(/partition 0 can't answer/);
    },
  );
});
