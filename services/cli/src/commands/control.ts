/** `holdfast cancel`, `pause` and `resume`: a run, or all of a workflow, is stopped, held or let go on. */
import { randomUUID } from "node:crypto";
import { isRunTerminal } from "@holdfast/core/shown";
import {
  CancelRunResponseSchema,
  PauseRunResponseSchema,
  PauseWorkflowResponseSchema,
  ResumeRunResponseSchema,
  ResumeWorkflowResponseSchema,
} from "@holdfast/proto";
import type { Command } from "commander";
import { CliError, ExitCode } from "../exit-codes.js";
import { runStatusWord } from "../render/status.js";
import { safeText } from "../render/text.js";
import { spanMs } from "../values.js";
import type { Register } from "./register.js";

const span = spanMs(3_600_000, "an hour");

export function registerCancel(program: Command, register: Register): void {
  const command = program
    .command("cancel")
    .summary("cancel a run; what succeeded stays")
    .description(
      "Cancels a run that has not ended. What has not begun is cancelled at once; what is under way may still end well within the grace. What succeeded stays in its ledger.",
    )
    .argument("<id>", "the run's id")
    .option("--grace <span>", "how long that is: 0, 500ms, 30s, 5m; 10s unless told", span)
    .option("--reason <text>", "why, for whoever reads the run's history");
  register(command, (context, [runId = ""], options: { readonly reason?: string; readonly grace?: number }) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.cancelRun({
        runId,
        reason: options.reason ?? "",
        requestId: randomUUID(),
        ...(options.grace === undefined ? {} : { graceMs: options.grace }),
      });
      const ending = isRunTerminal(answer.status) ? "" : ": being cancelled, what runs has its grace";
      if (context.json) context.printJson(CancelRunResponseSchema, answer);
      else context.print([`Run ${safeText(answer.runId)}: ${runStatusWord(answer.status)}${ending}`]);
      return ExitCode.done;
    }),
  );
}

interface PauseOptions {
  readonly workflow?: string;
  readonly reason?: string;
}

export function registerPause(program: Command, register: Register): void {
  const pause = program
    .command("pause")
    .summary("hold a run, or all runs of a workflow")
    .description(
      "Until it is resumed, nothing of the run, or of any run of the workflow, is given to workers. What is under way goes on and counts.",
    )
    .argument("[id]", "the run's id")
    .option("-w, --workflow <name>", "all runs of this workflow, and those to come")
    .option("--reason <text>", "why, for whoever wonders");
  register(pause, (context, [runId = ""], options: PauseOptions) =>
    context.withAdmin(async (admin) => {
      const { reason = "" } = options;
      const workflow = oneOf(runId, options.workflow);
      const requestId = randomUUID();
      if (workflow === "") {
        const answer = await admin.pauseRun({ runId, reason, requestId });
        if (context.json) context.printJson(PauseRunResponseSchema, answer);
        else context.print([`Run ${safeText(answer.runId)}: ${runStatusWord(answer.status)}`]);
      } else {
        const answer = await admin.pauseWorkflow({ workflow, reason, requestId });
        if (context.json) context.printJson(PauseWorkflowResponseSchema, answer);
        else context.print([`Workflow ${safeText(workflow)} is paused: its work waits until it is resumed`]);
      }
      return ExitCode.done;
    }),
  );

  const resume = program
    .command("resume")
    .summary("let a paused run or workflow go on")
    .description("Lets what was paused go on where it was.")
    .argument("[id]", "the run's id")
    .option("-w, --workflow <name>", "this workflow");
  register(resume, (context, [runId = ""], options: PauseOptions) =>
    context.withAdmin(async (admin) => {
      const workflow = oneOf(runId, options.workflow);
      const requestId = randomUUID();
      if (workflow === "") {
        const answer = await admin.resumeRun({ runId, requestId });
        if (context.json) context.printJson(ResumeRunResponseSchema, answer);
        else context.print([`Run ${safeText(answer.runId)}: ${runStatusWord(answer.status)}`]);
      } else {
        const answer = await admin.resumeWorkflow({ workflow, requestId });
        if (context.json) context.printJson(ResumeWorkflowResponseSchema, answer);
        else context.print([`Workflow ${safeText(workflow)} goes on`]);
      }
      return ExitCode.done;
    }),
  );
}

/** The workflow, or "" where it is a run. */
function oneOf(runId: string, workflow: string | undefined): string {
  if ((runId === "") === (workflow === undefined))
    throw new CliError(ExitCode.usage, "Give a run's id, or --workflow <name>: exactly one of them.");
  return workflow ?? "";
}
