/** The workflows of the test of sweeps: their runs are pruned soon after they have ended. */
import { ActionError, typed, workflow } from "@holdfast/sdk";

export interface Brief {
  /** Ends the run, or one of its items, in failure. */
  readonly bad: boolean;
}

const retry = { maxAttempts: 1 } as const;

const brief = (name: string, failed: `${number}s` | `${number}h`) =>
  workflow(name, { input: typed<Brief>(), retention: { completed: "1s", failed } }).action(
    "only",
    { retry },
    ({ input }) => {
      if (input.bad) throw new ActionError("VALIDATION", "it is bad");
      return "done";
    },
  );

export const briefA = brief("brief-a", "1s");
export const briefB = brief("brief-b", "1s");
/** What fails of it is kept for longer than any test lasts. */
export const floor = brief("floor", "1h");

/** Leaves records of its items, which are removed piece by piece. */
export const briefItems = workflow("brief-items", {
  input: typed<{ readonly rows: readonly Brief[] }>(),
  retention: { completed: "1s", failed: "1s" },
}).forEach("each", { items: "rows", retry }, ({ item }) => {
  if (item.bad) throw new ActionError("VALIDATION", "it is bad");
  return "done";
});
