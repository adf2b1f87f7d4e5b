/** A terminal, a pipe or a file in memory, to type commands into: for tests of what they print and exit with. */
import type { CliIo } from "./io.js";
import { runCli } from "./program.js";
import { SAMPLE_NOW_MS } from "./render/sample-runs.js";

export interface Typed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface TerminalOptions {
  /** Of a terminal; absent: a pipe. */
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly interrupted?: AbortSignal;
}

/** Runs `holdfast` with these arguments against the admin service at an address. */
export async function typeAt(
  address: string,
  args: readonly string[],
  { columns, env = {}, stdin = "", interrupted = new AbortController().signal }: TerminalOptions = {},
): Promise<Typed> {
  let [out, err] = ["", ""];
  const io: CliIo = {
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    stdout: columns === undefined ? { isTTY: false } : { isTTY: true, columns },
    stderr: { isTTY: columns !== undefined },
    env: { HOLDFAST_ADMIN: address, ...env },
    nowMs: () => SAMPLE_NOW_MS,
    readStdin: async () => stdin,
    interrupted,
  };
  const code = await runCli(args, io);
  return { code, out, err };
}
