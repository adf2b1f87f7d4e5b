/** The `holdfast` command as a function, and a whole Holdfast on one machine, for processes that embed either. */
export { type LocalHoldfast, type LocalOptions, startLocalHoldfast } from "./local/holdfast.js";
export { type CliIo, processIo } from "./io.js";
export { runCli } from "./program.js";
