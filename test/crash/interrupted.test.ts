/** Ctrl-C in the midst of the tests, as a terminal sends it and as a supervisor does: nothing of them goes on. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { until } from "../support/wait.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Two files whose tests hold their thread for as long as they are told to. */
const BUSY = ["libs/core/src/fold/fold.property.test.ts", "libs/core/src/breaker/breaker.property.test.ts"];
const BUSY_MS = 2_000;

let tests: ChildProcess | undefined;
afterEach(() => {
  // The whole group, whatever the test came to.
  if (tests?.pid !== undefined) killGroup(tests.pid, "SIGKILL");
});

function killGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

interface Process {
  readonly pid: number;
  readonly usedMs: number;
}

/** What lives of the group, without its leader. */
function others(leader: number): Process[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,pgid=,time=,stat="], { encoding: "utf8" });
  return table.split("\n").flatMap((line) => {
    const [pid, group, time = "", stat = ""] = line.trim().split(/\s+/);
    if (Number(group) !== leader || Number(pid) === leader || stat.startsWith("Z")) return [];
    const [seconds = 0, minutes = 0] = time.split(":").map(Number).toReversed();
    return [{ pid: Number(pid), usedMs: (minutes * 60 + seconds) * 1_000 }];
  });
}

test.each([
  ["the terminal, to all of the group", (leader: number) => killGroup(leader, "SIGINT")],
  ["a supervisor, to vitest alone", (leader: number) => process.kill(leader, "SIGINT")],
  ["a supervisor that wants it ended", (leader: number) => process.kill(leader, "SIGTERM")],
])("tests that are interrupted by %s leave no worker behind", async (_by, interrupt) => {
  const vitest = spawn(
    process.execPath,
    ["node_modules/vitest/vitest.mjs", "run", "--project", "unit", "--maxWorkers=2", ...BUSY],
    {
      cwd: ROOT,
      // A group of its own, as a shell gives a job.
      detached: true,
      env: { ...process.env, HOLDFAST_SEQUENCES: "1000000" },
      stdio: "ignore",
    },
  );
  tests = vitest;
  const leader = vitest.pid ?? 0;
  expect(leader).toBeGreaterThan(0);
  await until(
    "both workers to be busy",
    () => others(leader).filter(({ usedMs }) => usedMs >= BUSY_MS).length >= BUSY.length,
  );
  interrupt(leader);
  await until("vitest to end", () => vitest.exitCode !== null || vitest.signalCode !== null);
  await until("its workers to end", () => others(leader).length === 0);
});
