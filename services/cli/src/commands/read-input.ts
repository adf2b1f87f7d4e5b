/** The input of runs, as it stands on a command line: JSON, a file of it, or standard input. */
import { readFile } from "node:fs/promises";
import { InvalidArgumentError } from "commander";
import type { CommandContext } from "../context.js";
import { usageError } from "../exit-codes.js";
import { jsonText } from "../values.js";

export interface InputOptions {
  readonly input?: string;
  readonly inputFile?: string;
}

/** JSON text as it was given; `null` where none was. */
export async function readInput(context: CommandContext, options: InputOptions): Promise<string> {
  const { input, inputFile } = options;
  if (input !== undefined && inputFile !== undefined) {
    throw usageError("--input and --input-file were both given; one of them is the run's input.");
  }
  try {
    if (input !== undefined) return jsonText(input, "--input");
    if (inputFile === undefined) return "null";
    if (inputFile === "-") return jsonText(await context.io.readStdin(), "standard input");
    return jsonText(await readFile(inputFile), inputFile);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw usageError(error.message);
    const why = error instanceof Error ? error.message : String(error);
    throw usageError(`The input could not be read: ${why}.`);
  }
}
