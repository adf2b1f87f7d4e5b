/**
 * How the tests run. Unit tests share the machine's cores; whole-system tests (test/e2e, test/crash,
 * test/conformance) each start servers and processes of their own, so their files run one after the other.
 */
import { defineConfig } from "vitest/config";

const never = ["**/node_modules/**", "**/gen/**", "test/bench/**"];
/** Vitest's default leaves one core to itself, where it mostly waits: of two, that is half of the time of the long properties. */
const maxWorkers = "100%";
/** What a test waits for comes at its own pace on a busy machine. */
const expect = { poll: { timeout: 10_000 } };

export default defineConfig({
  test: {
    reporters: ["default", "./test/summary-reporter.ts"],
    projects: [
      {
        test: {
          name: "tidy",
          include: ["test/tidy/**/*.test.ts"],
          exclude: never,
          maxWorkers,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "unit",
          expect,
          include: ["libs/**/*.test.ts", "services/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...never, "test/tidy/**", "test/e2e/**", "test/crash/**", "test/conformance/**"],
          testTimeout: 20_000,
          hookTimeout: 30_000,
          maxWorkers,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "e2e",
          expect,
          include: ["test/e2e/**/*.test.ts", "test/conformance/**/*.test.ts"],
          exclude: never,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "crash",
          expect,
          include: ["test/crash/**/*.test.ts"],
          exclude: never,
          testTimeout: 180_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
