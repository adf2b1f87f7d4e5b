/** What a command line that can't be read is told, and what is said of fields: in the words of who typed. */
import { RpcError } from "@holdfast/rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RunStatus } from "@holdfast/proto";
import { partialRun } from "./render/sample-runs.js";
import { type SampleAdmin, startSampleAdmin } from "./sample-admin.js";
import { type TerminalOptions, typeAt } from "./sample-terminal.js";
import { wordedMessage } from "./worded-error.js";

let admin: SampleAdmin;
beforeEach(async () => {
  admin = await startSampleAdmin();
});
afterEach(() => admin.close());

const holdfast = (line: string, options?: TerminalOptions) =>
  typeAt(
    admin.address,
    line.split(" ").filter((word) => word !== ""),
    options,
  );

describe("a command line that can't be read", () => {
  it.each([
    ["runs --json --limit 0", "is no whole number"],
    ["runs --json --nope", "unknown option '--nope'"],
    ["fly --json", "unknown command 'fly'"],
    ["run --json", "missing required argument 'id'"],
    ["--json", "No command is named"],
    ["start films --json --input {", "--input is not"],
    ["retry-failed --json", "selector"],
    ["help fly --json", 'There is no command "fly"'],
    ["--admin 127.0.0.1:1 --json help fly", 'There is no command "fly"'],
    ["retry import-1 --strategy manual --json", "one of RETRY_FAILED, RETRY_FROM_CHECKPOINT, RETRY_ALL."],
    ["start films --priority 5000 --json", "from -1000 to 1000"],
  ])("is one JSON document for programs: %s", async (line, message) => {
    const { code, out, err } = await holdfast(line);
    expect([code, out]).toEqual([2, ""]);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
    const { error } = JSON.parse(err);
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain(message);
    expect(error.message).not.toMatch(/^error:/);
  });

  it.each([
    ["rusn", "Did you mean one of run, runs?"],
    ["runs --limti 5", "Did you mean --limit?"],
    ["run import-1 --wach", "Did you mean --watch?"],
  ])("is told what may have been meant: %s", async (line, meant) => {
    const { code, err } = await holdfast(line);
    expect(code).toBe(2);
    expect(err).toMatch(/^holdfast: unknown/);
    expect(err).toContain(meant);
  });

  it("is told how a verb is typed that was taken for a name", async () => {
    const { code, err } = await holdfast("schedule pause");
    expect([code, err]).toEqual([
      4,
      "holdfast: there is no schedule pause. If you meant to pause one, say `schedule pause <name>`.\n",
    ]);
    expect((await holdfast("schedule nightly-x")).err).toBe("holdfast: there is no schedule nightly-x\n");
  });

  it("is told where an id that begins with - stands", async () => {
    const { code, err } = await holdfast("run -abc --watch");
    expect(code).toBe(2);
    expect(err).toContain("stands behind --, after all options: holdfast run --watch -- -abc");
    expect((await holdfast("run -- -abc")).code).toBe(4);
  });
});

describe("what is suggested", () => {
  it("can be typed for a run whose id begins with -", async () => {
    const run = partialRun();
    if (run.summary !== undefined) run.summary.runId = "-abc";
    admin.run = run;
    const { out } = await holdfast("run -- -abc");
    const suggested = [...out.matchAll(/holdfast ((?:run|retry|items|cancel)\b.*?)(?: {2}|\n)/g)].map(
      ([, line = ""]) => line,
    );
    expect(suggested).toContain("retry -- -abc");
    for (const line of suggested) expect([line, (await holdfast(line)).code]).not.toEqual([line, 2]);
  });
});

describe("waiting", () => {
  it("that expires exits 6, and says that the run goes on", async () => {
    const run = partialRun();
    if (run.summary !== undefined) run.summary.status = RunStatus.RUNNING;
    admin.run = run;
    for (const line of ["run import-1 --watch --timeout 1", "retry import-1 --wait --timeout 1"]) {
      const { code, err } = await holdfast(line);
      expect(code).toBe(6);
      expect(err).toContain("has not ended within 1 s. It goes on; follow it: holdfast run import-1 --watch");
    }
    const { code, err } = await holdfast("run import-1 --watch --timeout 1 --json");
    expect([code, JSON.parse(err).error.code]).toEqual([6, "DEADLINE_EXCEEDED"]);
  });

  it("that is interrupted exits 130, says that the run goes on and how to look at it", async () => {
    const run = partialRun();
    if (run.summary !== undefined) run.summary.status = RunStatus.RUNNING;
    admin.run = run;
    const interruption = new AbortController();
    const waiting = holdfast("run import-1 --watch", { interrupted: interruption.signal });
    setTimeout(() => interruption.abort(), 300);
    const { code, err } = await waiting;
    expect(code).toBe(130);
    expect(err).toBe(
      "holdfast: Run import-1 goes on. Look at it: holdfast run import-1; stop it: holdfast cancel import-1\n",
    );
  });
});

describe("what the admin service says of a field", () => {
  const worded = (field: string, message: string) =>
    wordedMessage(
      new RpcError("INVALID_ARGUMENT", `${field}: ${message}`, { reason: "INVALID_FIELD", field }),
    );

  it.each([
    ["page_size", "2000 is too many; use 1 to 1000", "--limit: 2000 is too many; use 1 to 1000"],
    ["created_before", "it is not later than created_after", "--until: it is not later than --since"],
    [
      "signature",
      "is 16 hex digits; ListFailureSignatures has them",
      "--signature: is 16 hex digits; `holdfast failures` has them",
    ],
    [
      "selector",
      "give exactly one selector: workflow, queue, signature or run_ids",
      "give exactly one selector: --workflow, --queue, --signature or --run",
    ],
    ["run_id", '"a b" is no run id', 'run id: "a b" is no run id'],
    ["workflow", '"a b" is no name', 'workflow: "a b" is no name'],
    ["run_id", 'run id "a b" is not valid', 'run id "a b" is not valid'],
  ])("is said of the flag: %s", (field, message, said) => {
    expect(worded(field, message)).toBe(said);
  });

  it("names what is to be typed for a run that was started before and failed", () => {
    const message =
      "run r was started before and failed: retry it with RetryRun, start it with on_conflict RETRY_IF_FAILED, or choose another run id";
    expect(wordedMessage(new RpcError("FAILED_PRECONDITION", message, { reason: "RUN_FAILED" }))).toBe(
      "run r was started before and failed: retry it with `holdfast retry`, start it with --on-conflict retry-if-failed, or choose another run id",
    );
  });

  it("is left as it is where it is no field's, and what others named is not touched", () => {
    const other = new RpcError("NOT_FOUND", "There is no run page_size.", {});
    expect(wordedMessage(other)).toBe("There is no run page_size.");
  });
});

describe("the help", () => {
  it("has one line in the same form for each command, and examples that can be read", async () => {
    const { code, out } = await holdfast("--help", { columns: 200 });
    expect(code).toBe(0);
    const [, commands = ""] = /\nCommands:\n([^]*?)\n\n/.exec(out) ?? [];
    const summaries = [...commands.matchAll(/^ {2}\S.*? {2,}(\S.*)$/gm)].map(([, text = ""]) => text);
    expect(summaries.length).toBeGreaterThan(25);
    // A summary is no sentence: it neither begins nor ends as one.
    expect(summaries.filter((text) => /^[A-Z]|\.$/.test(text))).toEqual([]);
    const [, examples = ""] = /\nExamples:\n([^]*?)\n\n/.exec(out) ?? [];
    for (const [, line = ""] of examples.matchAll(/^ {2}holdfast (.*?)(?: {2,}|$)/gm)) {
      const [command = "", ...words] = line.split(" ");
      const help = (await holdfast(`${command} --help`)).out;
      for (const flag of words.filter((word) => word.startsWith("--"))) expect(help).toContain(flag);
    }
  });
});
