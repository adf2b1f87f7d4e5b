/** The sample of docs/external-batch.md does what the page says. Its connection is swapped for a cluster in memory. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { Holdfast } from "./index.js";
import { startTestCluster } from "./testing/index.js";

const PAGE = new URL("../../../docs/external-batch.md", import.meta.url);

afterEach(() => {
  vi.restoreAllMocks();
});

async function blockOf(label: string): Promise<string> {
  const page = await readFile(PAGE, "utf8");
  const code = new RegExp(`<!-- ${label} -->\\n\`\`\`\\w*\\n([^]*?)\`\`\``).exec(page)?.[1];
  if (code === undefined) throw new Error(`docs/external-batch.md holds no ${label}`);
  return code;
}

it("runs, and prints what it says that it prints", async () => {
  const cluster = await startTestCluster();
  vi.spyOn(Holdfast, "connect").mockImplementation(() => Promise.resolve(cluster.client()));
  const lines: unknown[] = [];
  vi.spyOn(console, "log").mockImplementation((line) => void lines.push(line));
  const folder = await mkdtemp(join(import.meta.dirname, ".external-batch-"));
  try {
    const file = join(folder, "scoring.ts");
    await writeFile(file, await blockOf("sample: scoring.ts"));
    await import(file);
  } finally {
    await rm(folder, { recursive: true });
    await cluster.close();
  }
  expect(`${lines.join("\n")}\n`).toBe(await blockOf("output: scoring.ts"));
});
