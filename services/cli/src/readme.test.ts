/**
 * The README's sample, as a reader would run it: the worker as a process of its own, work published by its own lines of
 * shell, then looked at, mended and retried with the command line.
 */
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { silentLogger } from "@holdfast/telemetry";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { CliIo } from "./io.js";
import { type LocalHoldfast, startLocalHoldfast } from "./local/holdfast.js";
import { runCli } from "./program.js";
import { startModule } from "./sample-process.js";

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
const repository = dirname(dirname(packageFolder));
const LINES_MAX = 20;

let folder: string;
let holdfast: LocalHoldfast;
let worker: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-readme-"));
  // So that the sample finds its packages as it would in the repository.
  await symlink(join(packageFolder, "node_modules"), join(folder, "node_modules"));
  holdfast = await startLocalHoldfast({
    dataDir: join(folder, "data"),
    natsUrl: undefined,
    ports: { nats: 0, admin: 0, metrics: 0 },
    logger: silentLogger,
  });
});
afterEach(async () => {
  await stopWorker();
  await holdfast.stop();
  await rm(folder, { recursive: true, force: true });
});

async function sampleOf(name: string): Promise<string> {
  const readme = await readFile(join(repository, "README.md"), "utf8");
  const [, code] = new RegExp(`<!-- sample: ${name} -->\\n\`\`\`\\w+\\n([^]*?)\`\`\``).exec(readme) ?? [];
  if (code === undefined) throw new Error(`README.md holds no sample named ${name}`);
  return code;
}

async function startWorker(code: string): Promise<void> {
  const file = join(folder, "greetings.mts");
  await writeFile(file, code);
  const env = { ...process.env, HOLDFAST_NATS_URL: holdfast.natsUrl };
  worker = startModule(file, [], { cwd: repository, env, streams: "inherit" });
}

async function stopWorker(): Promise<void> {
  if (worker === undefined || worker.exitCode !== null) return;
  const ended = once(worker, "exit");
  worker.kill("SIGINT");
  await ended;
  worker = undefined;
}

async function cli(...args: string[]): Promise<{ code: number; out: string }> {
  let out = "";
  const write = (text: string): void => {
    out += text;
  };
  const io: CliIo = {
    write,
    writeError: write,
    stdout: { isTTY: false },
    stderr: { isTTY: false },
    env: { HOLDFAST_ADMIN: holdfast.adminAddress },
    nowMs: () => Date.now(),
    readStdin: async () => "",
    interrupted: new AbortController().signal,
  };
  return { code: await runCli(args, io), out };
}

const until = async (what: () => Promise<boolean>): Promise<void> => {
  await expect.poll(what, { interval: 100 }).toBe(true);
};

interface RunsAnswer {
  readonly runs: readonly { readonly runId: string; readonly status: string }[];
}

it("the sample is short, takes published work, fails in part, and heals once it is mended", async () => {
  const code = await sampleOf("greetings.ts");
  expect(code.trim().split("\n").length).toBeLessThan(LINES_MAX);
  await startWorker(code);
  await until(async () => (await cli("workflows")).out.includes("greetings"));

  const publish = (await sampleOf("publish.sh")).replace("4222", new URL(holdfast.natsUrl).port);
  const { stdout } = await promisify(execFile)("bash", ["-c", publish]);
  expect(stdout).toContain("PONG");

  const runs = async () => (JSON.parse((await cli("runs", "--json")).out) as RunsAnswer).runs;
  await until(async () => (await runs())[0]?.status === "RUN_STATUS_COMPLETED_WITH_FAILURES");
  const id = (await runs())[0]?.runId ?? "";
  const partial = (await cli("run", id)).out;
  expect(partial).toContain("2 of 3 items OK · 1 failed");
  expect(partial).toContain("#1  VALIDATION: nobody can be greeted without a name");
  expect(partial).toContain('input ""');

  await stopWorker();
  const mended = code.replace(/^ *if \(item === ""\).*\n/m, "").replace("${item}", '${item || "friend"}');
  expect(mended).not.toBe(code);
  await startWorker(mended);
  const retried = await cli("retry-failed", "--workflow", "greetings");
  expect(retried.out).toContain("retried 1 of 1 · 0 raced · 0 refused");
  expect(retried.code).toBe(0);

  const healed = await cli("run", id, "--watch", "--strict", "--timeout", "60");
  expect(healed.code).toBe(0);
  expect(healed.out).toContain("3 of 3 items OK");
});
