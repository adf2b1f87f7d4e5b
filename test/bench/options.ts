/** What the bench is asked for on its command line. */
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

export interface Options {
  readonly quick: boolean;
  /** Names of scenarios; empty: all. */
  readonly only: readonly string[];
  /** The document on standard output, everything else on standard error. */
  readonly json: boolean;
  readonly repetitions: number;
  readonly partitions: number;
  /** Where the systems' folders are made: the disk under it is measured too. */
  readonly folder: string;
  /** Where CPU profiles of the Node processes are written. */
  readonly profile: string | undefined;
}

export const USAGE = `usage: pnpm bench [--only <scenario>]... [--quick] [--json] [--repetitions <n>] [--partitions <n>]
                  [--dir <folder on the disk to be measured>] [--profile <folder for CPU profiles>]`;

const REPETITIONS = 5;
const REPETITIONS_QUICK = 1;
const REPETITIONS_MAX = 50;
const PARTITIONS = 4;
const PARTITIONS_MAX = 64;

/** Throws a `TypeError` that says what is wrong. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "boolean", default: false },
      repetitions: { type: "string" },
      partitions: { type: "string" },
      dir: { type: "string", default: tmpdir() },
      profile: { type: "string" },
    },
  });
  return {
    quick: values.quick,
    only: values.only,
    json: values.json,
    repetitions: count(
      "repetitions",
      values.repetitions,
      values.quick ? REPETITIONS_QUICK : REPETITIONS,
      REPETITIONS_MAX,
    ),
    partitions: count("partitions", values.partitions, PARTITIONS, PARTITIONS_MAX),
    folder: resolve(values.dir),
    profile: values.profile === undefined ? undefined : resolve(values.profile),
  };
}

function count(name: string, given: string | undefined, normal: number, most: number): number {
  if (given === undefined) return normal;
  const value = Number(given);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new TypeError(`--${name} is ${given}: give a whole number from 1 to ${most}`);
}
