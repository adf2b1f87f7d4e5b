/** For tests: processes of the command line that end with the test's own process, however that goes. */
import { type ChildProcess, spawn } from "node:child_process";

const SOURCE = 'process.on("disconnect", () => process.exit(1)); process.channel?.unref();';
const END_WITH_PARENT = `data:text/javascript,${encodeURIComponent(SOURCE)}`;

/** Runs a module's source. Its streams are pipes, or those of the test where they are inherited. */
export function startModule(
  module: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env: NodeJS.ProcessEnv; readonly streams: "pipe" | "inherit" },
): ChildProcess {
  const { cwd, env, streams } = options;
  return spawn(process.execPath, ["--import", "tsx", "--import", END_WITH_PARENT, module, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env,
    stdio: ["ignore", streams, streams, "ipc"],
  });
}
