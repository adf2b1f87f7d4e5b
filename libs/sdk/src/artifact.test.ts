/** Artifacts from the user's side, against the real engine in memory: stored, referred to, worked on line by line, read back. */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import {
  type Artifact,
  ActionError,
  createWorker,
  type Holdfast,
  jsonLines,
  RunFailedError,
  typed,
  type Worker,
  workflow,
} from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";
import type { AnyWorkflow } from "./workflow/workflow.js";

interface Row {
  readonly id: string;
  readonly price: number;
}

let cluster: TestCluster;
let holdfast: Holdfast;
let workers: Worker[] = [];

beforeEach(async () => {
  cluster = await startTestCluster();
  holdfast = cluster.holdfast;
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  workers = [];
  await cluster.close();
});

async function work(...workflows: AnyWorkflow[]): Promise<void> {
  workers.push(await createWorker({ connection: holdfast, workflows, stopTimeout: "1s" }));
}

async function textOf(artifact: Artifact): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of holdfast.readArtifact(artifact)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

const rows = (count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({ id: `row-${i}`, price: i }));
const once = { retry: { maxAttempts: 1 } } as const;

describe("an artifact", () => {
  test("of a file has its name, size, digest and kind", async () => {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-artifact-"));
    try {
      const file = join(folder, "rows.jsonl");
      await writeFile(file, '{"id":1}\n');
      const artifact = await holdfast.putArtifact(file);
      const sha256 = createHash("sha256").update('{"id":1}\n').digest("hex");
      const contentType = "application/x-ndjson";
      expect(artifact).toEqual({ $artifact: { name: "rows.jsonl", size: 9, sha256, contentType } });
      expect(await textOf(artifact)).toBe('{"id":1}\n');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.each([
    ["bytes", () => Buffer.from("häh")],
    ["pieces of text", () => ["h", "ä", "h"]],
    ["pieces of bytes", () => [...Buffer.from("häh")].map((byte) => Uint8Array.of(byte))],
    ["a stream", () => new Blob(["häh"]).stream() as unknown as AsyncIterable<Uint8Array>],
  ])("is made from %s", async (_, source) => {
    const artifact = await holdfast.putArtifact(source(), { name: "a.txt", contentType: "text/plain" });
    expect(artifact.$artifact).toMatchObject({ name: "a.txt", size: 4, contentType: "text/plain" });
    expect(await textOf(artifact)).toBe("häh");
  });

  test("of rows has one a line, and knows what a line is", async () => {
    const artifact = await holdfast.putArtifact(jsonLines(rows(2)));
    expectTypeOf(artifact).toEqualTypeOf<Artifact<{ readonly id: string; readonly price: number }>>();
    expect(artifact.$artifact).toMatchObject({ name: "artifact", contentType: "application/x-ndjson" });
    expect(await textOf(artifact)).toBe('{"id":"row-0","price":0}\n{"id":"row-1","price":1}\n');
  });

  test("that is there is kept once, whatever it is named", async () => {
    const [one, two] = [
      await holdfast.putArtifact(["same"], { name: "one" }),
      await holdfast.putArtifact(Buffer.from("same"), { name: "two" }),
    ];
    expect(two?.$artifact.sha256).toBe(one?.$artifact.sha256);
  });

  test.each([
    ["a name that is a path", () => holdfast.putArtifact(["x"], { name: "../x" }), "INVALID_ARGUMENT"],
    ["an empty name", () => holdfast.putArtifact(["x"], { name: "" }), "INVALID_ARGUMENT"],
    [
      "a long content type",
      () => holdfast.putArtifact(["x"], { contentType: "x".repeat(129) }),
      "INVALID_ARGUMENT",
    ],
    ["rows that are not told", () => holdfast.putArtifact([{ id: 1 }] as never), "INVALID_ARGUMENT"],
    ["a row that is no JSON", () => holdfast.putArtifact(jsonLines([1, 2n])), "INVALID_INPUT"],
    ["a file that is not there", () => holdfast.putArtifact("/nowhere/rows.jsonl"), "INVALID_ARGUMENT"],
    ["no reference", () => textOf({ $artifact: { name: "x" } } as never), "INVALID_ARGUMENT"],
    [
      "a reference of nothing",
      () => textOf({ $artifact: { name: "x", size: 1, sha256: "00".repeat(32), contentType: "" } }),
      "UNAVAILABLE",
    ],
  ])("is refused for %s", async (_, ask, code) => {
    await expect(ask()).rejects.toMatchObject({ code });
  });
});

describe("items from lines", () => {
  test("of an artifact in the input", async () => {
    const flow = workflow("import", { input: typed<{ file: Artifact<Row>; cents: number }>() })
      .forEach("check", { lines: "file", ...once }, async ({ item, index }, ctx) => {
        expectTypeOf(item).toEqualTypeOf<{ readonly id: string; readonly price: number }>();
        const { cents } = await ctx.runInput();
        return { id: item.id, index, cents: item.price * cents };
      })
      .action("sum", { after: ["check"] }, ({ check }) => check.reduce((sum, { cents }) => sum + cents, 0));
    await work(flow);
    const file = await holdfast.putArtifact<Row>(jsonLines(rows(2_500)));
    const run = await holdfast.start(flow, { file, cents: 100 });
    expect(await run.result()).toBe((2_499 * 2_500 * 100) / 2);
    expect((await run.get()).actions[0]?.items).toMatchObject({ total: 2_500, succeeded: 2_500 });
  });

  test("of an artifact that another action made", async () => {
    const flow = workflow("export", { input: typed<{ count: number }>() })
      .action("extract", async ({ input }, ctx) => ({
        table: "rows",
        rows: await ctx.putArtifact(jsonLines(rows(input.count)), { name: "rows.jsonl" }),
      }))
      .forEach(
        "check",
        { linesOf: { action: "extract", path: "rows" }, after: ["extract"], ...once },
        ({ item, extract }) => {
          if (item.price === 3)
            throw new ActionError("VALIDATION", `row ${item.id} of ${extract.table} is odd`);
          return item.id;
        },
      )
      .action("count", { after: ["check"] }, ({ check }) => check.length);
    await work(flow);
    const run = await holdfast.start(flow, { count: 7 });
    expect(await run.result()).toBe(6);
    expect((await run.ended()).status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
    const { items } = await holdfast.items(run.runId, { action: "check" });
    expect(items.find(({ index }) => index === 3)?.failure?.message).toBe("row row-3 of rows is odd");
  });

  test("of a file with a broken line: what was done stays, and the failure names the line", async () => {
    let made = 0;
    const flow = workflow("broken", { input: typed<{ file: Artifact<Row> }>() }).forEach(
      "check",
      { lines: "file", ...once },
      () => ++made,
    );
    await work(flow);
    const good = rows(3_000).map((row) => JSON.stringify(row));
    const file = await holdfast.putArtifact<Row>(
      [...good, "{oops"].map((line) => `${line}\r\n`),
      {
        name: "rows.jsonl",
      },
    );
    const run = await holdfast.start(flow, { file });
    await expect(run.result()).rejects.toBeInstanceOf(RunFailedError);
    const { actions } = await run.get();
    expect(actions[0]?.failure?.message).toMatch(/^line 3001 of artifact rows\.jsonl is not usable JSON/);
    const counts = actions[0]?.items;
    expect((counts?.succeeded ?? 0) + (counts?.cancelled ?? 0)).toBe(counts?.total);
  });

  test("declared twice, or of a path that is none, are refused", () => {
    const input = typed<{ file: Artifact<Row>; rows: Row[] }>();
    const twice = { lines: "file", items: "rows" } as never;
    expect(() => workflow("w", { input }).forEach("x", twice, () => 1).definition).toThrow(/exactly one of/);
    // @ts-expect-error An array is no artifact.
    expect(workflow("w", { input }).forEach("x", { lines: "rows" }, () => 1).definition).toBeDefined();
    // @ts-expect-error An artifact is no array, nor is anything within its reference.
    expect(workflow("w", { input }).forEach("x", { items: "file" }, () => 1).definition).toBeDefined();
  });
});

describe("a handler", () => {
  test("reads an artifact, and what it can't have fails its attempt by kind", async () => {
    const flow = workflow("reads", { input: typed<{ file: Artifact }>() }).action(
      "size",
      once,
      async ({ input }, ctx) => {
        let bytes = 0;
        for await (const piece of ctx.readArtifact(input.file)) bytes += piece.length;
        return bytes;
      },
    );
    await work(flow);
    const file = await holdfast.putArtifact([Buffer.alloc(300_000)]);
    expect(await (await holdfast.start(flow, { file })).result()).toBe(300_000);
    const gone = { $artifact: { ...file.$artifact, sha256: "00".repeat(32) } };
    await expect((await holdfast.start(flow, { file: gone })).result()).rejects.toMatchObject({
      mode: "NOT_FOUND",
    });
  });
});
