/** `holdfast runs` and `holdfast run`: the list, and one run's dashboard. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  Effect,
  GetRunResponseSchema,
  ListRunsResponseSchema,
  type RunStatus,
  RunStatusSchema,
  RunSummarySchema,
} from "@holdfast/proto";
import { create } from "@bufbuild/protobuf";
import { RUN_RETRYABLE_STATUSES } from "@holdfast/core/shown";
import type { Command } from "commander";
import type { AdminClient, CommandContext } from "../context.js";
import { ExitCode, usageError } from "../exit-codes.js";
import { followRun, followWithProgress } from "../follow.js";
import { renderRuns } from "../render/lists.js";
import { safeText, wrapText } from "../render/text.js";
import { enumValue, listOf, moment, wholeNumber } from "../values.js";
import type { Register } from "./register.js";
import { exitCodeOfRun, FAILED_ITEMS_SHOWN, showRun } from "./show-run.js";

interface RunsOptions {
  readonly workflow?: string;
  readonly status?: RunStatus[];
  readonly failed?: boolean;
  readonly withoutEffect?: boolean;
  readonly waiting?: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
  readonly page?: string;
  readonly all?: boolean;
}

const PAGE_SIZE = 50;
const PAGE_SIZE_ALL = 500;

export function registerRuns(program: Command, register: Register): void {
  const command = program
    .command("runs")
    .summary("list runs, newest first")
    .description("Lists runs, newest first. With --all --json: one JSON line for each run.")
    .option("-w, --workflow <name>", "of this workflow only")
    .option(
      "-s, --status <status>",
      "in this status only; several with commas",
      listOf(enumValue(RunStatusSchema, "status")),
    )
    .option("--failed", "those to look at: failed wholly or in part")
    .option("--waiting", "those in which something waits for an approval or a signal")
    .option("--without-effect", "those that completed and did nothing, with a reason or in silence")
    .option("--since <time>", "created at or after (ISO 8601), or within so long (15m, 2h, 7d)")
    .option("--until <time>", "created before, in the same forms")
    .option("-n, --limit <n>", `how many; default: ${PAGE_SIZE}`, wholeNumber(1, 1_000))
    .option("--page <token>", "go on where a page ended")
    .option("--all", "every page");
  register(command, async (context, _args, options: RunsOptions) => {
    const nowMs = context.io.nowMs();
    const createdAfter = readMoment("--since", options.since, nowMs);
    const createdBefore = readMoment("--until", options.until, nowMs);
    const statuses = options.failed === true ? [...RUN_RETRYABLE_STATUSES] : (options.status ?? []);
    const filter = {
      workflow: options.workflow ?? "",
      statuses,
      waiting: options.waiting === true,
      effects: options.withoutEffect === true ? [Effect.NONE_WITH_REASON, Effect.SILENT] : [],
      ...(createdAfter === undefined ? {} : { createdAfter }),
      ...(createdBefore === undefined ? {} : { createdBefore }),
    };
    return context.withAdmin(async (admin) => {
      let pageToken = options.page ?? "";
      do {
        const pageSize = options.limit ?? (options.all === true ? PAGE_SIZE_ALL : PAGE_SIZE);
        const page = await admin.listRuns({ ...filter, pageSize, pageToken });
        pageToken = page.nextPageToken;
        if (context.json && options.all === true) {
          for (const run of page.runs) context.printJsonLine(RunSummarySchema, run);
        } else if (context.json) context.printJson(ListRunsResponseSchema, page);
        else if (page.runs.length === 0 && filter.workflow !== "" && pageToken === "")
          context.print(await noRuns(context, admin, filter.workflow));
        else context.print(renderRuns(page.runs, context.screen()));
      } while (options.all === true && pageToken !== "");
      if (!context.json && pageToken !== "") {
        context.print([`… and more: add --page ${pageToken}, or --all`]);
      }
      return ExitCode.done;
    });
  });
}

/** Of a workflow: its name may be misspelt. */
async function noRuns(context: CommandContext, admin: AdminClient, workflow: string): Promise<string[]> {
  const { workflows } = await admin.listWorkflows({});
  if (workflows.some(({ name }) => name === workflow)) return renderRuns([], context.screen());
  return wrapText(
    `No runs match, and workflow ${safeText(workflow)} is not registered: \`holdfast workflows\` lists those that are.`,
    context.screen().width,
  );
}

function readMoment(option: string, text: string | undefined, nowMs: number): Timestamp | undefined {
  if (text === undefined) return undefined;
  try {
    return moment(text, nowMs);
  } catch (error) {
    throw usageError(`${option}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface RunOptions {
  readonly watch?: boolean;
  readonly strict?: boolean;
  readonly timeout?: number;
  readonly failedItems?: number;
}

export function registerRun(program: Command, register: Register): void {
  const command = program
    .command("run")
    .summary("show one run: status, levels, actions, failed items, what to do")
    .description(
      "Shows a run line by line, and what to type next. With --watch --json: one JSON line for each change.",
    )
    .argument("<id>", "the run's id")
    .option("--watch", "follow it until it ends; exit 1 if it failed")
    .option("--strict", "with --watch: exit 1 also when it completed with failures")
    .option("--timeout <seconds>", "with --watch: give up waiting after so long", wholeNumber(1, 31_536_000))
    .option(
      "--failed-items <n>",
      `how many failed items of each action to show; default: ${FAILED_ITEMS_SHOWN}`,
      wholeNumber(0, 1_000),
    );
  register(command, (context, [runId = ""], options: RunOptions) =>
    options.watch === true ? watchRun(context, runId, options) : showOnce(context, runId, options),
  );
}

function showOnce(context: CommandContext, runId: string, options: RunOptions): Promise<ExitCode> {
  return context.withAdmin(async (admin) => {
    const { run } = await admin.getRun({ runId });
    if (run !== undefined) await showRun(context, admin, run, options.failedItems);
    return ExitCode.done;
  });
}

function watchRun(context: CommandContext, runId: string, options: RunOptions): Promise<ExitCode> {
  const timeoutMs = options.timeout === undefined ? undefined : options.timeout * 1_000;
  const following = { signal: context.io.interrupted, timeoutMs, command: context.screen().command };
  return context.withAdmin(async (admin) => {
    if (context.json) {
      let lastSeq: bigint | undefined;
      const ended = await followRun(admin, runId, {
        ...following,
        onView: (run) => {
          if (run.seq === lastSeq) return;
          lastSeq = run.seq;
          context.printJsonLine(GetRunResponseSchema, create(GetRunResponseSchema, { run }));
        },
      });
      return exitCodeOfRun(ended, options.strict === true);
    }
    const run = await followWithProgress(context, admin, runId, following);
    context.print([""]);
    await showRun(context, admin, run, options.failedItems);
    return exitCodeOfRun(run, options.strict === true);
  });
}
