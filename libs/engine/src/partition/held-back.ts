/**
 * Attempts that are due, but whose breaker is open by now: not dispatched, and taken back through the log.
 *
 * 1. What was not dispatched is said to the log, so that it is held and found again by whoever owns the partition then.
 * 2. Said as often as it is asked for: the fold takes each back once.
 */
import { type DueTask, isLetOut, TASKS_HELD_MAX, type View } from "@holdfast/core";
import {
  type Command,
  CommandSchema,
  type HeldTask,
  HeldTaskSchema,
  TasksHeldSchema,
  UndoStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Pinned } from "./compose.js";

export class HeldBack {
  private tasks: HeldTask[] = [];

  constructor(
    private readonly view: () => View,
    private readonly write: (command: Command) => void,
  ) {}

  /** Whether the breaker of a due task keeps it; then it is told to the log. Costs actions without a breaker nothing but the look. */
  holds(due: DueTask, { run, plan }: Pinned): boolean {
    const action = plan.actions[due.action];
    if (action?.breaker === undefined) return false;
    const item = due.item < 0 ? undefined : due.item;
    if (item === undefined && run.actions[due.action]?.undo?.status === UndoStatus.RUNNING) return false;
    const { runId, attempt } = due;
    const task = { runId, action: due.action, item, attempt };
    if (isLetOut(this.view(), run, action, task)) return false;
    if (this.tasks.length === 0) queueMicrotask(() => this.flush());
    this.tasks.push(init(HeldTaskSchema, task));
    return true;
  }

  private flush(): void {
    const { tasks } = this;
    this.tasks = [];
    for (let at = 0; at < tasks.length; at += TASKS_HELD_MAX) {
      const value = init(TasksHeldSchema, { tasks: tasks.slice(at, at + TASKS_HELD_MAX) });
      this.write(init(CommandSchema, { kind: { case: "tasksHeld", value } }));
    }
  }
}
