/** `holdfast signal`, `approve` and `reject`: what a run waits for has happened, or is decided. */
import { randomUUID } from "node:crypto";
import { DecideApprovalResponseSchema, SignalRunResponseSchema } from "@holdfast/proto";
import type { Command } from "commander";
import { ExitCode } from "../exit-codes.js";
import { runStatusWord } from "../render/status.js";
import { safeText } from "../render/text.js";
import type { Register } from "./register.js";

export function registerSignal(program: Command, register: Register): void {
  const command = program
    .command("signal")
    .summary("tell a run that something has happened")
    .description("Sends a signal to a run. One that nothing waits for yet is kept until something does.")
    .argument("<id>", "the run's id")
    .argument("<name>", "the signal's name")
    .option("--payload <json>", "what comes with it, as JSON");
  register(command, (context, [runId = "", name = ""], options: { readonly payload?: string }) =>
    context.withAdmin(async (admin) => {
      const payloadJson = options.payload ?? "";
      const answer = await admin.signalRun({ runId, name, payloadJson, requestId: randomUUID() });
      if (context.json) context.printJson(SignalRunResponseSchema, answer);
      else
        context.print([
          `Run ${safeText(answer.runId)} has signal ${safeText(name)}: ${runStatusWord(answer.status)}`,
        ]);
      return ExitCode.done;
    }),
  );
}

export function registerDecisions(program: Command, register: Register): void {
  for (const [verb, approved] of [
    ["approve", true],
    ["reject", false],
  ] as const) {
    const command = program
      .command(verb)
      .summary(`${verb} what a run waits for`)
      .description(
        approved
          ? "Approves what a run waits for; it goes on."
          : "Rejects what a run waits for; the action fails.",
      )
      .argument("<id>", "the run's id")
      .option("--action <name>", "which action, where several wait")
      .option("--comment <text>", "why, for whoever reads the run's history");
    register(
      command,
      (context, [runId = ""], options: { readonly action?: string; readonly comment?: string }) =>
        context.withAdmin(async (admin) => {
          const { action = "", comment = "" } = options;
          const answer = await admin.decideApproval({
            runId,
            action,
            approved,
            comment,
            requestId: randomUUID(),
          });
          if (context.json) context.printJson(DecideApprovalResponseSchema, answer);
          else
            context.print([
              `Run ${safeText(answer.runId)}, ${approved ? "approved" : "rejected"}: ${runStatusWord(answer.status)}`,
            ]);
          return ExitCode.done;
        }),
    );
  }
}
