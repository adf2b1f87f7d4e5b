/**
 * Says which seed repeats what a failed run drew, and prints one last line, `N passed, N failed[, N skipped]`, for programs that read a run's outcome.
 * A file that fails to load and an error outside any test count as failures too.
 */
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export default class SummaryReporter implements Reporter {
  constructor(private readonly draws: { readonly seed: number; readonly sequences: number }) {}

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    let passed = 0;
    let skipped = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state === "skipped") skipped += 1;
        else failed += 1;
      }
    }
    const skippedPart = skipped > 0 ? `, ${skipped} skipped` : "";
    // At exit, so that nothing another reporter prints can come after it.
    process.once("exit", () => {
      if (failed > 0)
        process.stdout.write(
          `HOLDFAST_SEED=${this.draws.seed} HOLDFAST_SEQUENCES=${this.draws.sequences} draws the same again\n`,
        );
      process.stdout.write(`${passed} passed, ${failed} failed${skippedPart}\n`);
    });
  }
}
