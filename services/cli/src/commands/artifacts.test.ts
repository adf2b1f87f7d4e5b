/** `artifacts put` and `start --artifact`, against a real Holdfast: a file's lines become a run's items. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Artifact, createWorker, Holdfast, typed, type Worker, workflow } from "@holdfast/sdk";
import { silentLogger } from "@holdfast/telemetry";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalHoldfast, startLocalHoldfast } from "../local/holdfast.js";
import { runCli } from "../program.js";

interface Row {
  readonly id: number;
}

const importing = workflow("import", { input: typed<{ batch: { rows: Artifact<Row> }; factor: number }>() })
  .forEach("check", { lines: "batch.rows" }, async ({ item }, ctx) => item.id * (await ctx.runInput()).factor)
  .action("sum", { after: ["check"] }, ({ check }) => check.reduce((sum, one) => sum + one, 0));

let folder: string;
let holdfast: LocalHoldfast;
let connection: Holdfast;
let worker: Worker;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-artifacts-"));
  holdfast = await startLocalHoldfast({
    dataDir: join(folder, "data"),
    natsUrl: undefined,
    ports: { nats: 0, admin: 0, metrics: 0 },
    logger: silentLogger,
  });
  connection = await Holdfast.connect({ url: holdfast.natsUrl });
  worker = await createWorker({ connection, workflows: [importing] });
  await writeFile(join(folder, "rows.jsonl"), '{"id":1}\n{"id":2}\n{"id":39}\n');
});
afterAll(async () => {
  await worker.stop();
  await connection.close();
  await holdfast.stop();
  await rm(folder, { recursive: true, force: true });
});

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await runCli(args, {
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    stdout: { isTTY: false },
    stderr: { isTTY: false },
    env: { HOLDFAST_ADMIN: holdfast.adminAddress },
    nowMs: () => Date.now(),
    readStdin: async () => "",
    interrupted: new AbortController().signal,
  });
  return { code, out, err };
}

describe("artifacts put", () => {
  it("prints the reference and nothing else, so that it can stand in an input", async () => {
    const file = join(folder, "rows.jsonl");
    const { code, out } = await cli("artifacts", "put", file);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      $artifact: { name: "rows.jsonl", size: 28, contentType: "application/x-ndjson" },
    });
    const input = `{"factor":10,"batch":{"rows":${out}}}`;
    const run = await cli("start", "import", "--run-id", "by-hand", "--input", input, "--wait");
    expect(run.code).toBe(0);
    expect(await (await connection.start(importing, null as never, { runId: "by-hand" })).result()).toBe(420);
  });

  it("is told a name and a kind, and answers programs in full", async () => {
    const args = ["--name", "june.txt", "--content-type", "text/plain", "--json"];
    const { out } = await cli("artifacts", "put", join(folder, "rows.jsonl"), ...args);
    expect(JSON.parse(out)).toMatchObject({ name: "june.txt", size: "28", contentType: "text/plain" });
  });

  it.each([
    [["/nowhere/rows.jsonl"], 2, "/nowhere/rows.jsonl could not be read"],
    [["FOLDER"], 2, "could not be read"],
    [["FOLDER/rows.jsonl", "--name", "a/b"], 2, "no artifact's name"],
    [[], 2, "missing required argument"],
  ])("of %j exits %i and says why", async (args, code, message) => {
    const found = await cli("artifacts", "put", ...args.map((arg) => arg.replace("FOLDER", folder)));
    expect(found.err).toContain(message);
    expect(found.code).toBe(code);
  });
});

describe("start --artifact", () => {
  it("stores the file and lets its reference stand in the input", async () => {
    const artifact = `batch.rows=${join(folder, "rows.jsonl")}`;
    const args = ["--run-id", "at-once", "--input", '{"factor":2}', "--artifact", artifact, "--wait"];
    const { code, out } = await cli("start", "import", ...args);
    expect(out).toContain("at-once");
    expect(code).toBe(0);
    expect(await (await connection.start(importing, null as never, { runId: "at-once" })).result()).toBe(84);
  });

  it.each([
    ["rows", "is not a path and a file"],
    ["=rows.jsonl", "is not a path and a file"],
    ["a..b=rows.jsonl", "is not a path and a file"],
    ["__proto__.x=rows.jsonl", "is not a path and a file"],
    ["factor.rows=rows.jsonl", "--artifact factor.rows: factor is no object"],
    ["rows=/nowhere/rows.jsonl", "could not be read"],
  ])("of %j is refused, and nothing is started", async (artifact, message) => {
    const { code, err } = await cli(
      "start",
      "import",
      "--run-id",
      "refused",
      "--input",
      '{"factor":2}',
      "--artifact",
      artifact,
    );
    expect(err).toContain(message);
    expect(code).toBe(2);
    expect((await cli("run", "refused")).code).toBe(4);
  });
});
