/** Starts, follows and kills the process that `batch-writer.ts` is. Always ended with its test: call `kill`. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const SCRIPT = fileURLToPath(new URL("batch-writer.ts", import.meta.url));

export class WriterProcess {
  /** Every line so far. */
  readonly lines: string[] = [];
  /** The last batch that it was told is written. */
  written = 0;
  private readonly child: ChildProcess;
  private readonly exited: Promise<unknown>;
  private readonly waiting: {
    readonly wanted: (line: string) => boolean;
    readonly resolve: (line: string) => void;
  }[] = [];

  constructor(options: { dataDir: string; partition?: number; batches?: number; fileKiBMax?: number }) {
    const { dataDir, partition = 0, batches = 1_000_000, fileKiBMax = "unlimited" } = options;
    const node = [process.execPath, "--import", TSX, SCRIPT, dataDir, String(partition), String(batches)];
    // The shell only sets the limit and becomes the process.
    this.child = spawn("bash", ["-c", `ulimit -f ${fileKiBMax}; exec "$0" "$@"`, ...node], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.exited = once(this.child, "exit");
    if (this.child.stdout) createInterface(this.child.stdout).on("line", (line) => this.heard(line));
  }

  /** The first line, said already or to come, that begins so. Rejects when the process ends before it. */
  async said(beginning: string): Promise<string> {
    const wanted = (line: string) => line.startsWith(beginning);
    const line = this.lines.find(wanted);
    if (line !== undefined) return line;
    const heard = new Promise<string>((resolve) => this.waiting.push({ wanted, resolve }));
    const gone = this.exited.then(async () => {
      // What it said last may still be on its way.
      await new Promise((resolve) => setTimeout(resolve, 100));
      throw new Error(
        `the writer ended without saying "${beginning}"; it said: ${this.lines.slice(-5).join(" | ")}`,
      );
    });
    return Promise.race([heard, gone]);
  }

  /** SIGKILL: nothing of it gets to finish. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }

  private heard(line: string): void {
    this.lines.push(line);
    if (/^\d+$/.test(line)) this.written = Number(line);
    for (const { wanted, resolve } of this.waiting) if (wanted(line)) resolve(line);
  }
}
