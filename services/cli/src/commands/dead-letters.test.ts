/** What a person and a script get from the commands about dead letters. Over real gRPC. */
import { create } from "@bufbuild/protobuf";
import { DeadLetterViewSchema, FailureMode, RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CliIo } from "../io.js";
import { runCli } from "../program.js";
import { partialRun, SAMPLE_NOW_MS } from "../render/sample-runs.js";
import { type SampleAdmin, startSampleAdmin } from "../sample-admin.js";

let admin: SampleAdmin;
beforeEach(async () => {
  admin = await startSampleAdmin();
});
afterEach(() => admin.close());

async function holdfast(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const io: CliIo = {
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    stdout: { isTTY: false, columns: 160 },
    stderr: { isTTY: false },
    env: { HOLDFAST_ADMIN: admin.address },
    nowMs: () => SAMPLE_NOW_MS,
    readStdin: async () => "",
    interrupted: new AbortController().signal,
  };
  const code = await runCli(args, io);
  return { code, out, err };
}

test("lists what is there: which, with what, by whom, until when and why", async () => {
  const { code, out } = await holdfast(
    "dead-letters",
    "-w",
    "films",
    "-q",
    "default",
    "-m",
    "timeout,validation",
  );
  expect(code).toBe(0);
  expect(admin.asked).toEqual([
    `listDeadLetters films default ${FailureMode.TIMEOUT}+${FailureMode.VALIDATION} `,
  ]);
  expect(out).toMatch(/import-1 check#17 +films +VALIDATION .+ann .+asked the studio +row 17 has no title/);
  expect(out).toMatch(/import-2 +films +TIMEOUT .+policy .+its 3 recoveries are spent/);
  expect(out).toContain("… and more: add --page more, or --all");
});

test("tells the whole reason and error of each", async () => {
  const { out } = await holdfast("dead-letters", "import-1", "--reasons");
  expect(out).toContain(
    "import-1 check#17\n  moved by ann: asked the studio\n  VALIDATION: row 17 has no title\n",
  );
});

test("gives programs one document, or one line each", async () => {
  const page = JSON.parse((await holdfast("dead-letters", "--json")).out) as { letters: unknown[] };
  expect(page.letters).toHaveLength(2);
  const lines = (await holdfast("dead-letters", "--all", "--json")).out.trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { runId: string }).runId)).toEqual([
    "import-1",
    "import-2",
  ]);
});

test("retries what of a run is there, or some of it", async () => {
  const { code, out } = await holdfast("dead-letters", "retry", "import-1", "--reason", "mended");
  expect([code, out]).toEqual([0, expect.stringContaining("Retrying 2 items and 3 actions of run import-1")]);
  await holdfast("dead-letters", "retry", "import-1", "--action", "check");
  await holdfast("dead-letters", "retry", "import-1", "--action", "check", "--items", "17");
  expect(admin.asked).toEqual([
    "retryRun import-1 id of the dead letters",
    "retryRun import-1 id check# of the dead letters",
    "retryRun import-1 id check#17 of the dead letters",
  ]);
  for (const args of [
    ["retry", "import-1", "more"],
    ["import-1", "--items", "3"],
    ["retry", "import-1", "--items", "3"],
  ])
    expect([args, (await holdfast("dead-letters", ...args)).code]).toEqual([args, 2]);
});

test("retries single items of a run, wherever they are", async () => {
  const { out } = await holdfast("retry", "import-1", "--action", "check", "--items", "3,7");
  expect(admin.asked).toEqual(["retryRun import-1 id check#3+7"]);
  expect(out).toContain("Retrying 2 items of check of run import-1: RUNNING");
  for (const wrong of [
    ["--items", "3"],
    ["--action", "check"],
    ["--action", "check", "--items", "x"],
  ])
    expect([wrong, (await holdfast("retry", "import-1", ...wrong)).code]).toEqual([wrong, 2]);
});

test("retries items by their keys, beside indices; a key may hold commas", async () => {
  const named = ["--action", "check", "--items", "3", "--item-key", "order,17", "--item-key", "b"];
  const { out } = await holdfast("retry", "import-1", ...named);
  await holdfast("dead-letters", "retry", "import-1", "--action", "check", "--item-key", "b");
  expect(admin.asked).toEqual([
    "retryRun import-1 id check#3+order,17+b",
    "retryRun import-1 id check#b of the dead letters",
  ]);
  expect(out).toContain("items of check of run import-1: RUNNING");
  const wrong = await holdfast("retry", "import-1", "--item-key", "b");
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining("Say with --action")]);
  expect((await holdfast("dead-letters", "import-1", "--item-key", "b")).code).toBe(2);
});

test("moves and discards items by their keys", async () => {
  await holdfast("dead-letter", "import-1", "--action", "check", "--item-key", "a");
  await holdfast(
    "discard",
    "import-1",
    "--action",
    "check",
    "--items",
    "1",
    "--item-key",
    "a",
    "--reason",
    "r",
  );
  expect(admin.asked).toEqual([
    "moveToDeadLetters import-1 check#a ",
    "discardDeadLetters import-1 check#1+a r",
  ]);
});

test("lists items by their keys", async () => {
  await holdfast(
    "items",
    "import-1",
    "--action",
    "check",
    "--failed",
    "--item-key",
    "a,1",
    "--item-key",
    "b",
  );
  expect(admin.asked).toEqual(["listItems check 5 50 a,1 b"]);
});

test("moves a run, or items of it", async () => {
  expect((await holdfast("dead-letter", "import-1", "--reason", "poison")).out).toBe(
    "Run import-1: in the dead letters until retried, discarded, or past dead-letter retention.\n",
  );
  const { out } = await holdfast("dead-letter", "import-1", "--action", "check", "--items", "17,19");
  expect(out).toMatch(/^2 items of check of run import-1: in the dead letters/);
  expect(admin.asked).toEqual([
    "moveToDeadLetters import-1 # poison",
    "moveToDeadLetters import-1 check#17+19 ",
  ]);
});

test("discards with a reason, and says what becomes of it", async () => {
  const { code, out } = await holdfast("discard", "import-1", "--reason", "of no use");
  expect([code, out]).toEqual([
    0,
    "Run import-1: discarded; it stays FAILED, and goes when its retention is over.\n",
  ]);
  await holdfast("discard", "import-1", "--action", "check", "--items", "17", "--reason", "r");
  expect(admin.asked).toEqual([
    "discardDeadLetters import-1 # of no use",
    "discardDeadLetters import-1 check#17 r",
  ]);
});

test.each([
  [["discard", "import-1"], "--reason"],
  [["discard", "import-1", "--reason", "  "], "Say why with --reason"],
  [["dead-letter", "import-1", "--items", "1"], "Say with --action"],
  [["dead-letter", "import-1", "--action", "check"], "Say which with --items"],
  [["dead-letter", "import-1", "--action", "check", "--items", "-1"], "no whole number"],
  [["dead-letters", "--mode", "SAD"], "no failure mode"],
  [["dead-letters", "--since", "soon"], "--since"],
])("%j is a usage error, and nothing was asked", async (args, told) => {
  const { code, err } = await holdfast(...args);
  expect([code, admin.asked]).toEqual([2, []]);
  expect(err).toContain(told);
});

test("a run that is not there is exit code 4", async () => {
  expect((await holdfast("dead-letter", "nobody")).code).toBe(4);
});

test("a run's dashboard says what is in the dead letters since when, by whom, why and until when, and what was given up", async () => {
  const run = partialRun();
  const letter = { movedAt: { seconds: 1_772_366_400n }, keptUntil: { seconds: 1_774_958_400n } };
  run.deadLetters = [
    create(DeadLetterViewSchema, { ...letter, who: "ann", reason: "poison", status: RunStatus.FAILED }),
    ...[17, 19].map((item) =>
      create(DeadLetterViewSchema, { ...letter, action: "check", item, byPolicy: true, reason: "spent" }),
    ),
  ];
  admin.run = run;
  const { out } = await holdfast("run", "import-1");
  expect(out).toMatch(/▲ In the dead letters: the run, since .+ by ann: poison; kept until 2026-/);
  expect(out).toMatch(/▲ In the dead letters: 2 items of check, since .+ by its workflow's policy: spent/);
  expect(out).toContain('discard import-1 --reason "…"');
  run.deadLetters = [];
  run.discarded = "discarded by bob at 2026-03-01 12:00:00 UTC: of no use";
  expect((await holdfast("run", "import-1")).out).toContain(
    "▲ Discarded by bob at 2026-03-01 12:00:00 UTC: of no use",
  );
});
