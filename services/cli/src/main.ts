/** The process behind `holdfast`: signals, pipes that close early, and the exit code. */
import { processIo } from "./io.js";
import { runCli } from "./program.js";

const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort());
process.once("SIGTERM", () => interruption.abort());

// `holdfast runs | head`: nobody reads on, which is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), processIo(interruption.signal));
