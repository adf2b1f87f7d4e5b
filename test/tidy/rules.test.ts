/** Each rule on small examples: what it must catch, and what it must leave alone. */
import { describe, expect, test } from "vitest";
import { circlesOf } from "./circles.js";
import { layerComplaints } from "./layers.js";
import {
  indexComplaints,
  LINES_MAX,
  lockfileComplaints,
  nameComplaints,
  sizeComplaints,
  topLevelComplaints,
} from "./shape.js";
import { undocumentedMetrics } from "./metrics.js";
import type { SourceFile } from "./source-files.js";
import { strayStatusSets } from "./status-sets.js";
import { escapes, impatience, impureWords } from "./words.js";

const file = (path: string, text = ""): SourceFile => ({ path, text });
const from = (specifier: string): string => `import type { X } from "${specifier}";`;
/** Examples of what no file may hold are spelled in parts: this one is a file, too. */
const glue = (...parts: string[]): string => parts.join("");

describe("layers", () => {
  test.each([
    ["libs/core/src/a.ts", "@holdfast/engine"],
    ["libs/core/src/a.ts", "@holdfast/telemetry"],
    ["libs/core/src/a.ts", "node:crypto"],
    ["libs/core/src/a.ts", "vitest"],
    ["libs/core/src/a.ts", "ajv"],
    ["libs/engine/src/a.ts", "@holdfast/nats"],
    ["libs/engine/src/a.ts", "nats"],
    ["libs/engine/src/a.ts", "classic-level"],
    ["libs/store/src/a.ts", "@holdfast/nats"],
    ["libs/nats/src/a.ts", "@holdfast/store"],
    ["libs/sdk/src/a.ts", "@holdfast/store"],
    ["libs/sdk/src/a.ts", "@holdfast/cli"],
    ["services/admin/src/a.ts", "@grpc/grpc-js"],
    ["services/admin/src/a.ts", "@holdfast/workflow-service"],
    ["libs/engine/src/a.ts", "../../core/src/status.js"],
    ["libs/engine/src/a.ts", "@holdfast/core/src/status.js"],
  ])("%s must not import %s", (path, specifier) => {
    expect(layerComplaints(file(path, from(specifier)))).toHaveLength(1);
  });

  test.each([
    ["libs/core/src/a.ts", "@holdfast/proto"],
    ["libs/core/src/a.ts", "@noble/hashes/sha2.js"],
    ["libs/core/src/a.test.ts", "fast-check"],
    ["libs/core/src/deep/a.ts", "../status.js"],
    ["libs/nats/src/a.ts", "nats"],
    ["libs/sdk/src/a.ts", "@holdfast/nats/managed-server"],
    ["services/cli/src/a.ts", "@holdfast/admin-service"],
    ["test/e2e/a.test.ts", "@grpc/grpc-js"],
  ])("%s may import %s", (path, specifier) => {
    expect(layerComplaints(file(path, from(specifier)))).toEqual([]);
  });

  test("every way to import counts", () => {
    const path = "libs/engine/src/a.ts";
    const ways = [
      `export * from "nats";`,
      `import {\n  a,\n  b,\n} from 'nats';`,
      `await import("nats");`,
      `import "nats";`,
    ];
    for (const way of ways) expect(layerComplaints(file(path, way))).toHaveLength(1);
    expect(layerComplaints(file(path, `// ${from("nats")}`))).toEqual([]);
  });
});

describe("words", () => {
  const core = (text: string) => impureWords(file("libs/core/src/a.ts", text));

  test.each([
    "const now = Date.now();",
    "const now = new Date();",
    "const x = Math.random();",
    "if (process.env.X) f();",
    "setTimeout(f, 1);",
    "performance.now();",
    "new Intl.Collator();",
    "a.localeCompare(b);",
    "n.toLocaleString();",
  ])("the core must not say %s", (text) => {
    expect(core(text)).toHaveLength(1);
  });

  test("the core may speak of them in comments and strings, and its tests may use them", () => {
    expect(core('// never Date.now()\nconst text = "process.env";\n/* Math.random() */')).toEqual([]);
    expect(core("new Date(at)")).toEqual([]);
    expect(impureWords(file("libs/core/src/a.test.ts", "Math.random()"))).toEqual([]);
  });

  test.each([
    glue("const a = b as", " any;"),
    glue("function f(a:", " any) {}"),
    "new Map<any, string>();",
    glue("test.", 'only("x", f);'),
    glue("describe.", 'skip("x", f);'),
    glue("// @ts-", "ignore"),
    glue("// TO", "DO: later"),
    glue('throw new Error("not ', 'implemented");'),
  ])("no file may say %s", (text) => {
    expect(escapes(file("libs/nats/src/a.ts", text))).toHaveLength(1);
  });

  test("a test may not be impatient", () => {
    const of = (text: string, name = "a.test.ts") => impatience(file(`libs/sdk/src/${name}`, text));
    expect(of("await vi.waitFor(() => f(1));")).toHaveLength(1);
    expect(of("await vi.waitFor(() => f(1)); const timeout = 5;")).toHaveLength(1);
    expect(of("await vi.waitFor(async () => f(g(1)), { timeout: 10_000 });")).toHaveLength(1);
    expect(of("await vi.waitUntil(() => f(1), { interval: 5 });")).toHaveLength(1);
    expect(of("await expect.poll(() => f(1), { timeout: 20_000, interval: 5 }).toBe(1);")).toHaveLength(1);
    expect(of("await vi.waitFor(async () => f(g(1)), { timeout: 60_000 });")).toEqual([]);
    expect(of("await vi.waitFor(() => f(1), { timeout: PATIENCE_MS });")).toEqual([]);
    expect(of("await expect.poll(() => f(1), { interval: 5 }).toBe(1);")).toEqual([]);
    expect(of("vi.waitFor(() => 1);", "a.ts")).toEqual([]);
  });

  test("a test may not have a shorter limit than all have", () => {
    const of = (text: string) => impatience(file("libs/sdk/src/a.test.ts", text));
    expect(of('it("works", async () => {\n  f();\n}, 60_000);')).toHaveLength(1);
    expect(of('test("works", { timeout: 20_000 }, () => {\n  f();\n});')).toHaveLength(1);
    expect(of('test("works", {\n  timeout: 120_000 + N * 30,\n}, () => {});')).toHaveLength(1);
    expect(of('it("works", async () => {\n  f();\n}, 600_000);')).toEqual([]);
    expect(of('test("works", { timeout: 300_000 + N * 30 }, () => {});')).toEqual([]);
    expect(of('await nats.request("a", "1", { timeout: 3_000 });')).toEqual([]);
  });

  test("`any` is a word, too", () => {
    expect(escapes(file("libs/nats/src/a.ts", "// takes:any of these\nconst many = anyOf(x);"))).toEqual([]);
  });
});

describe("metrics", () => {
  const page = "| `holdfast_x_total` | counter | Counts; look |\n| `holdfast_y` | gauge | Shows; look |\n";
  const found = (text: string, path = "libs/engine/src/a.ts") => undocumentedMetrics(page)(file(path, text));

  test.each([
    'counter("holdfast_z_total", "Counts")',
    '{ name: "holdfast_x_total", help: "Counts otherwise" }',
    'show(\n  "holdfast_y",\n  "Shows")',
  ])("are not left out of the documentation: %s", (text) => {
    expect(found(text)).toHaveLength(1);
  });

  test("may be named there, in tests, and where they are no metrics", () => {
    const fine =
      '{ name: "holdfast_x_total", help: "Counts; look" } show("holdfast_y", "Shows; look") kv("holdfast_z")';
    expect(found(fine)).toEqual([]);
    expect(found('counter("holdfast_z_total", "Counts")', "libs/engine/src/a.test.ts")).toEqual([]);
  });
});

describe("status sets", () => {
  const found = (text: string) => strayStatusSets(file("libs/engine/src/a.ts", text));

  test.each([
    "new Set([RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_FAILURES])",
    '["FAILED", "CANCELLED", "COMPLETED_WITH_FAILURES"]',
    "s === RunStatus.COMPLETED || s === RunStatus.COMPLETED_WITH_FAILURES",
    "s !== RUN_STATUS_FAILED && s !== RUN_STATUS_COMPLETED_WITH_FAILURES",
    "case RunStatus.COMPLETED:\n case RunStatus.COMPLETED_WITH_FAILURES:\n return true;",
  ])("are not spelled again as %s", (text) => {
    expect(found(text)).toHaveLength(1);
  });

  test.each([
    '["PENDING", "RUNNING", "COMPLETED", "COMPLETED_WITH_FAILURES", "FAILED"]',
    'const colour = { COMPLETED: "green", COMPLETED_WITH_FAILURES: "yellow" };',
    "if (s === RunStatus.COMPLETED_WITH_FAILURES) partial += 1;",
    'case RunStatus.COMPLETED: return "ok";\n case RunStatus.COMPLETED_WITH_FAILURES: return "partial";',
    "[RunStatus.FAILED, RunStatus.CANCELLED]",
  ])("are not seen in %s", (text) => {
    expect(found(text)).toEqual([]);
  });
});

describe("shape", () => {
  test("a file has a limit of lines", () => {
    expect(sizeComplaints(file("a.ts", "x\n".repeat(LINES_MAX)))).toEqual([]);
    expect(sizeComplaints(file("a.ts", "x\n".repeat(LINES_MAX + 1)))).toHaveLength(1);
  });

  test("names are kebab-case and say something", () => {
    expect(nameComplaints(file("libs/core/src/retry-policy.test.ts"))).toEqual([]);
    expect(nameComplaints(file("libs/core/src/retryPolicy.ts"))).toHaveLength(1);
    expect(nameComplaints(file("libs/core/src/utils.ts"))).toHaveLength(1);
    expect(nameComplaints(file("libs/core/src/helpers/retry.ts"))).toHaveLength(1);
  });

  test("an index re-exports", () => {
    const index = (text: string) => indexComplaints(file("libs/core/src/index.ts", text));
    expect(
      index('/** Doc. */\nexport * from "./a.js";\nexport { b, type C } from "./b.js";\nexport {};'),
    ).toEqual([]);
    expect(index("export const a = 1;")).toHaveLength(1);
  });

  test("top-level folders and the lockfile", () => {
    expect(topLevelComplaints(["libs", "tools"])).toHaveLength(1);
    expect(lockfileComplaints("a:\n  resolution: {integrity: x}\n")).toEqual([]);
    expect(lockfileComplaints("a:\n  resolution: {tarball: x}\n")).toHaveLength(1);
  });
});

describe("a circle", () => {
  const files = (...texts: string[]) =>
    texts.map((text, n) => ({ path: `libs/core/src/${"abcde"[n]}.ts`, text }));

  test("is found among files that need each other, however far around", () => {
    const found = circlesOf(
      files(
        'import { b } from "./b.js";\nimport { e } from "./e.js";',
        'import { c } from "./c.js";',
        'export * from "./a.js";',
        'import { a } from "./a.js";',
        'import "node:fs";',
      ),
    );
    expect(found).toEqual([["libs/core/src/a.ts", "libs/core/src/b.ts", "libs/core/src/c.ts"]]);
  });

  test("is none where types alone go around", () => {
    for (const back of [
      'import type { A } from "./a.js";',
      'import { type A, type B } from "./a.js";',
      'export type { A } from "./a.js";',
      '// import { a } from "./a.js";',
    ])
      expect(circlesOf(files('import { b } from "./b.js";', back))).toEqual([]);
    expect(
      circlesOf(files('import { b } from "./b.js";', 'import { type A, a } from "./a.js";')),
    ).toHaveLength(1);
  });
});
