/** `holdfast check`: every run against the rules that must always hold. */
import { type Breach, CheckResponseSchema } from "@holdfast/proto";
import type { Command } from "commander";
import { ExitCode } from "../exit-codes.js";
import { countOf, safeText } from "../render/text.js";
import type { Register } from "./register.js";

export function registerCheck(program: Command, register: Register): void {
  const command = program
    .command("check")
    .summary("verify every run against the rules that must always hold")
    .description(
      "Verifies every run: what has ended, and that counts are what they count. Mends nothing. Exit 1 if a rule is broken. With --json: one JSON line as it goes on, the last with `done`.",
    );
  register(command, (context) =>
    context.withAdmin(async (admin) => {
      let found = 0n;
      for await (const answer of admin.check({})) {
        if (context.json) context.printJsonLine(CheckResponseSchema, answer);
        else context.print(answer.breaches.map(breachLine));
        found = answer.foundBreaches;
        if (!answer.done || context.json) continue;
        const looked = `${countOf(answer.checkedRuns, "run")}, ${countOf(answer.checkedItems, "item")}`;
        context.print([
          found === 0n
            ? `✓ ${looked} checked: every rule holds`
            : `✗ ${looked} checked: ${countOf(found, "breach", "breaches")}`,
        ]);
      }
      return found === 0n ? ExitCode.done : ExitCode.failed;
    }),
  );
}

function breachLine({ partition, runId, action, rule, message }: Breach): string {
  if (runId === "") return `✗ ${rule}  partition ${partition}: ${safeText(message)}`;
  const what = action === "" ? `run ${runId}` : `run ${runId}, action ${action}`;
  return `✗ ${rule}  ${safeText(what)} (partition ${partition}): ${safeText(message)}`;
}
