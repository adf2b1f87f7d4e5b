/** Published work becomes runs. */
export { INTAKE_CONCURRENCY_DEFAULT, Intake, type IntakeDeps, type IntakeStats } from "./intake.js";
export type { CommandSubmitter, InputValidator, InputVerdict } from "./ports.js";
export { PendingRuns } from "./pending-runs.js";
export { editedWork, isEdit, type WorkEdit } from "./edit-work.js";
export { type RejectedWorkDeps, type Replayed, replayEdited } from "./rejected-work.js";
export { parseWork, type ParsedWork, type WorkRefusal, type WorkRequest } from "./work-request.js";
