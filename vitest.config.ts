/**
 * How the tests run. All files share the machine's cores. Whole-system tests (test/e2e, test/crash, test/conformance) start servers and
 * processes of their own, on ports that are free, and run beside unit tests (test/setup/order.ts).
 */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import Order from "./test/setup/order.js";
import { endWorkersWithThis } from "./test/support/end-workers.js";

endWorkersWithThis();

const never = ["**/node_modules/**", "**/gen/**", "test/bench/**"];
/** Twice the cores: about half of the files that run at a time wait for processes. */
const maxWorkers = Math.min(2 * availableParallelism(), 16);
/** Modules are loaded once a worker and not once a file: that was a third of the time. No test changes what another one sees of them. */
const isolate = false;
/**
 * What a test waits for comes at its own pace on a busy machine: limits end only what would never end, and are many times what a quiet machine needs.
 * A test that has a limit of its own has a longer one (test/tidy).
 */
const expect = { poll: { timeout: 60_000 } };
const hookTimeout = 180_000;
/** What properties draw. HOLDFAST_SEED repeats a run's draws, HOLDFAST_SEQUENCES says how many are drawn; test/setup/draws.ts hands them on. */
const draws = {
  seed: Number(process.env.HOLDFAST_SEED ?? Date.now() % 2 ** 31),
  sequences: Number(process.env.HOLDFAST_SEQUENCES ?? 500),
};

export default defineConfig({
  test: {
    sequence: { sequencer: Order },
    reporters: ["default", ["./test/summary-reporter.ts", draws]],
    projects: [
      {
        test: {
          name: "tidy",
          include: ["test/tidy/**/*.test.ts"],
          exclude: never,
          maxWorkers,
          isolate,
        },
      },
      {
        test: {
          name: "unit",
          expect,
          provide: draws,
          setupFiles: ["./test/setup/draws.ts"],
          include: ["libs/**/*.test.ts", "services/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...never, "test/tidy/**", "test/e2e/**", "test/crash/**", "test/conformance/**"],
          testTimeout: 180_000,
          hookTimeout,
          maxWorkers,
          isolate,
        },
      },
      {
        test: {
          name: "e2e",
          expect,
          globalSetup: ["./test/setup/bundle.ts"],
          include: ["test/e2e/**/*.test.ts", "test/conformance/**/*.test.ts"],
          exclude: never,
          testTimeout: 300_000,
          hookTimeout,
          maxWorkers,
        },
      },
      {
        test: {
          name: "crash",
          expect,
          globalSetup: ["./test/setup/bundle.ts"],
          include: ["test/crash/**/*.test.ts"],
          exclude: never,
          testTimeout: 900_000,
          hookTimeout,
          maxWorkers,
        },
      },
    ],
  },
});
