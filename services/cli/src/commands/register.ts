/** How a command is bound to what it does: its arguments and options in, an exit code out. */
import type { Command } from "commander";
import type { CommandContext } from "../context.js";
import type { ExitCode } from "../exit-codes.js";

/** `options` are the command's own; the program's are in the context already. */
export type Action<Options extends object> = (
  context: CommandContext,
  args: readonly string[],
  options: Options,
) => Promise<ExitCode>;

export type Register = <Options extends object>(command: Command, action: Action<Options>) => void;
