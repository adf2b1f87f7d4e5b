/** `node --import tsx services/worker/src/main.ts <module> …`: a worker for the modules' workflows until SIGINT or SIGTERM. */
import { Environment } from "@holdfast/telemetry";
import { runWorker } from "./run-worker.js";

try {
  const worker = await runWorker(new Environment(process.env), process.argv.slice(2));
  // Before it says that it is there: whoever reads that may end it at once.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void worker.close());
  process.stdout.write(`worker ${worker.workerId} works on ${worker.workflows.join(", ")}\n`);
} catch (error) {
  process.stderr.write(`the worker can't start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
