/** The process behind `holdfast`: signals, pipes that close early, and the exit code. */
import { INTERRUPTED } from "./exit-codes.js";
import { processIo } from "./io.js";
import { runCli } from "./program.js";

/** npm hands on a Ctrl-C that the terminal has sent here already: what comes this soon is the same key press. */
const SAME_KEY_PRESS_MS = 500;

// What Node will drop one day is for whoever mends the packages, not for whoever types a command.
process.noDeprecation = true;

const interruption = new AbortController();
let firstAtMs: number | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    firstAtMs ??= performance.now();
    // The first asks for an orderly end; whoever asks again does not want to wait for it.
    if (performance.now() - firstAtMs > SAME_KEY_PRESS_MS) process.exit(INTERRUPTED);
    interruption.abort();
  });
}

// `holdfast runs | head`: nobody reads on, which is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), processIo(interruption.signal));
