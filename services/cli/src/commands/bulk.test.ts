/** What a person and a script get of operations on many runs: words, JSON, exit codes. Over real gRPC. */
import { afterEach, beforeEach, expect, it } from "vitest";
import type { CliIo } from "../io.js";
import { runCli } from "../program.js";
import { SAMPLE_NOW_MS } from "../render/sample-runs.js";
import { type SampleAdmin, startSampleAdmin } from "../sample-admin.js";

let admin: SampleAdmin;
beforeEach(async () => {
  admin = await startSampleAdmin();
});
afterEach(() => admin.close());

async function holdfast(line: string): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const io: CliIo = {
    write: (text) => void (out += text),
    writeError: (text) => void (err += text),
    stdout: { isTTY: false },
    stderr: { isTTY: false },
    env: { HOLDFAST_ADMIN: admin.address },
    nowMs: () => SAMPLE_NOW_MS,
    readStdin: async () => "",
    interrupted: new AbortController().signal,
  };
  return { code: await runCli(line.split(" "), io), out, err };
}

it("shows an operation with what it came to and what became of its runs", async () => {
  const { code, out } = await holdfast("bulk op-1");
  expect(code).toBe(0);
  expect(out).toContain(
    "Operation op-1: retry, workflow films\n  HALTED · retried 5 of 44 · 2 raced · 1 refused\n",
  );
  expect(out).toContain("halted: of the 5 that wave 1 set off, 5 are no better than before");
  expect(out).toContain("refused 1: POLICY_SECURITY: needs a person");
  expect(out).toContain("5 failed again");
  expect(out).toContain("36 that matched were not come to: they are as they were");
  expect(out).toContain("by ann: the disk was full");
  expect(out).toContain(
    "  import-1 retried · 2 items\n  import-2 refused · it failed with POLICY_SECURITY\n",
  );
});

it("says of a dry run what would be done, in the list and in each result", async () => {
  const { out } = await holdfast("bulk op-dry");
  expect(out).toContain("Operation op-dry: retry, workflow films (dry run: nothing is changed)\n");
  expect(out).toContain("would be retried 43 of 44");
  expect(out).toContain("  import-1 would be retried · 2 items\n  import-2 would be refused · it failed");
  expect((await holdfast("bulk")).out).toMatch(/op-dry +dry run: retry .* would be retried 43 of 44/);
});

it("marks a dry run from its beginning", async () => {
  const [cancelling, dry] = [
    await holdfast("bulk cancel --workflow films"),
    await holdfast("bulk cancel --workflow films --dry-run"),
  ];
  expect(cancelling.out).toMatch(/^Operation op-1 has begun; it goes on by itself\.\n/);
  expect(dry.out).toMatch(/^Dry run op-1 has begun: it says what would be done, and changes nothing\.\n/);
  expect((await holdfast("retry-failed --workflow films --detach --dry-run")).out).toMatch(
    /^Dry run op-1 has begun/,
  );
});

it.each([
  ["bulk cancel --run import-1,a/b,import-2", "1 of the list can be no run id: refused, the others count."],
  ["bulk dead-letter --run import-1,,a/b", "2 of the list can be no run ids: refused, the others count."],
  ["retry-failed --detach --dry-run --run import-1,a/b", "1 of the list can be no run id"],
])(
  "`%s` sends the list as it is, says what of it is none, and exits as where one was refused",
  async (line, said) => {
    const { code, out } = await holdfast(line);
    expect([code, out]).toEqual([5, expect.stringContaining(said)]);
    expect(out).toContain("Look at it: holdfast bulk op-1");
  },
);

it("says that there is more, and what to type for it", async () => {
  const first = (await holdfast("bulk op-dry")).out;
  expect(first).toContain("… and more: holdfast bulk op-dry --all");
  const all = (await holdfast("bulk op-dry --all")).out;
  expect(all.match(/import-1 would be retried/g)).toHaveLength(2);
  expect(all.match(/Operation op-dry/g)).toHaveLength(1);
  expect(all).not.toContain("and more");
  expect((await holdfast("bulk --limit 1")).out).toContain("… and more: holdfast bulk --limit 2");
  expect((await holdfast("bulk --limit 2")).out).not.toContain("and more");
});

it("lists them, and gives programs JSON", async () => {
  expect((await holdfast("bulk")).out).toMatch(/OPERATION +WHAT[^]*op-1 +retry +workflow films +HALTED/);
  expect(JSON.parse((await holdfast("bulk op-1 --json")).out)).toMatchObject({
    operation: { operationId: "op-1", status: "BULK_STATUS_HALTED" },
  });
});

it.each([
  [
    "bulk abort op-1 --reason enough",
    "Operation op-1 comes to no more runs.",
    "abortBulkOperation op-1 enough",
  ],
  [
    "bulk cancel -w films --reason wrong",
    "Operation op-1 has begun",
    "startBulkOperation CANCEL films wrong",
  ],
  [
    "bulk dead-letter --queue gpu",
    "Operation op-1 has begun",
    "startBulkOperation MOVE_TO_DEAD_LETTERS gpu ",
  ],
  ["bulk discard -w films --reason old", "Operation op-1 has begun", "startBulkOperation DISCARD films old"],
  [
    "retry-failed -w films --canary 5,50 --detach",
    "Operation op-1 has begun; it goes on by itself.",
    "startBulkRetry films 5,50",
  ],
])("does `%s`", async (line, said, asked) => {
  const { code, out } = await holdfast(line);
  expect([code, out]).toEqual([0, expect.stringContaining(said)]);
  expect(admin.asked).toContain(asked);
});

it.each([
  ["bulk op-2", 4, "there is no bulk operation op-2"],
  ["bulk abort", 2, "Say `bulk`, `bulk <id>`"],
  ["bulk cancel films", 2, "Say `bulk`, `bulk <id>`"],
  ["retry-failed -w films --canary 1,2,3", 2, "is not <first> or <first>,<then>"],
  ["retry-failed -w films --canary none", 2, "none"],
])("exits as it should on `%s`", async (line, exit, message) => {
  const { code, err } = await holdfast(line);
  expect([code, err]).toEqual([exit, expect.stringContaining(message)]);
});
