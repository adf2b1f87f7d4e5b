/** Runs a program quietly; its output is shown only when it fails. */
import { spawn } from "node:child_process";
import { root } from "./paths.mjs";

/** A failure that a person can act upon: the message says what to do. */
export class SetupError extends Error {}

const OUTPUT_LINES_SHOWN = 25;

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, advice: string }} options `advice` ends the error: what the reader can do.
 * @returns {Promise<string>} what it printed
 */
export function run(command, args, { cwd = root, env = process.env, advice }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        output += text;
      });
    }
    const shown = [command, ...args].join(" ");
    child.once("error", (error) => {
      reject(
        new SetupError(`\`${shown}\` could not be started (${error.code ?? error.message}).\n${advice}`),
      );
    });
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(output);
      const tail = output.trim().split("\n").slice(-OUTPUT_LINES_SHOWN).join("\n  ");
      reject(
        new SetupError(`\`${shown}\` ended with ${signal ?? `code ${code}`}:\n\n  ${tail}\n\n${advice}`),
      );
    });
  });
}
