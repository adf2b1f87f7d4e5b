/** The README's smallest workflow: small, and what it says happens. Its connection is swapped for a cluster in memory. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { Holdfast } from "./index.js";
import { startTestCluster } from "./testing/index.js";

const README = new URL("../README.md", import.meta.url);
const LINES_MAX = 20;

afterEach(() => {
  vi.restoreAllMocks();
});

it("the smallest workflow with a worker is under 20 lines, and runs", async () => {
  const sample = /```ts\n([\s\S]*?)```/.exec(await readFile(README, "utf8"))?.[1] ?? "";
  expect(sample.trimEnd().split("\n").length).toBeLessThan(LINES_MAX);
  const cluster = await startTestCluster();
  vi.spyOn(Holdfast, "connect").mockImplementation(() => Promise.resolve(cluster.client()));
  const lines: unknown[] = [];
  vi.spyOn(console, "log").mockImplementation((line) => void lines.push(line));
  const folder = await mkdtemp(join(import.meta.dirname, ".readme-"));
  try {
    const file = join(folder, "sample.ts");
    await writeFile(file, sample);
    await import(file);
  } finally {
    await rm(folder, { recursive: true });
    await cluster.close();
  }
  expect(lines).toEqual(["Hello, Ada!"]);
});
