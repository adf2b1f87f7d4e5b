/** `holdfast start`: starts a run, and waits for its end if asked. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { PRIORITY_MAX } from "@holdfast/core/shown";
import { OnConflict, OnConflictSchema, StartRunResponseSchema } from "@holdfast/proto";
import { type Command, InvalidArgumentError } from "commander";
import { uploadFile } from "../artifact-file.js";
import type { AdminClient, CommandContext } from "../context.js";
import { ExitCode, usageError } from "../exit-codes.js";
import { followWithProgress } from "../follow.js";
import { NoObject, withMember } from "../json-member.js";
import { withId } from "../render/command.js";
import { runStatusWord } from "../render/status.js";
import { safeText } from "../render/text.js";
import { enumValue, moment, wholeNumber } from "../values.js";
import { readInput } from "./read-input.js";
import type { Register } from "./register.js";
import { exitCodeOfRun, showRun } from "./show-run.js";

interface StartOptions {
  readonly input?: string;
  readonly inputFile?: string;
  readonly artifact?: readonly ArtifactOption[];
  readonly runId?: string;
  readonly priority?: number;
  readonly startAt?: string;
  readonly onConflict?: OnConflict;
  readonly wait?: boolean;
  readonly strict?: boolean;
  readonly timeout?: number;
}

export const addWaiting = (command: Command): Command =>
  command
    .option("--wait", "wait until the run has ended, then show it; exit 1 if it failed")
    .option("--strict", "with --wait: exit 1 also when it completed with failures")
    .option("--timeout <seconds>", "with --wait: give up waiting after so long", wholeNumber(1, 31_536_000));

export function registerStart(program: Command, register: Register): void {
  const command = program
    .command("start")
    .summary("start a run")
    .description("Starts a run of a workflow. Starting an id that is there already returns that run.")
    .argument("<workflow>", "its name")
    .option("-i, --input <json>", "the run's input; default: null")
    .option("-f, --input-file <file>", "the same from a file; - for standard input")
    .option(
      "--artifact <path=file>",
      "store a file, and let its reference stand at that path of the input (rows, batch.rows); may be repeated",
      artifactOption,
    )
    .option("--run-id <id>", "1-128 of A-Z a-z 0-9 _ -; default: one is made")
    .option("--priority <n>", "higher goes first; default: 0", wholeNumber(-PRIORITY_MAX, PRIORITY_MAX))
    .option("--start-at <time>", "not before this time (ISO 8601), or after so long (30s, 15m, 2h, 7d)")
    .option(
      "--on-conflict <what>",
      "the id is there already: reject, or retry-if-failed; default: return it",
      enumValue(OnConflictSchema, "way"),
    );
  register(addWaiting(command), async (context, [workflow = ""], options: StartOptions) => {
    const givenJson = await readInput(context, options);
    const startAt = readStartAt(options.startAt, context.io.nowMs());
    return context.withAdmin(async (admin) => {
      const inputJson = await withArtifacts(context, admin, givenJson, options.artifact ?? []);
      const answer = await admin.startRun({
        workflow,
        inputJson,
        runId: options.runId ?? "",
        priority: options.priority ?? 0,
        onConflict: options.onConflict ?? OnConflict.UNSPECIFIED,
        ...(startAt === undefined ? {} : { startAt }),
      });
      if (options.wait === true) {
        if (!context.json) context.print([startedLine(answer.runId, answer.existed)]);
        const timeoutMs = options.timeout === undefined ? undefined : options.timeout * 1_000;
        const run = await followWithProgress(context, admin, answer.runId, {
          signal: context.io.interrupted,
          timeoutMs,
          absentMsMax: 5_000,
        });
        if (!context.json) context.print([""]);
        await showRun(context, admin, run);
        return exitCodeOfRun(run, options.strict === true);
      }
      if (context.json) context.printJson(StartRunResponseSchema, answer);
      else {
        context.print([
          `${startedLine(answer.runId, answer.existed)}  ${runStatusWord(answer.status)}`,
          `Follow it: ${context.screen().command(withId("run", answer.runId, "--watch"))}`,
        ]);
      }
      return ExitCode.done;
    });
  });
}

interface ArtifactOption {
  readonly path: readonly string[];
  readonly file: string;
}

function artifactOption(text: string, before: readonly ArtifactOption[] = []): readonly ArtifactOption[] {
  const [, path = "", file = ""] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  const names = path.split(".");
  if (file === "" || names.some((name) => name === "" || name === "__proto__"))
    throw new InvalidArgumentError(`"${text}" is not a path and a file, such as rows=./rows.jsonl.`);
  return [...before, { path: names, file }];
}

/** The input with a reference to each file at its path; what else is in it goes on as it was given. */
async function withArtifacts(
  context: CommandContext,
  admin: AdminClient,
  inputJson: string,
  artifacts: readonly ArtifactOption[],
): Promise<string> {
  // Each path is tried before anything is stored.
  for (const { path } of artifacts) put(inputJson, path, "null");
  let input = inputJson;
  for (const { path, file } of artifacts) {
    const { referenceJson } = await uploadFile(admin, { path: file }, context.io.interrupted);
    input = put(input, path, referenceJson);
  }
  return input;
}

function put(input: string, path: readonly string[], json: string): string {
  try {
    return withMember(input, path, json);
  } catch (error) {
    if (!(error instanceof NoObject)) throw error;
    const where = error.names.length === 0 ? "the input" : error.names.join(".");
    throw usageError(`--artifact ${path.join(".")}: ${where} is no object.`);
  }
}

const startedLine = (runId: string, existed: boolean): string =>
  existed ? `Run ${safeText(runId)} was there already.` : `Started run ${safeText(runId)}.`;

function readStartAt(text: string | undefined, nowMs: number): Timestamp | undefined {
  if (text === undefined) return undefined;
  try {
    return moment(text, nowMs, "after");
  } catch (error) {
    throw usageError(`--start-at: ${error instanceof Error ? error.message : String(error)}`);
  }
}
