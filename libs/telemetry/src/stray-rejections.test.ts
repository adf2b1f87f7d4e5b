import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const source = (name: string): string => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)));

test("a rejection that nobody awaits is logged and counted, and ends no process", async () => {
  const program = `
    import { createLogger } from ${source("logger.ts")};
    import { createRegistry } from ${source("metrics.ts")};
    import { outliveStrayRejections } from ${source("stray-rejections.ts")};
    const registry = createRegistry();
    outliveStrayRejections(createLogger({ name: "n", level: "error" }), registry);
    void Promise.reject(new Error("nobody asked"));
    setTimeout(() => console.log(registry.render()), 50);
  `;
  const args = ["--import", "tsx", "--input-type=module", "--eval", program];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
  expect(stderr).toContain("nobody asked");
  expect(stdout).toContain("holdfast_stray_rejections_total 1");
});
