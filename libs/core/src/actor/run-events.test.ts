/** What is published of the end of a run says how its actions and items ended, as they were. */
import { type RunEvent, RunEventType } from "@holdfast/proto";
import { expect, test } from "vitest";
import { retry, succeeded } from "../testing/build.js";
import { RetryItemsScene } from "../testing/retry-items-scene.js";

test("the end of a run has its tally and its items, and each generation those that it had", () => {
  const scene = new RetryItemsScene();
  scene.importInPart();
  const ends = (): RunEvent[] =>
    (scene.partition.events.get("r") ?? []).filter(({ type }) => type === RunEventType.RUN_ENDED);
  expect(ends()[0]).toMatchObject({
    tally: { ok: 2, partial: 1, skip: 0, error: 0, open: 0 },
    items: { total: 9, succeeded: 6, failed: 3 },
  });
  scene.partition.control(retry("r"));
  scene.good("check", 1, 3, 5);
  scene.good("load", 1, 3, 5);
  scene.partition.finish("r", "report", succeeded("6 rows"));
  expect(ends()).toHaveLength(2);
  expect(ends()[0]?.items?.failed).toBe(3);
  expect(ends()[1]).toMatchObject({
    tally: { ok: 3, partial: 0 },
    items: { total: 12, succeeded: 12, failed: 0 },
  });
});

test("an event of an action goes out with that one's name", () => {
  const scene = new RetryItemsScene();
  scene.importInPart();
  const names = scene.partition.effects.flatMap((effect) => (effect.kind === "event" ? [effect.action] : []));
  expect(names).toEqual(["report", ""]);
});
