/** `holdfast failures` and `holdfast failure`: what fails alike, how much of it is failed now, and the command that retries it. */
import { GetFailureSignatureResponseSchema, ListFailureSignaturesResponseSchema } from "@holdfast/proto";
import type { Command } from "commander";
import { ExitCode } from "../exit-codes.js";
import { renderFailure, renderFailures } from "../render/failures.js";
import { wholeNumber } from "../values.js";
import type { Register } from "./register.js";

interface ListOptions {
  readonly workflow?: string;
  readonly now?: boolean;
  readonly limit?: number;
}

export function registerFailures(program: Command, register: Register): void {
  const list = program
    .command("failures")
    .summary("list what fails alike, the most first")
    .description(
      "Lists failures alike (of one workflow, action and mode, their messages the same but for numbers, ids and the like): how many runs and items are failed so now, how often it was seen, and when. Those that most runs are failed with come first.",
    )
    .option("-w, --workflow <name>", "of this workflow only")
    .option("--now", "only those that something is failed with now")
    .option("--limit <n>", "how many to show (20)", wholeNumber(1, 1_000));
  register(list, (context, _args, options: ListOptions) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.listFailureSignatures({
        workflow: options.workflow ?? "",
        failedOnly: options.now ?? false,
        limit: options.limit ?? 0,
      });
      if (context.json) context.printJson(ListFailureSignaturesResponseSchema, answer);
      else context.print(renderFailures(answer, context.screen()));
      return ExitCode.done;
    }),
  );

  const one = program
    .command("failure")
    .summary("show one way of failing, and how to retry it")
    .description(
      "Shows a failure signature: what the messages have in common, one as it was written, the hours in which it was seen, examples, and the newest runs that are failed so now.",
    )
    .argument("<id>", "the signature's id, as `failures` shows it");
  register(one, (context, [id = ""]) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.getFailureSignature({ id });
      if (context.json) context.printJson(GetFailureSignatureResponseSchema, answer);
      else context.print(renderFailure(answer, context.screen()));
      return ExitCode.done;
    }),
  );
}
