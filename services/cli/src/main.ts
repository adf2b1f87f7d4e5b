/** The process behind `holdfast`: signals, pipes that close early, and the exit code. */
import { INTERRUPTED } from "./exit-codes.js";
import { processIo } from "./io.js";
import { runCli } from "./program.js";

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // The first asks for an orderly end; whoever asks again does not want to wait for it.
    if (interruption.signal.aborted) process.exit(INTERRUPTED);
    interruption.abort();
  });
}

// `holdfast runs | head`: nobody reads on, which is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), processIo(interruption.signal));
