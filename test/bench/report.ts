/** The results as a table for people and as a document for programs. */
import { cpus, loadavg, totalmem, type } from "node:os";
import { format, type Result, type Scenario } from "./scenario.js";
import { ROLES } from "./system.js";

const NAME_CHARS = 44;
const VALUE_CHARS = 12;
const GIB = 1_073_741_824;

export interface Measured {
  readonly scenario: Scenario;
  readonly result: Result;
}

export const NOT_MEASURED = [
  "a cluster of NATS servers, or a network: everything runs on this machine and talks over loopback",
  "handlers that take time, large payloads, several workers, clients or nodes at once",
  "runs by the thousand that retry, are cancelled or are pruned while others run",
  "restart: how long a node takes to fold what it missed",
  "power loss: whether the disk keeps what it says it has synced",
];

export function table({ scenario, result }: Measured): string {
  const lines = [`${scenario.name}: ${scenario.about}`];
  for (const { name, unit, spread } of result.figures) {
    const { median, min, max, samples } = spread;
    const ends = samples.length > 1 ? `  (${format(min)} – ${format(max)}, ${samples.length} times)` : "";
    lines.push(`  ${name.padEnd(NAME_CHARS)} ${format(median).padStart(VALUE_CHARS)} ${unit}${ends}`);
  }
  const used = ROLES.flatMap((role) => {
    const seconds = result.cpuSeconds[role];
    return seconds === undefined ? [] : [`${role} ${seconds.toFixed(1)}`];
  });
  if (result.othersCpuSeconds !== undefined)
    used.push(`all else on this machine ${result.othersCpuSeconds.toFixed(1)}`);
  if (used.length > 0) lines.push(`  processor seconds: ${used.join(" · ")}`);
  return lines.join("\n");
}

export function machine(): Readonly<Record<string, string | number>> {
  return {
    system: type(),
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memoryGib: Math.round(totalmem() / GIB),
    nodeVersion: process.version,
    load1m: loadavg()[0] ?? 0,
  };
}

export function report(
  measured: readonly Measured[],
  settings: Readonly<Record<string, unknown>>,
  failed: readonly { readonly scenario: string; readonly error: string }[],
): string {
  const document = {
    startedAt: settings["startedAt"],
    settings,
    machine: machine(),
    scenarios: measured.map(({ scenario: { name, about }, result }) => ({ name, about, ...result })),
    failed,
    notMeasured: NOT_MEASURED,
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
