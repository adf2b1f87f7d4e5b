/** A cancelled retry of jobs over items, of steps and of what counts against a budget: what was failed stands, what was done counts. */
import { CheckpointStepSchema, FailureMode, GuardrailsSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { stepKey } from "../state/tables.js";
import { resultOf } from "../testing/batch-moves.js";
import {
  action,
  BATCH,
  batch,
  cancel,
  command,
  define,
  failed,
  inline,
  json,
  ONE_ATTEMPT,
  overInput,
  retry,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { budgets, usage } from "../testing/guardrail-moves.js";
import { checkPartition } from "../testing/invariants.js";
import { JobScript } from "../testing/job-script.js";
import { RetryItemsScene } from "../testing/retry-items-scene.js";

let scene: RetryItemsScene;
beforeEach(() => {
  scene = new RetryItemsScene();
});
const again = (fields = {}) => scene.partition.control(retry("r", { who: "ann", ...fields }));
const stop = (graceMs = 0) => scene.partition.control(cancel("r", "no longer wanted", graceMs));

describe("steps", () => {
  const step = (index: number, name: string): void => {
    const [task] = [...scene.partition.open.values()];
    const value = init(CheckpointStepSchema, {
      runId: "r",
      action: 0,
      attempt: task?.attempt ?? 0,
      index,
      name,
      result: inline(index),
    });
    scene.partition.send(command({ case: "checkpointStep", value }));
  };
  const kept = (): string[] =>
    [0, 1, 2].map((index) => scene.partition.view.get(stepKey("r", 0, -1, index))?.name ?? "-");

  test.each([0, 5_000])("that the retry did are kept for the next one (grace of %i ms)", (graceMs) => {
    scene.partition.append(batch([define(workflow("w", [action("ship", { retry: ONE_ATTEMPT })]))]));
    scene.partition.send(start("r", "w"));
    step(0, "reserve");
    scene.partition.finish("r", "ship", failed(FailureMode.NETWORK, "the carrier is away"));
    again();
    step(1, "pay");
    stop(graceMs);
    if (graceMs > 0) {
      step(2, "pack");
      scene.partition.finish("r", "ship", failed(FailureMode.CANCELLED, "stopped"));
    }
    expect(scene.status()).toBe("FAILED");
    expect(scene.partition.action("r", "ship").failure?.message).toBe("the carrier is away");
    expect(kept()).toEqual(["reserve", "pay", graceMs > 0 ? "pack" : "-"]);
    checkPartition(scene.partition);
    expect(again()).toMatchObject({ case: "accepted" });
    expect(kept().slice(0, 2)).toEqual(["reserve", "pay"]);
    scene.partition.finish("r", "ship", succeeded());
    expect(scene.status()).toBe("COMPLETED");
    checkPartition(scene.partition);
  });
});

describe("a budget", () => {
  test("counts what a cancelled retry spent, and the retry after it may go on once forced", () => {
    const guardrails = init(GuardrailsSchema, { budgets: budgets({ tokens: 10n }) });
    scene.partition.append(
      batch([define(workflow("w", [action("ask", { retry: ONE_ATTEMPT })], { guardrails }))]),
    );
    scene.partition.send(start("r", "w"));
    const fails = (mode: FailureMode, text: string): void =>
      void scene.partition.finish("r", "ask", failed(mode, text), undefined, {
        usage: usage({ tokens: 6n }),
      });
    fails(FailureMode.NETWORK, "the model is away");
    again();
    stop(5_000);
    fails(FailureMode.CANCELLED, "stopped");
    expect(scene.status()).toBe("FAILED");
    expect(scene.partition.action("r", "ask").failure?.message).toBe("the model is away");
    checkPartition(scene.partition);
    // 12 of 10 are spent.
    again();
    expect(scene.status()).toBe("FAILED");
    checkPartition(scene.partition);
    expect(again({ force: true })).toMatchObject({ case: "accepted" });
    scene.partition.finish("r", "ask", succeeded());
    expect(scene.status()).toBe("COMPLETED");
    checkPartition(scene.partition);
  });
});

describe("a job over items", () => {
  const bad = (item: number) => resultOf(item, failed(FailureMode.VALIDATION, `item ${item}`));
  const good = (item: number) => resultOf(item, succeeded({ item }));

  test.each(["asked for", "submitted", "checked in part"])("that is %s when it is cancelled", (at) => {
    const { partition } = scene;
    const job = new JobScript(partition, "r", "load");
    const load = action("load", { forEach: overInput("/rows"), retry: ONE_ATTEMPT, batch: BATCH });
    scene.partition.append(batch([define(workflow("w", [load]))]));
    partition.send(start("r", "w"));
    partition.load(
      "r",
      "load",
      [0, 1, 2, 3].map((row) => json({ row })),
    );
    job.submit("first");
    job.check({ done: true, results: [good(0), bad(1), bad(2), bad(3)] });
    expect(scene.dispositions("load")).toBe("SU FA FA FA");
    again();
    expect(job.items).toEqual([1, 2, 3]);
    if (at !== "asked for") job.submit("second");
    if (at === "checked in part") job.check({ results: [good(2)] });
    stop();
    const healed = at === "checked in part";
    expect(scene.dispositions("load")).toBe(healed ? "SU FA SU FA" : "SU FA FA FA");
    expect(partition.itemRecord("r", "load", 1)?.failure?.message).toBe("item 1");
    expect(scene.status()).toBe("COMPLETED_WITH_FAILURES");
    checkPartition(partition);
    again();
    expect(job.items).toEqual(healed ? [1, 3] : [1, 2, 3]);
    job.submit("third");
    job.check({ done: true, results: [good(1), good(2), good(3)] });
    expect(scene.dispositions("load")).toBe("SU SU SU SU");
    expect(scene.status()).toBe("COMPLETED");
    checkPartition(partition);
  });
});
