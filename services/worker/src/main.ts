/** `node --import tsx services/worker/src/main.ts <module> …`: a worker for the modules' workflows until SIGINT or SIGTERM. */
import { Environment } from "@holdfast/telemetry";
import { runWorker, type WorkerProcess } from "./run-worker.js";

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Says what it waits for, and what came of it. */
async function end(worker: WorkerProcess): Promise<void> {
  process.stdout.write(
    `worker ${worker.workerId} stops: it takes no more tasks and waits for ${worker.running} at work; the same signal again ends it at once\n`,
  );
  try {
    const { unreported, problems } = await worker.close();
    const left = unreported === 0 ? "all that it held is reported" : problems.join("; ");
    process.stdout.write(`worker ${worker.workerId} stopped: ${left}\n`);
  } catch (error) {
    process.stderr.write(`the worker did not end well: ${textOf(error)}\n`);
    process.exitCode = 1;
  }
}

try {
  const worker = await runWorker(new Environment(process.env), process.argv.slice(2));
  // Before it says that it is there: whoever reads that may end it at once.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void end(worker));
  process.stdout.write(`worker ${worker.workerId} works on ${worker.workflows.join(", ")}\n`);
} catch (error) {
  process.stderr.write(`the worker can't start: ${textOf(error)}\n`);
  process.exitCode = 1;
}
