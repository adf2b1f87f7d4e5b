/** What a check may have found: any rules, of runs that there are and of ones that there are not, in any part of the state. */
import { BreachesFoundSchema, BreachSchema, type Command } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { command } from "./build.js";

const SECTIONS = 3;

export function breachMove(runs: readonly string[], pick: number, how: number): Command {
  const section = how % SECTIONS;
  const breaches = Array.from({ length: pick % 4 }, (_, at) =>
    init(BreachSchema, {
      rule: `I${at}`,
      runId: section === 0 ? (runs[(pick + at) % runs.length] ?? "") : "",
      of: section === 0 ? "" : `name-${at}`,
      message: `what is found ${how % 2}`,
    }),
  );
  const after = how % 5 === 0 ? (runs[0] ?? "") : "";
  return command({ case: "breachesFound", value: init(BreachesFoundSchema, { section, after, breaches }) });
}
