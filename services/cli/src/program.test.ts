/** What a person and a script get from each command: words, JSON, exit codes. Over real gRPC. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FailureMode, RetryResultKind, RunStatus } from "@holdfast/proto";
import type { CliIo } from "./io.js";
import { runCli } from "./program.js";
import { partialRun, SAMPLE_NOW_MS } from "./render/sample-runs.js";
import { type SampleAdmin, startSampleAdmin } from "./sample-admin.js";

let admin: SampleAdmin;
beforeEach(async () => {
  admin = await startSampleAdmin();
});
afterEach(() => admin.close());

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function holdfast(
  args: string,
  { stdin = "", env = {} }: { stdin?: string; env?: Record<string, string> } = {},
): Promise<Ran> {
  let [out, err] = ["", ""];
  const io: CliIo = {
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    stdout: { isTTY: false },
    stderr: { isTTY: false },
    env: { HOLDFAST_ADMIN: admin.address, ...env },
    nowMs: () => SAMPLE_NOW_MS,
    readStdin: async () => stdin,
    interrupted: new AbortController().signal,
  };
  const code = await runCli(
    args.split(" ").filter((arg) => arg !== ""),
    io,
  );
  return { code, out, err };
}

const statusOf = (status: RunStatus): void => {
  const run = partialRun();
  if (run.summary !== undefined) run.summary.status = status;
  admin.run = run;
};

describe("help and usage", () => {
  it("documents the exit codes", async () => {
    const { code, out } = await holdfast("--help");
    expect(code).toBe(0);
    expect(out).toContain("5  refused");
    for (const name of [
      "start",
      "runs",
      "run",
      "items",
      "retry",
      "retry-failed",
      "bulk",
      "cancel",
      "pause",
      "resume",
      "breakers",
      "breaker",
      "schedules",
      "schedule",
      "failures",
      "failure",
      "signal",
      "approve",
      "reject",
      "workflows",
      "counts",
      "check",
      "artifacts",
      "attention",
      "retention",
      "set-retention",
      "rejected",
    ]) {
      expect(out).toMatch(new RegExp(`^  ${name} `, "m"));
    }
  });

  it.each([
    ["breakers --open", /films\/check .*OPEN .*90 % of 10/, "listBreakers  open"],
    ["breaker films check", /opens at 50 % of 10 or more/, "getBreaker films check"],
    ["breakers", /films\/check .* 2 \(40 items\)/, "listBreakers  all"],
    ["breaker films check", /holds 2 actions with 40 items of this key/, "getBreaker films check"],
    [
      "breaker open films check --for 30m --reason upgrade",
      /is open, in 16 partitions/,
      "changeBreaker films check open 1800000 upgrade",
    ],
    [
      "breaker reset films check",
      /is reset: what it held leaves in waves/,
      "changeBreaker films check reset ",
    ],
  ])("%s says what it did of breakers", async (line, said, asked) => {
    const { code, out } = await holdfast(line);
    expect([code, out]).toEqual([0, expect.stringMatching(said)]);
    expect(admin.asked).toContain(asked);
  });

  it.each([
    ["", "Usage"],
    ["fly", "unknown command 'fly'"],
    ["run", "missing required argument 'id'"],
    ["runs --status LATE", '"LATE" is no status; one of PENDING, RUNNING'],
    ["runs --limit 0", "no whole number from 1 to 1000"],
    ["runs --since yesterday", '"yesterday" is no time'],
    ["start films --start-at 2030-02-30T12:00:00Z", "no 30 February: February 2030 has 28 days"],
    ["start films --input {", "--input is not usable JSON"],
    ["start films --input-file /nowhere/at/all", "could not be read"],
    ["start films --input 1 --input-file -", "both given"],
    ["rejected replay x", '"x" is no id'],
    ["rejected replay", "Name the ids"],
    ["retry-failed", "Exactly one selector"],
    ["retry-failed --workflow films --run import-1", "Exactly one selector"],
  ])("exits 2 on `%s` and says what is wrong", async (args, message) => {
    const { code, out, err } = await holdfast(args);
    expect(err).toContain(message);
    expect(out).toBe("");
    expect(code).toBe(2);
  });
});

describe("what a run waits for", () => {
  it("is signalled with its payload, approved or rejected with a comment", async () => {
    expect(await holdfast("signal import-1 paid --payload 3")).toMatchObject({
      code: 0,
      out: expect.stringContaining("Run import-1 has signal paid"),
    });
    expect((await holdfast("approve import-1 --comment fine")).out).toContain("Run import-1, approved");
    expect((await holdfast("reject import-1 --action review --comment no")).out).toContain(
      "Run import-1, rejected",
    );
    expect(admin.asked).toEqual([
      "signalRun import-1 paid",
      "decideApproval import-1 approved fine",
      "decideApproval import-1 rejected no",
    ]);
  });
});

describe("a check", () => {
  it("says that every rule holds, and over how much", async () => {
    expect(await holdfast("check")).toMatchObject({
      code: 0,
      out: expect.stringContaining("✓ 2 runs, 40 items checked: every rule holds"),
    });
  });

  it("exits 1 on a breach, and says of what and which rule", async () => {
    admin.breaches = [
      {
        partition: 3,
        runId: "r1",
        action: "check",
        rule: "I4",
        message: "5 items are counted as failed, 4 are",
        of: "",
      },
    ];
    const { code, out } = await holdfast("check");
    expect(code).toBe(1);
    expect(out).toContain("✗ I4  run r1, action check (partition 3): 5 items are counted as failed, 4 are");
    expect(out).toContain("1 breach");
  });
});

describe("what can't be had", () => {
  it("exits 3 where nobody answers, and says where it looked", async () => {
    const { code, err } = await holdfast("--admin 127.0.0.1:1 runs");
    expect(code).toBe(3);
    expect(err).toContain("127.0.0.1:1");
    expect(err).toContain("holdfast dev");
  });

  it.each([
    "run nope",
    "items nope",
    "retry nope",
    "cancel nope",
    "signal nope paid",
    "approve nope",
    "start unknown",
    "rejected replay 7 100",
  ])("exits 4 on `%s`", async (args) => {
    expect((await holdfast(args)).code).toBe(4);
  });

  it("exits 5 where the run's state does not allow it", async () => {
    statusOf(RunStatus.COMPLETED);
    const { code, err } = await holdfast("retry import-1");
    expect(code).toBe(5);
    expect(err).toContain("nothing of it failed");
  });

  it("exits 5 when a retry was refused", async () => {
    admin.retryKind = RetryResultKind.REFUSED;
    expect((await holdfast("retry-failed --workflow films")).code).toBe(5);
  });

  it("is one JSON document on standard error with --json", async () => {
    const { code, out, err } = await holdfast("run nope --json");
    expect(code).toBe(4);
    expect(out).toBe("");
    expect(JSON.parse(err)).toEqual({
      error: { code: "NOT_FOUND", message: "There is no run nope.", details: { runId: "nope" } },
    });
  });
});

describe("start", () => {
  it("passes the input on as it was written", async () => {
    const { code, out } = await holdfast('start films --input {"n":12345678901234567890}');
    expect(code).toBe(0);
    expect(admin.asked[0]).toBe('startRun films {"n":12345678901234567890} ');
    expect(out).toContain("Started run import-1.");
    expect(out).toContain("holdfast run import-1 --watch");
  });

  it("reads it from standard input", async () => {
    await holdfast("start films --run-id a-1 --input-file -", { stdin: "[1]" });
    expect(admin.asked[0]).toBe("startRun films [1] a-1");
  });

  it.each([
    [RunStatus.COMPLETED, "", 0],
    [RunStatus.COMPLETED_WITH_FAILURES, "", 0],
    [RunStatus.COMPLETED_WITH_FAILURES, " --strict", 1],
    [RunStatus.FAILED, "", 1],
    [RunStatus.CANCELLED, "", 1],
  ])("with --wait, a run that ended %i%s exits %i", async (status, strict, code) => {
    statusOf(status);
    const ran = await holdfast(`start films --wait${strict}`);
    expect(ran.code).toBe(code);
    expect(ran.out).toContain("OK |");
  });

  it("with --wait and --timeout, exits 6 when it takes longer", async () => {
    statusOf(RunStatus.RUNNING);
    const { code, err } = await holdfast("start films --wait --timeout 1");
    expect(code).toBe(6);
    expect(err).toContain("has not ended within 1 s");
  });
});

describe("looking", () => {
  it("shows a run with its failed items", async () => {
    const { code, out } = await holdfast("run import-1 --failed-items 1");
    expect(code).toBe(0);
    expect(out).toContain("▲ COMPLETED_WITH_FAILURES");
    expect(out).toContain("#17  VALIDATION");
    expect(out).toContain("… and 1 more: holdfast items import-1 --failed");
  });

  it("names the address in what to type, if it had to be named", async () => {
    const { out } = await holdfast(`--admin ${admin.address} run import-1`);
    expect(out).toContain(`holdfast --admin ${admin.address} retry import-1`);
  });

  it("gives programs protobuf's JSON, with zeros spelled out", async () => {
    const { out } = await holdfast("run import-1 --json");
    const document = JSON.parse(out) as { run: { summary: Record<string, unknown> } };
    expect(document.run.summary["status"]).toBe("RUN_STATUS_COMPLETED_WITH_FAILURES");
    expect(document.run.summary["tally"]).toEqual({ ok: 2, partial: 1, skip: 0, error: 0, open: 0 });
  });

  it("lists runs page by page, or all of them", async () => {
    expect((await holdfast("runs --failed")).out).toContain("--page second");
    expect(admin.asked[0]).toBe("listRuns  6+5 ");
    const { out } = await holdfast("runs --all --json");
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { runId: string }).runId),
    ).toEqual(["import-1", "import-1"]);
  });

  it("lists failed items without naming the action that has them", async () => {
    const { out } = await holdfast("items import-1 --failed");
    expect(admin.asked).toEqual(["listItems check 5 50"]);
    expect(out).toContain("Duel in the Sun");
  });

  it("asks for the action where several have items", async () => {
    const { code, err } = await holdfast("items import-1");
    expect(code).toBe(2);
    expect(err).toContain("check, enrich");
  });

  it("has no control characters from outside, and no colour in a pipe", async () => {
    const run = partialRun();
    if (run.summary !== undefined) run.summary.detail = "\u001b[31mred\u001b[0m";
    admin.run = run;
    expect((await holdfast("run import-1")).out).not.toContain("\u001b");
  });

  it("counts, and points at rejected work", async () => {
    expect((await holdfast("counts")).out).toContain("2 messages could not become a run");
    expect((await holdfast("workflows")).out).toContain("films");
    expect((await holdfast("rejected")).out).toContain("no such workflow");
  });

  it("exits 1 when a partition has a problem", async () => {
    const fine = await holdfast("cluster");
    expect([fine.code, fine.out]).toEqual([
      0,
      expect.stringMatching(/1 circuit breaker not closed, holding 12 /),
    ]);
    admin.run = partialRun({ failure: { mode: FailureMode.SYSTEM_CRASH } });
    const { code, out } = await holdfast("cluster");
    expect(code).toBe(1);
    expect(out).toContain("stopped");
  });
});

describe("control", () => {
  it("pauses and resumes a run or a workflow, exactly one of them", async () => {
    expect((await holdfast("pause import-1 --reason why")).out).toContain("Run import-1: PAUSED");
    expect((await holdfast("resume import-1")).out).toContain("Run import-1: RUNNING");
    expect((await holdfast("pause --workflow films")).out).toContain("Workflow films is paused");
    expect((await holdfast("resume --workflow films")).out).toContain("Workflow films goes on");
    expect(admin.asked).toEqual([
      "pauseRun import-1 why",
      "resumeRun import-1",
      "pauseWorkflow films ",
      "resumeWorkflow films",
    ]);
    for (const args of ["pause", "resume", "pause import-1 --workflow films"]) {
      const { code, err } = await holdfast(args);
      expect([args, code]).toEqual([args, 2]);
      expect(err).toContain("exactly one of them");
    }
  });

  it("cancels with a grace, in units", async () => {
    await holdfast("cancel import-1 --grace 2m");
    await holdfast("cancel import-1");
    expect(admin.asked).toEqual(["cancelRun import-1 120000", "cancelRun import-1 default"]);
    expect((await holdfast("cancel import-1 --grace 2days")).code).toBe(2);
  });

  it("shows and changes how long ended runs are kept", async () => {
    const { out } = await holdfast("retention");
    expect(out).toMatch(/films +1 d +14 d +30 d +any +0 OK · 0 PARTIAL · 12 FAILED/);
    expect(out).toContain("films: changed by ann at 2026-03-01 12:00:00 UTC: disk");
    await holdfast("set-retention --workflow films --failed 14d");
    await holdfast("set-retention --all --reset");
    expect(admin.asked.slice(1)).toEqual(["setRetention films 1209600", "setRetention  nothing"]);
    for (const args of [
      "set-retention --failed 1d",
      "set-retention --all",
      "set-retention --all --failed soon",
      "set-retention --all --failed 0s",
      "set-retention --all --failed 99999999d",
    ])
      expect([args, (await holdfast(args)).code]).toEqual([args, 2]);
  });
});

describe("mending", () => {
  it("retries one run under an id of its own making", async () => {
    const { out } = await holdfast("retry import-1");
    expect(admin.asked).toEqual(["retryRun import-1 id"]);
    expect(out).toContain("Retrying 2 items and 3 actions of run import-1: RUNNING");
  });

  it("tells each result, then the outcome", async () => {
    const { code, out } = await holdfast("retry-failed --workflow films");
    expect(code).toBe(0);
    expect(out).toBe("  ✓ import-1 retried · 2 items\nretried 1 of 1 · 0 raced · 0 refused\n");
  });

  it("gives programs one line each", async () => {
    const lines = (await holdfast("retry-failed --run import-1 --json")).out.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({ outcome: { matched: "1", retried: "1" } });
  });

  it("replays rejected work by id, or all of it", async () => {
    expect((await holdfast("rejected replay 7")).out).toBe("Published again: 1 message.\n");
    expect((await holdfast("rejected replay --all")).out).toBe("Published again: 2 messages.\n");
    const { code, out } = await holdfast("rejected replay 7 100");
    expect(code).toBe(4);
    expect(out).toContain("Not there: 100");
  });
});
