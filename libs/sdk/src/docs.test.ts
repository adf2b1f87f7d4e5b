/**
 * Every TypeScript sample in docs/ fits the types and does what its page says. A sample stands under `<!-- sample: name.ts -->`, what it prints under
 * `<!-- output: name.ts -->`. One that can't stand alone stands under `<!-- fragment: path -->`, which names the test that runs it. Connections are
 * swapped for a cluster in memory whose time skips.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Holdfast } from "./index.js";
import { startTestCluster } from "./testing/index.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const DOCS = join(ROOT, "docs");

interface Block {
  readonly page: string;
  /** `sample`, `fragment`, `output`; empty: it says nothing of itself. */
  readonly kind: string;
  readonly name: string;
  readonly language: string;
  readonly code: string;
}

async function blocksOf(page: string): Promise<Block[]> {
  const text = await readFile(join(DOCS, page), "utf8");
  const found = text.matchAll(/(?:<!-- (sample|output|fragment): (\S+) -->\n)?```(\w*)\n([^]*?)```/g);
  return Array.from(found, ([, kind = "", name = "", language = "", code = ""]) => ({
    page,
    kind,
    name,
    language,
    code,
  }));
}

const pages = (await readdir(DOCS)).filter((name) => name.endsWith(".md"));
const blocks = (await Promise.all(pages.map(blocksOf))).flat();
const samples = blocks.filter(({ kind }) => kind === "sample");

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a sample", () => {
  it.each(samples.map((sample) => [sample.page, sample.name, sample] as const))(
    "of %s, %s, prints what the page says",
    async (page, name, { code }) => {
      const output = blocks.find(
        (block) => block.page === page && block.kind === "output" && block.name === name,
      );
      const cluster = await startTestCluster();
      vi.spyOn(Holdfast, "connect").mockImplementation(() => Promise.resolve(cluster.client()));
      const lines: unknown[] = [];
      vi.spyOn(console, "log").mockImplementation((...args) => void lines.push(args.map(String).join(" ")));
      const folder = await mkdtemp(join(import.meta.dirname, ".sample-"));
      try {
        const file = join(folder, name);
        await writeFile(file, code);
        await import(file);
      } finally {
        await rm(folder, { recursive: true });
        await cluster.close();
      }
      expect(`${lines.join("\n")}\n`).toBe(output?.code);
    },
  );
});

it("samples, the README's too, fit the types of what they use", async () => {
  const readme = await blocksOf("../README.md");
  const typed = [
    ...samples,
    ...readme.filter(({ kind, language }) => kind === "sample" && language === "ts"),
  ];
  const folder = await mkdtemp(join(import.meta.dirname, ".samples-"));
  try {
    const base = relative(folder, join(ROOT, "tsconfig.base.json"));
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ extends: base, include: ["*.ts"] }));
    // Modules, so that two samples may use the same names.
    for (const { name, code } of typed) await writeFile(join(folder, name), `${code}\nexport {};\n`);
    const tsc = join(ROOT, "node_modules", ".bin", "tsc");
    const told = await new Promise<string>((resolve) => {
      execFile(
        tsc,
        ["--noEmit", "--pretty", "false", "-p", folder],
        { cwd: folder },
        (error, stdout, stderr) => resolve(error === null ? "" : `${stdout}${stderr}` || error.message),
      );
    });
    expect(told).toBe("");
  } finally {
    await rm(folder, { recursive: true });
  }
  expect(new Set(typed.map(({ name }) => name)).size).toBe(typed.length);
});

it("every TypeScript block in docs/ is a sample, or names the test that runs it", async () => {
  const tests = (await readdir(join(ROOT, "libs"), { recursive: true })).filter((path) =>
    path.endsWith(".test.ts"),
  );
  const unrun = blocks
    .filter(({ language }) => language === "ts")
    .filter(
      ({ kind, name }) =>
        kind !== "sample" && !(kind === "fragment" && tests.includes(name.slice("libs/".length))),
    )
    .map(({ page, code }) => `${page}: ${code.slice(0, 40).trim()}`);
  expect(unrun).toEqual([]);
  expect(samples.length).toBeGreaterThan(4);
});
