/** How `npm run holdfast` starts: what is in its bundle, when it is made anew, and what a folder without set-up says. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { isFresh, makeBundle, needsSources } from "./bundle.mjs";

const here = dirname(fileURLToPath(import.meta.url));
let folder: string;
let bundle: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-bundle-"));
  bundle = join(folder, "holdfast.mjs");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [file, ...args], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

it("holds what the commands need, and nothing of what runs workflows", async () => {
  const inputs = await makeBundle(bundle);
  expect(inputs).toContain("services/cli/src/commands/runs.ts");
  const heavy =
    /^libs\/(engine|nats|store|sdk|telemetry|schema)\/|^libs\/core\/src\/(actor|fold|state|views)\/|^services\/(admin|workflow|worker)\/|node_modules\/(nats|pino|ajv|classic-level)\//;
  expect(inputs.filter((path) => heavy.test(path))).toEqual([]);
});

it("is made of the sources as they are, and is stale once one of them is another or gone", async () => {
  expect(isFresh(bundle)).toBe(false);
  await makeBundle(bundle);
  // This very test's repository may have been written a moment ago, but not since.
  expect(isFresh(bundle)).toBe(true);
  const text = await readFile(bundle, "utf8");
  const end = text.indexOf("\n");
  const sources = JSON.parse(text.slice("// made of ".length, end)) as [string, number, number][];
  expect(sources.map(([path]) => path)).toEqual(
    expect.arrayContaining([
      "pnpm-lock.yaml",
      "services/cli/src/launch/bundle.mjs",
      "services/cli/src/main.ts",
    ]),
  );
  const [[path, size, mtimeMs]] = sources as [[string, number, number]];
  const others: unknown[] = [
    [path, size, mtimeMs - 1],
    [path, size + 1, mtimeMs],
    [`${path}.gone`, size, mtimeMs],
  ];
  for (const other of others) {
    await writeFile(bundle, `// made of ${JSON.stringify([...sources, other])}\n${text.slice(end + 1)}`);
    expect(isFresh(bundle)).toBe(false);
  }
  for (const broken of [text.slice(0, end / 2), text.slice(end + 1), "// made of []\n", ""]) {
    await writeFile(bundle, broken);
    expect(isFresh(bundle)).toBe(false);
  }
});

it("is passed over only by what runs a whole Holdfast", () => {
  const fromSources = ["dev", "demo --keep", "--admin 10.0.0.5:7460 dev", "--json dev", "--tls-ca=x demo"];
  const fromBundle = [
    "",
    "runs",
    "runs --workflow dev",
    "run demo",
    "dev --help",
    "help dev",
    "--admin dev runs",
    "start demo -i 1",
  ];
  const needing = (line: string) => needsSources(line.split(" ").filter((word) => word !== ""));
  expect(fromSources.filter((line) => !needing(line))).toEqual([]);
  expect(fromBundle.filter(needing)).toEqual([]);
});

it("runs as the sources do, by arguments and exit codes", async () => {
  const launcher = join(here, "holdfast.mjs");
  const help = await run(launcher, "runs", "--help");
  expect(help.code).toBe(0);
  expect(help.stdout).toContain("Usage: holdfast runs");
  expect((await run(launcher, "runs", "--limit", "many")).code).toBe(2);
  const unreachable = await run(launcher, "runs", "--admin", "127.0.0.1:1");
  expect(unreachable).toMatchObject({ code: 3, stdout: "" });
  expect(unreachable.stderr).toContain("No admin service answers at 127.0.0.1:1.");
  // What it runs is not in the bundle, what it says of itself is.
  expect((await run(launcher, "dev", "--help")).stdout).toContain("Usage: holdfast dev");
});

it("in a folder that is not set up says what is missing, and what to type", async () => {
  await cp(here, join(folder, "services/cli/src/launch"), { recursive: true });
  const { code, stdout, stderr } = await run(join(folder, "services/cli/src/launch/holdfast.mjs"), "runs");
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toBe(
    `holdfast: ${folder} is not set up: it has no dependencies and no generated code. Type \`npm run setup\` there first.\n`,
  );
});
