/** The world outside a command: where it writes, what it reads. `main` gives the process' own; tests give another. */
import { buffer as readAll } from "node:stream/consumers";
import type { Environment, Terminal } from "./render/style.js";

export interface CliIo {
  /** Standard output, as given: line ends included. */
  readonly write: (text: string) => void;
  /** Standard error. */
  readonly writeError: (text: string) => void;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly env: Environment;
  readonly nowMs: () => number;
  /** All of standard input. */
  readonly readStdin: () => Promise<string | Uint8Array>;
  /** Aborts when the process is asked to end. */
  readonly interrupted: AbortSignal;
}

export function processIo(interrupted: AbortSignal): CliIo {
  return {
    write: (text) => process.stdout.write(text),
    writeError: (text) => process.stderr.write(text),
    // Asked each time, since a terminal may be resized.
    stdout: {
      get isTTY() {
        return process.stdout.isTTY;
      },
      get columns() {
        return process.stdout.columns;
      },
    },
    stderr: {
      get isTTY() {
        return process.stderr.isTTY;
      },
      get columns() {
        return process.stderr.columns;
      },
    },
    env: process.env,
    nowMs: () => Date.now(),
    readStdin: () => readAll(process.stdin),
    interrupted,
  };
}
