/** When the news that a run was restarted are passed over. */
import { type PartitionMessage, RestartSchema, type RunRestarted, RunRestartedSchema } from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { type MessageCase, tell } from "./refused-messages.js";
import { ended } from "./refused-scene.js";

const restarted = (fields: Init<RunRestarted>): PartitionMessage["kind"] => ({
  case: "runRestarted",
  value: init(RunRestartedSchema, {
    restarts: init(RestartSchema, { runId: "r" }),
    runId: "r2",
    workflow: "one",
    ...fields,
  }),
});

export const REFUSED_RESTARTS: readonly MessageCase[] = [
  ["runRestarted", "IGNORED", "of a run that is not there", () => restarted({})],
  ["runRestarted", "IGNORED", "of no run", (p) => (ended(p), restarted({ restarts: undefined }))],
  ["runRestarted", "IGNORED", "by itself", (p) => (ended(p), restarted({ runId: "r" }))],
  ["runRestarted", "IGNORED", "as a run that can't be", (p) => (ended(p), restarted({ runId: "a b" }))],
  ["runRestarted", "IGNORED", "as another workflow's", (p) => (ended(p), restarted({ workflow: "other" }))],
  ["runRestarted", "IGNORED", "as it was before", (p) => (ended(p), tell(p, restarted({})), restarted({}))],
];
