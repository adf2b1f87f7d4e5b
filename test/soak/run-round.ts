/**
 * Runs one round in a process group of its own, which ends with it, whatever it was doing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { argumentsOf, type Round } from "./rounds.js";

/** Of what a round prints; the end says what failed. */
const KEPT_CHARS = 20_000;
/** After the interrupt, for tests to stop what they started. */
const END_MS_MAX = 15_000;
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const VITEST = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

export interface RoundEnd {
  readonly ok: boolean;
  readonly seconds: number;
  /** The end of what it printed. */
  readonly output: string;
}

export class RoundRunner {
  #child: ChildProcess | undefined;

  async run(round: Round): Promise<RoundEnd> {
    const beganMs = performance.now();
    let output = "";
    const child = spawn(process.execPath, [VITEST, ...argumentsOf(round)], {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: "1", ...round.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-KEPT_CHARS);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const ok = await new Promise<boolean>((resolve) => {
      child.once("error", (error) => {
        output += String(error);
        resolve(false);
      });
      child.once("close", (code) => resolve(code === 0));
    });
    this.#child = undefined;
    return { ok, seconds: (performance.now() - beganMs) / 1_000, output };
  }

  /** Interrupts what runs, and kills it where that does not end it. */
  interrupt(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    signal(pid, "SIGINT");
    setTimeout(() => this.kill(), END_MS_MAX).unref();
  }

  kill(): void {
    const pid = this.#child?.pid;
    if (pid !== undefined) signal(pid, "SIGKILL");
  }
}

/** To the whole group. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended.
  }
}
