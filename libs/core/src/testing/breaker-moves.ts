/** What an owner says of attempts that it did not send, rightly or not. */
import { type Command, HeldTaskSchema, TasksHeldSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { command } from "./build.js";
import { at } from "./control-moves.js";
import type { TestPartition } from "./partition.js";

/** Of one attempt that is open, or of some of them; now and then of one that nobody knows. */
export function heldMove({ open }: TestPartition, pick: number, how: number): Command | undefined {
  const tasks = [...open.values()];
  if (tasks.length === 0) return undefined;
  const chosen = how % 2 === 0 ? [at(tasks, pick)] : tasks.filter((_, i) => ((pick >> (i % 6)) & 1) === 1);
  const held = chosen.map(({ runId, action, item, attempt }) =>
    init(HeldTaskSchema, {
      runId: how % 13 === 12 ? "nobody" : runId,
      action,
      item: item < 0 ? undefined : item,
      attempt: how % 7 === 6 ? attempt + 1 : attempt,
    }),
  );
  return command({ case: "tasksHeld", value: init(TasksHeldSchema, { tasks: held }) });
}
