/** Commands that the fold throws over, as over damaged state: refused, and neither their partition nor another's is held up. */
import { create } from "@bufbuild/protobuf";
import { definitionKey, hashDefinition, partitionOf } from "@holdfast/core";
import {
  CancelRunSchema,
  CommandSchema,
  RejectCode,
  RunStatus,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";

const PARTITION = 0;
const FAULTS = 60;
const one = create(WorkflowDefinitionSchema, { name: "one", actions: [{ name: "only" }] });
const lost = create(WorkflowDefinitionSchema, {
  name: "lost",
  actions: [{ name: "rest", wait: { for: { case: "sleepMs", value: 3_600_000n } } }],
});

/** Ids of a partition. */
function idsIn(partition: number, of: number, prefix: string, count: number): string[] {
  const ids: string[] = [];
  for (let n = 0; ids.length < count; n++)
    if (partitionOf(`${prefix}-${n}`, of) === partition) ids.push(`${prefix}-${n}`);
  return ids;
}

test("dozens of commands that the fold throws over are refused, and honest runs of that partition and of the other go on", async () => {
  const world = new TestWorld({}, 2);
  await world.startNode();
  await world.define(one);
  await world.define(lost);
  const worker = new TestWorker(world, "worker-a", 50);
  const damaged = idsIn(PARTITION, 2, "lost", FAULTS);
  for (const runId of damaged) await world.start("lost", runId);
  await world.clock.advance(2_000);
  // What such a run pins is gone: whatever is folded of it throws.
  world.processor(PARTITION)["state"].del(definitionKey(hashDefinition(lost)));
  await world.start("one", idsIn(PARTITION, 2, "after", 1)[0] ?? "");
  await world.clock.advance(2_000);

  const refused = world.commands.submit(
    PARTITION,
    init(CommandSchema, {
      id: "cancel-first",
      issuedAtNs: BigInt(Math.floor(world.clock.monotonicMs())) * 1_000_000n,
      kind: { case: "cancelRun", value: init(CancelRunSchema, { runId: damaged[0] ?? "" }) },
    }),
  );
  expect((await world.until(refused)).result).toMatchObject({
    case: "rejected",
    value: { code: RejectCode.UNSUPPORTED, message: expect.stringContaining("changed nothing") },
  });
  const answers = damaged.map((runId, n) =>
    world.commands.send(
      PARTITION,
      init(CommandSchema, {
        id: `cancel-${n}`,
        issuedAtNs: BigInt(Math.floor(world.clock.monotonicMs())) * 1_000_000n,
        kind: { case: "cancelRun", value: init(CancelRunSchema, { runId }) },
      }),
    ),
  );
  const honest = [...idsIn(0, 2, "here", 5), ...idsIn(1, 2, "there", 5)];
  const started = honest.map((runId) =>
    world.commands.send(partitionOf(runId, 2), startRunCommand({ workflow: "one", runId })),
  );
  const beforeMs = world.clock.monotonicMs();
  await world.until(Promise.all([...answers, ...started]));
  const open = new Set(honest);
  for (let second = 0; second < 60 && open.size > 0; second++) {
    await world.clock.advance(1_000);
    for (const task of worker.tasks) if (open.delete(task.runId)) await world.until(worker.succeed(task));
    worker.beat();
  }
  expect([...open]).toEqual([]);
  await world.clock.advance(1_000);
  for (const runId of honest)
    expect((await world.until(world.queries.getRun(runId))).summary?.status).toBe(RunStatus.COMPLETED);
  // Sixty faults, each with a pause and an opening: none makes the next wait longer.
  expect(world.clock.monotonicMs() - beforeMs).toBeLessThan(60_000);
  expect(world.node?.status().map(({ state, problem }) => [state, problem])).toEqual([
    ["acting", ""],
    ["acting", ""],
  ]);
});
