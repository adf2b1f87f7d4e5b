/** `holdfast breakers` and `holdfast breaker`: which breakers are open, why, and what an operator may do about them. */
import { randomUUID } from "node:crypto";
import {
  ChangeBreakerResponseSchema,
  GetBreakerResponseSchema,
  ListBreakersResponseSchema,
} from "@holdfast/proto";
import { type Command, InvalidArgumentError } from "commander";
import { orMeant } from "../context.js";
import { ExitCode } from "../exit-codes.js";
import { renderBreaker, renderBreakers } from "../render/breakers.js";
import { countOf, safeText } from "../render/text.js";
import { spanMs } from "../values.js";
import type { Register } from "./register.js";

interface ListOptions {
  readonly workflow?: string;
  readonly open?: boolean;
}

interface ChangeOptions {
  readonly key?: string;
  readonly for?: number;
  readonly reason?: string;
}

export function registerBreakers(program: Command, register: Register): void {
  const list = program
    .command("breakers")
    .summary("list circuit breakers")
    .description(
      "Lists the circuit breakers that are kept: their state, the rate of failures, and what they hold.",
    )
    .option("-w, --workflow <name>", "of this workflow only")
    .option("--open", "only those that are not closed");
  register(list, (context, _args, options: ListOptions) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.listBreakers({
        workflow: options.workflow ?? "",
        openOnly: options.open ?? false,
      });
      if (context.json) context.printJson(ListBreakersResponseSchema, answer);
      else context.print(renderBreakers(answer, context.screen()));
      return ExitCode.done;
    }),
  );

  const one = program
    .command("breaker")
    .summary("show, open or reset a circuit breaker")
    .description(
      "Shows a breaker in every partition that keeps it: `breaker <workflow> <action>`. `breaker open <workflow> <action>` holds the action's work by hand, `breaker reset <workflow> <action>` lets it out in waves.",
    )
    .argument("<words...>", "[open|reset] <workflow> <action>")
    .option("--key <value>", "of a breaker that has one")
    .option(
      "--for <span>",
      "with open: how long, e.g. 30m; default: until it is reset",
      spanMs(604_800_000, "7 days"),
    )
    .option("--reason <text>", "why, for whoever wonders");
  register(one, (context, words: readonly (string | undefined)[], options: ChangeOptions) =>
    context.withAdmin(async (admin) => {
      const { change, workflow, action } = wishOf(words.flat().flatMap((word) => word ?? []));
      const name = { workflow, action, key: options.key ?? "" };
      if (change === "show") {
        const say = `If you meant to ${workflow} one, say \`breaker ${workflow} <workflow> <action>\`.`;
        const answer = await orMeant(isVerb(workflow), say, () => admin.getBreaker(name));
        if (context.json) context.printJson(GetBreakerResponseSchema, answer);
        else context.print(renderBreaker(answer, context.screen()));
        return ExitCode.done;
      }
      const answer = await admin.changeBreaker({
        ...name,
        change:
          change === "open"
            ? { case: "open", value: { forMs: BigInt(options.for ?? 0) } }
            : { case: "reset", value: {} },
        reason: options.reason ?? "",
        requestId: randomUUID(),
      });
      const done = change === "open" ? "is open" : "is reset: what it held leaves in waves";
      if (context.json) context.printJson(ChangeBreakerResponseSchema, answer);
      else
        context.print([
          `The breaker of ${safeText(workflow)}/${safeText(action)} ${done}, in ${countOf(answer.partitions, "partition")}`,
        ]);
      return ExitCode.done;
    }),
  );
}

interface Wish {
  readonly change: "show" | "open" | "reset";
  readonly workflow: string;
  readonly action: string;
}

const isVerb = (word: string): word is "open" | "reset" => word === "open" || word === "reset";

function wishOf(words: readonly string[]): Wish {
  const [first = "", second = "", third = ""] = words;
  if (words.length === 2) return { change: "show", workflow: first, action: second };
  if (words.length === 3 && isVerb(first)) return { change: first, workflow: second, action: third };
  throw new InvalidArgumentError("Say `breaker [open|reset] <workflow> <action>`.");
}
