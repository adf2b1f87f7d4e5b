/** `holdfast restart`: another run in the place of one that has ended, with the same input or another one. */
import { randomUUID } from "node:crypto";
import { RestartRunResponseSchema } from "@holdfast/proto";
import type { Command } from "commander";
import { ExitCode } from "../exit-codes.js";
import { followWithProgress } from "../follow.js";
import { withId } from "../render/command.js";
import { runStatusWord } from "../render/status.js";
import { safeText } from "../render/text.js";
import { readInput } from "./read-input.js";
import type { Register } from "./register.js";
import { exitCodeOfRun, showRun } from "./show-run.js";
import { addWaiting } from "./start.js";

interface RestartOptions {
  readonly input?: string;
  readonly inputFile?: string;
  readonly id?: string;
  readonly reason?: string;
  readonly wait?: boolean;
  readonly strict?: boolean;
  readonly timeout?: number;
}

export function registerRestart(program: Command, register: Register): void {
  const command = program
    .command("restart")
    .summary("begin another run in the place of one that has ended, with another input if you give one")
    .description(
      "Begins a new run of the same workflow, as it is defined now, in the place of one that has ended. Each names the other. A child run is restarted as a run of its own: its parent does not wait for it.",
    )
    .argument("<id>", "the run that has ended")
    .option("-i, --input <json>", "the new run's input; default: the input that the old one had")
    .option("-f, --input-file <file>", "the same from a file; - for standard input")
    .option("--id <id>", "of the new run: 1-128 of A-Z a-z 0-9 _ -; default: one is made of the old one's")
    .option("--reason <text>", "why, for whoever reads either run");
  register(addWaiting(command), async (context, [runId = ""], options: RestartOptions) => {
    const isGiven = options.input !== undefined || options.inputFile !== undefined;
    const input = isGiven ? { inputJson: await readInput(context, options) } : {};
    return context.withAdmin(async (admin) => {
      const answer = await admin.restartRun({
        runId,
        ...input,
        newRunId: options.id ?? "",
        reason: options.reason ?? "",
        // Of our own making, so that the same call sent again is the same restart.
        requestId: randomUUID(),
      });
      const { parent } = answer;
      if (!context.json) {
        context.print([
          `Restarted run ${safeText(runId)} as run ${safeText(answer.runId)}: ${runStatusWord(answer.status)}`,
        ]);
        if (parent !== undefined)
          context.print([
            `It was a child of run ${safeText(parent.runId)}; the new run is not, and ${safeText(parent.runId)} is not told of its end.`,
          ]);
      }
      if (options.wait === true) {
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
      if (context.json) context.printJson(RestartRunResponseSchema, answer);
      else context.print([`Follow it: ${context.screen().command(withId("run", answer.runId, "--watch"))}`]);
      return ExitCode.done;
    });
  });
}
