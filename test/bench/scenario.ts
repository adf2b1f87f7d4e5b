/** What a scenario is, and what comes of it. */
import { spreadOf, type Spread } from "./statistics.js";
import { ROLES, type Role, type System } from "./system.js";
import { busySeconds } from "./usage.js";

export interface Scale {
  /** Counted repetitions, after one that warms up. */
  readonly repetitions: number;
  /** Less of everything, to see whether it works. */
  readonly quick: boolean;
  /** On the disk that is measured; for what a scenario opens by itself. */
  readonly folder: string;
}

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly spread: Spread;
}

export interface Result {
  readonly figures: readonly Figure[];
  /** Processor seconds of each process over the counted repetitions, where the system tells. */
  readonly cpuSeconds: Readonly<Partial<Record<Role, number>>>;
  /** Of all other programs on the machine meanwhile: where it is not small, the figures say as much about them. */
  readonly othersCpuSeconds?: number;
  /** The sizes it ran with. */
  readonly sizes: Readonly<Record<string, number>>;
}

export interface Scenario {
  readonly name: string;
  /** One line for people. */
  readonly about: string;
  /** Flags for the three Node processes. */
  readonly nodeFlags?: readonly string[];
  /** Rejects where anything did not end as it had to. */
  run(system: System, scale: Scale, progress: (line: string) => void): Promise<Result>;
}

/** Warms up once, then calls `one` for each repetition, and adds up what the processes used. */
export async function repeat(
  system: System,
  { repetitions }: Scale,
  progress: (line: string) => void,
  one: () => Promise<readonly { readonly name: string; readonly unit: string; readonly value: number }[]>,
): Promise<Pick<Result, "figures" | "cpuSeconds" | "othersCpuSeconds">> {
  const warm = await one();
  progress(`warm-up: ${warm.map(({ value, unit }) => `${format(value)} ${unit}`).join(", ")}`);
  const [before, busyBefore] = await Promise.all([system.usage(), busySeconds()]);
  const samples = warm.map((): number[] => []);
  for (let n = 1; n <= repetitions; n++) {
    const values = await one();
    values.forEach(({ value }, i) => samples[i]?.push(value));
    progress(
      `${n} of ${repetitions}: ${values.map(({ value, unit }) => `${format(value)} ${unit}`).join(", ")}`,
    );
  }
  const [after, busyAfter] = await Promise.all([system.usage(), busySeconds()]);
  const cpuSeconds: Partial<Record<Role, number>> = {};
  for (const role of ROLES) {
    const [from, to] = [before[role], after[role]];
    if (from !== undefined && to !== undefined) cpuSeconds[role] = to.cpuSeconds - from.cpuSeconds;
  }
  const own = Object.values(cpuSeconds).reduce((sum, seconds) => sum + seconds, 0);
  return {
    ...(busyBefore === undefined || busyAfter === undefined
      ? {}
      : { othersCpuSeconds: Math.max(0, busyAfter - busyBefore - own) }),
    figures: warm.map(({ name, unit }, i) => ({ name, unit, spread: spreadOf(samples[i] ?? []) })),
    cpuSeconds,
  };
}

/** Whole numbers with separators; small ones with as many digits as mean something. */
export function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}
