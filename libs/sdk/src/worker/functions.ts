/** Which functions a worker has, as it tells nodes. */
import { createHash } from "node:crypto";
import {
  type ActionFunctions,
  ActionFunctionsSchema,
  type WorkflowFunctions,
  WorkflowFunctionsSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { AnyWorkflow } from "../workflow/workflow.js";

/** What a worker tells of its functions. */
export interface TellableFunctions {
  /** Empty: nothing, since it would be too long. */
  readonly digest: Uint8Array;
  readonly told: readonly WorkflowFunctions[];
}

/** A beat must fit a message with all that is in it beside. */
const TOLD_BYTES_MAX = 256 * 1024;
const DIGEST_BYTES = 16;
/** As `ActionFunctions.roles` has them. */
const ROLE = { handler: 1, undo: 2, recover: 4, check: 8, cancelJob: 16 } as const;
const NOTHING: TellableFunctions = { digest: new Uint8Array(0), told: [] };

export function functionsOf(workflows: readonly AnyWorkflow[]): TellableFunctions {
  const told = workflows
    .map((workflow) =>
      init(WorkflowFunctionsSchema, { workflow: workflow.name, actions: actionsOf(workflow) }),
    )
    .sort((a, b) => (a.workflow < b.workflow ? -1 : 1));
  const digest = createHash("sha256");
  let bytes = 0;
  for (const each of told) {
    const encoded = encode(WorkflowFunctionsSchema, each);
    bytes += encoded.length;
    digest.update(encoded);
  }
  if (bytes > TOLD_BYTES_MAX) return NOTHING;
  return { digest: new Uint8Array(digest.digest().subarray(0, DIGEST_BYTES)), told };
}

function actionsOf(workflow: AnyWorkflow): ActionFunctions[] {
  const roles = new Map<string, number>();
  const add = (actions: Iterable<string>, role: number): void => {
    for (const action of actions) roles.set(action, (roles.get(action) ?? 0) | role);
  };
  add(workflow.handlers.keys(), ROLE.handler);
  add(workflow.undoHandlers.keys(), ROLE.undo);
  add(workflow.recoverHandlers.keys(), ROLE.recover);
  add(workflow.jobHandlers.keys(), ROLE.check);
  for (const [action, jobs] of workflow.jobHandlers)
    if (jobs.cancel !== undefined) add([action], ROLE.cancelJob);
  return [...roles]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([action, has]) => init(ActionFunctionsSchema, { action, roles: has }));
}
