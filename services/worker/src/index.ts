/** The worker service: hosts action handlers. */
export { runWorker, type WorkerProcess, workflowsOf } from "./run-worker.js";
