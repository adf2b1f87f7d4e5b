/**
 * The benchmark: `pnpm bench`. Runs each scenario on a fresh system of real processes, prints what it measured, and writes it as JSON to
 * `test/bench/results/`. The exit code is 1 where a scenario broke: a run that did not end as it had to is an error, not a slow run.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Options, readOptions, USAGE } from "./options.js";
import { type Measured, NOT_MEASURED, machine, report, table } from "./report.js";
import type { Scenario } from "./scenario.js";
import { breaker } from "./scenarios/breaker.js";
import { footprint } from "./scenarios/footprint.js";
import { items } from "./scenarios/items.js";
import { healing } from "./scenarios/healing.js";
import { latency } from "./scenarios/latency.js";
import { manyItems } from "./scenarios/many-items.js";
import { pruning } from "./scenarios/pruning.js";
import { timers } from "./scenarios/timers.js";
import { oneAction, tenActions, tenSteps } from "./scenarios/throughput.js";
import { System } from "./system.js";

const SCENARIOS: readonly Scenario[] = [
  oneAction,
  tenActions,
  tenSteps,
  items,
  latency,
  manyItems,
  timers,
  breaker,
  healing,
  pruning,
  footprint,
];

function chosen(only: readonly string[]): readonly Scenario[] {
  if (only.length === 0) return SCENARIOS;
  const names = SCENARIOS.map(({ name }) => name);
  const strange = only.filter((name) => !names.includes(name));
  if (strange.length > 0)
    throw new TypeError(`there is no scenario ${strange.join(", ")}: choose among ${names.join(", ")}`);
  return SCENARIOS.filter(({ name }) => only.includes(name));
}

let running: System | undefined;

async function runOne(scenario: Scenario, options: Options, say: (line: string) => void): Promise<Measured> {
  const { folder, partitions, profile } = options;
  const nodeFlags = [...(scenario.nodeFlags ?? [])];
  if (profile !== undefined) nodeFlags.push("--cpu-prof", `--cpu-prof-dir=${profile}/${scenario.name}`);
  const system = await System.start({ folder, partitions, nodeFlags });
  running = system;
  try {
    return { scenario, result: await scenario.run(system, options, (line) => say(`  ${line}`)) };
  } finally {
    running = undefined;
    await system.stop();
  }
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const scenarios = chosen(options.only);
  const say = (line: string): void => {
    (options.json ? process.stderr : process.stdout).write(`${line}\n`);
  };
  const startedAt = new Date().toISOString();
  const { cores, processor, nodeVersion, load1m } = machine();
  say(
    `${cores} cores (${processor}), Node ${nodeVersion}, load ${Number(load1m).toFixed(1)}, sync_interval: always`,
  );
  const measured: Measured[] = [];
  const failed: { scenario: string; error: string }[] = [];
  for (const scenario of scenarios) {
    say(`${scenario.name} …`);
    try {
      measured.push(await runOne(scenario, options, say));
    } catch (error) {
      failed.push({ scenario: scenario.name, error: error instanceof Error ? error.message : String(error) });
      say(`  BROKEN: ${failed.at(-1)?.error}`);
    }
  }
  say("");
  for (const one of measured) say(table(one));
  say(`\nNot measured:\n${NOT_MEASURED.map((what) => `  - ${what}`).join("\n")}`);
  const { quick, repetitions, partitions } = options;
  const document = report(
    measured,
    { startedAt, quick, repetitions, partitions, syncInterval: "always" },
    failed,
  );
  const results = fileURLToPath(new URL("./results/", import.meta.url));
  await mkdir(results, { recursive: true });
  const file = `${results}${startedAt.replaceAll(":", "-")}.json`;
  await writeFile(file, document);
  if (options.json) process.stdout.write(document);
  say(`\nwritten to ${file}`);
  for (const { scenario, error } of failed) say(`BROKEN ${scenario}: ${error}`);
  return failed.length === 0 ? 0 : 1;
}

const STOPPED = 130;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // What a kill leaves no time for: the folders. The processes end in any case.
  process.once(signal, () => void (running?.stop() ?? Promise.resolve()).then(() => process.exit(STOPPED)));
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n${USAGE}\n`);
  process.exitCode = 2;
}
