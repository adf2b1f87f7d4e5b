/** The function of a worker that a due task needs: of which action, in which role. */
import { type DueTask, itemKey, type View } from "@holdfast/core";
import { BatchPhase, UndoStatus } from "@holdfast/proto";
import type { Pinned } from "./compose.js";

/** As `ActionFunctions.roles` has them. */
export const ROLE = { handler: 1, undo: 2, recover: 4, check: 8, cancelJob: 16 } as const;
export type Role = (typeof ROLE)[keyof typeof ROLE];

const NOUN: Readonly<Record<Role, string>> = {
  1: "the handler",
  2: "the undo",
  4: "the recovery handler",
  8: "the check",
  16: "the job's cancel",
};
const HASH_CHARS_SHOWN = 8;

/** Which functions a worker has. */
export interface Functions {
  has(workflow: string, action: string, role: Role): boolean;
}

export const NO_FUNCTIONS: Functions = { has: () => false };

/** A function that a worker has not. */
export class Needed {
  readonly key: string;

  constructor(
    readonly workflow: string,
    readonly action: string,
    readonly role: Role,
    readonly definitionHash: string,
  ) {
    this.key = `${workflow}/${action}/${role}`;
  }

  /** For people: as in "no worker has …". */
  get text(): string {
    const definition = this.definitionHash.slice(0, HASH_CHARS_SHOWN);
    return `${NOUN[this.role]} of action "${this.action}" of workflow "${this.workflow}" (definition ${definition})`;
  }
}

/** A task by its place: what it needs is known without anything else of it. */
export type TaskPlace = Pick<DueTask, "runId" | "action" | "item" | "attempt">;

/** Undefined where `functions` has it. */
export function lackingOf(
  view: View,
  due: TaskPlace,
  found: Pinned,
  functions: Functions,
): Needed | undefined {
  const { run, plan } = found;
  const action = plan.actions[due.action];
  if (action === undefined) return undefined;
  const role = roleOf(view, due, found);
  if (functions.has(run.workflow, action.name, role)) return undefined;
  return new Needed(run.workflow, action.name, role, run.definitionHash);
}

/** In the order in which a task is made (compose.ts). */
function roleOf(view: View, { runId, action: index, item, attempt }: TaskPlace, { run, plan }: Pinned): Role {
  const state = run.actions[index];
  const action = plan.actions[index];
  if (item < 0 && action?.batch !== undefined) {
    if (state?.batchCancels.some((cancel) => cancel.running && cancel.attempt === attempt) === true)
      return ROLE.cancelJob;
    if (state?.batch?.phase === BatchPhase.CHECKING) return ROLE.check;
  }
  if (item < 0 && state?.undo?.status === UndoStatus.RUNNING) return ROLE.undo;
  if (action?.definition.recover === true) {
    const recover = item < 0 ? state?.recover : view.get(itemKey(runId, index, item))?.recover;
    if (recover?.original !== undefined) return ROLE.recover;
  }
  return ROLE.handler;
}
