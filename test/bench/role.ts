/**
 * The child's side of a benchmark process: answers the bench's calls, one function for each, and ends with the bench.
 */
import type { Answer, Call } from "./child.js";

export interface ConnectSettings {
  readonly url: string;
}

export type Calls = Readonly<Record<string, (args: never) => unknown>>;

/** Serves until the bench asks for `exit` or is gone, however it went. `stop` is called in the former case. */
export function serveRole(calls: Calls, stop: () => Promise<void>): void {
  const answer = (message: Answer): void => {
    process.send?.(message);
  };
  process.on("disconnect", () => process.exit(1));
  process.on("message", (call: Call) => {
    void (async () => {
      try {
        if (call.name === "exit") {
          await stop();
          // An exit that is asked for writes what a profiler has gathered.
          process.exit(0);
        }
        const serve = calls[call.name] as ((args: unknown) => unknown) | undefined;
        if (serve === undefined) throw new Error(`this process has no call ${call.name}`);
        answer({ id: call.id, value: await serve(call.args) });
      } catch (error) {
        answer({
          id: call.id,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
      }
    })();
  });
  answer({ id: 0, value: "ready" });
}

/** What the bench told this process as it started it. */
export function settings(): unknown {
  return JSON.parse(process.argv[2] ?? "{}");
}
