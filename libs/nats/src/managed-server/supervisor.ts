/**
 * Runs a server under a tiny shell process that outlives its parent, so that the server never does.
 *
 * 1. The supervisor's standard input is a pipe whose other end only the parent holds. It closes when the
 *    parent ends, however it ends: then the server gets SIGTERM, and SIGKILL if that does not help soon.
 * 2. A kernel lock on the lock file is held by the server process itself, so it is free exactly when no
 *    server lives. Where there is no `flock` the pid in the file is asked instead.
 * 3. Own session: Ctrl-C in the parent's terminal reaches the parent alone, which stops the server last.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { createInterface } from "node:readline";

/** The supervisor's exit code for "another server holds the store's lock". */
export const LOCKED_EXIT_CODE = 75;

/** What a shell says for a program that it can't start. */
const COULD_NOT_START_EXIT_CODE = 127;

/** Arguments: lock file, configuration file, configuration text, server binary. */
const SCRIPT = `
lock=$1 conf=$2
exec 3<&0 9>>"$lock"
if command -v flock >/dev/null 2>&1; then
  flock -n 9 || exit ${LOCKED_EXIT_CODE}
else
  held=$(cat "$lock")
  if [ -n "$held" ] && kill -0 "$held" 2>/dev/null; then exit ${LOCKED_EXIT_CODE}; fi
fi
printf '%s' "$3" >"$conf" || exit 73
"$4" --config "$conf" </dev/null 3<&- &
server=$!
echo "$server" >"$lock"
echo "$server"
(
  exec 9>&-
  while read -r _ <&3; do :; done
  kill -TERM "$server"
  tries=0
  while [ "$tries" -lt 12 ] && kill -0 "$server"; do sleep 0.1; tries=$((tries + 1)); done
  kill -KILL "$server"
) 2>/dev/null &
watcher=$!
exec 3<&- 9>&-
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`;

export interface SupervisedServer {
  supervisor: ChildProcess;
  /** The server's own process id; rejects when the supervisor ends before there is a server. */
  pid: Promise<number>;
  /** The server's end, with 128 + the signal's number as code when a signal ended it; never rejects. */
  exited: Promise<{ code: number }>;
}

export function superviseServer(options: {
  serverPath: string;
  lockPath: string;
  configPath: string;
  config: string;
  onLogLine: (line: string) => void;
}): SupervisedServer {
  const { serverPath, lockPath, configPath, config, onLogLine } = options;
  const supervisor = spawn("/bin/sh", ["-c", SCRIPT, "sh", lockPath, configPath, config, serverPath], {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  createInterface({ input: supervisor.stderr }).on("line", onLogLine);
  // A pipe whose reader is gone is no error here: `exited` tells.
  supervisor.stdin.on("error", () => undefined);

  const exited = new Promise<{ code: number }>((resolve) => {
    supervisor.once("error", () => resolve({ code: COULD_NOT_START_EXIT_CODE }));
    supervisor.once("exit", (code, signal) => {
      // Should the supervisor have been killed, its watcher still sees this and ends the server.
      supervisor.stdin.destroy();
      resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) });
    });
  });
  const pid = new Promise<number>((resolve, reject) => {
    createInterface({ input: supervisor.stdout }).once("line", (line) => resolve(Number(line)));
    void exited.then(() => reject(new Error("the supervisor ended before it had started a server")));
  });
  pid.catch(() => undefined); // The starter also waits for `exited`, which says more.
  return { supervisor, pid, exited };
}
