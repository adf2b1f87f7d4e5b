/** `holdfast attention`: what a person should look at, as it happens. */
import { AttentionKind, WatchAttentionResponseSchema } from "@holdfast/proto";
import type { Command } from "commander";
import { ExitCode } from "../exit-codes.js";
import { safeText } from "../render/text.js";
import type { Register } from "./register.js";

export function registerAttention(program: Command, register: Register): void {
  const command = program
    .command("attention")
    .summary("watch for what a person should look at")
    .description(
      "Prints, as it happens, what needs a person: failed runs that nothing recovers by itself, broken rules, retention that is behind, instants of schedules that were missed. Ctrl-C ends it.",
    )
    .option("-w, --workflow <name>", "of this workflow only");
  register(command, (context, _args, options: { readonly workflow?: string }) =>
    context.withAdmin(async (admin) => {
      const request = { workflow: options.workflow ?? "" };
      for await (const answer of admin.watchAttention(request, { signal: context.io.interrupted })) {
        const { attention } = answer;
        if (context.json) {
          if (attention !== undefined) context.printJsonLine(WatchAttentionResponseSchema, answer);
        } else if (attention === undefined) context.print(["Watching; nothing so far."]);
        else context.print([`▲ ${AttentionKind[attention.kind]}  ${safeText(attention.message)}`]);
      }
      return ExitCode.done;
    }),
  );
}
