/** What a person and a script get from `holdfast restart`, and from a run that was restarted. Over real gRPC. */
import { create } from "@bufbuild/protobuf";
import { FailureMode, ParentViewSchema, RestartViewSchema, RunStatus } from "@holdfast/proto";
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
    readStdin: async () => '{"rows":[3]}',
    interrupted: new AbortController().signal,
  };
  const code = await runCli(args, io);
  return { code, out, err };
}

test("without an input the old one is kept; with one, from wherever, it goes along as it was given", async () => {
  const { code, out } = await holdfast("restart", "import-1");
  expect([code, out]).toEqual([
    0,
    "Restarted run import-1 as run import-1-again-0a1b2c3d4e: RUNNING\n" +
      "Follow it: holdfast run import-1-again-0a1b2c3d4e --watch\n",
  ]);
  await holdfast("restart", "import-1", "--input", '{"rows":[1]}', "--id", "import-2", "--reason", "a typo");
  await holdfast("restart", "import-1", "-f", "-");
  expect(admin.asked).toEqual([
    "restartRun import-1 id as it was  ",
    'restartRun import-1 id {"rows":[1]} import-2 a typo',
    'restartRun import-1 id {"rows":[3]}  ',
  ]);
});

test("as JSON, and where it can't be", async () => {
  const { out } = await holdfast("restart", "import-1", "--json");
  expect(JSON.parse(out)).toEqual({ runId: "import-1-again-0a1b2c3d4e", status: "RUN_STATUS_RUNNING" });
  expect((await holdfast("restart", "nobody")).code).toBe(4);
  expect((await holdfast("restart", "import-1", "--input", "{")).code).toBe(2);
  expect((await holdfast("restart", "import-1", "--input", "1", "-f", "-")).code).toBe(2);
});

test("of a child, it says that its parent does not wait for it", async () => {
  admin.run.parent = create(ParentViewSchema, { runId: "all-1", workflow: "all", action: "import" });
  const { out } = await holdfast("restart", "import-1");
  expect(out).toContain("It was a child of run all-1; the new run is not, and all-1 is not told of its end.");
});

test("a run says whose place it takes, and which take its own", async () => {
  const by = { who: "ann", reason: "a typo", at: { seconds: BigInt(SAMPLE_NOW_MS / 1_000 - 60), nanos: 0 } };
  const view = (runId: string) => create(RestartViewSchema, { ...by, runId });
  const run = partialRun();
  admin.run = run;
  run.restarts = view("import-0");
  run.restartedAs = [view("import-3"), view("import-2")];
  run.restartedCount = 3;
  if (run.summary !== undefined) run.summary.restartedAs = "import-3";
  const { out } = await holdfast("run", "import-1");
  expect(out).toContain("restarts run import-0 (by ann: a typo)");
  expect(out).toMatch(/▲ Restarted as run import-3 at .+, by ann: a typo\n +▲ Restarted as run import-2/);
  expect(out).toContain("… and as 1 more before");
  expect(out).toContain("holdfast run import-3");
  expect(out).not.toContain("holdfast restart");
  expect((await holdfast("runs")).out).toContain("restarted as import-3");
  run.restartedAs = [];
  if (run.summary !== undefined) {
    run.summary.status = RunStatus.FAILED;
    run.summary.failureMode = FailureMode.VALIDATION;
  }
  expect((await holdfast("run", "import-1")).out).toContain("holdfast restart import-1 --input '…'");
});
