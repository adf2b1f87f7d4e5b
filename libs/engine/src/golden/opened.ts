/** For tests: a world whose store and log are a golden one's, and what there is to be asked of it. */
import { TestWorld } from "../dispatch/testing.js";
import { CheckQuerySchema, CheckSection, RetentionQuerySchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type Golden, type GoldenCounts, replay, restore } from "./golden-file.js";

const HOUR_MS = 3_600_000;

/** `rows`: false where the node has nothing but the log. */
export async function worldOf(golden: Golden, part: "stored" | "end", rows = true): Promise<TestWorld> {
  // Workers of tests send no beats while time passes, and are not to be missed.
  const world = new TestWorld({ workerLeaseMs: 24 * 365 * HOUR_MS }, golden.partitions.length);
  if (rows) await restore(golden, world.store);
  await replay(golden, world.log, part, (ms) => world.clock.advance(ms - world.clock.nowMs()));
  return world;
}

export async function countsOf(world: TestWorld): Promise<GoldenCounts> {
  const { workflows } = await world.until(world.queries.counts());
  return Object.fromEntries(
    workflows.map(({ workflow, active, completed, completedWithFailures, failed, cancelled }) => [
      workflow,
      Object.fromEntries(
        Object.entries({ active, completed, completedWithFailures, failed, cancelled }).map(
          ([name, count]) => [name, Number(count)],
        ),
      ),
    ]),
  );
}

/** What breaks a rule, in words; and how many runs were held against them. */
export async function checkAll(
  world: TestWorld,
): Promise<{ readonly breaches: string[]; readonly runs: number }> {
  const breaches: string[] = [];
  let runs = 0;
  for (let partition = 0; partition < world.partitions; partition++) {
    let [section, afterRunId] = [CheckSection.UNSPECIFIED, ""];
    do {
      const value = init(CheckQuerySchema, { section, afterRunId });
      const answer = await world.until(world.queries.query(partition, { case: "check", value }));
      if (answer.case !== "check") throw new Error(`a check was answered with ${answer.case}`);
      runs += answer.value.checkedRuns;
      for (const { rule, runId, action, message } of answer.value.breaches)
        breaches.push(`${rule} ${runId} ${action}: ${message}`);
      afterRunId = answer.value.nextAfter;
      if (afterRunId === "") section = answer.value.nextSection;
    } while (afterRunId !== "" || section !== CheckSection.UNSPECIFIED);
  }
  return { breaches, runs };
}

/** How many runs the rollups have. */
export async function prunedOf(world: TestWorld): Promise<number> {
  let pruned = 0;
  for (let partition = 0; partition < world.partitions; partition++) {
    const value = init(RetentionQuerySchema);
    const answer = await world.until(world.queries.query(partition, { case: "retention", value }));
    if (answer.case !== "retention")
      throw new Error(`a question for retention was answered with ${answer.case}`);
    for (const { pruned: rollups } of answer.value.workflows)
      for (const { counts } of rollups) for (const { runs } of counts) pruned += Number(runs);
  }
  return pruned;
}
