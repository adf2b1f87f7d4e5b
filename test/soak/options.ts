/** What the soak is asked for on its command line. */
import { parseArgs } from "node:util";
import { KINDS, type Kind } from "./rounds.js";

export interface Options {
  readonly minutes: number;
  /** In the order in which their rounds come. */
  readonly only: readonly Kind[];
  /** The first round's; each later one has the next. */
  readonly seed: number;
}

export const USAGE = `usage: npm run soak -- [--minutes <n>] [--only ${KINDS.join(",")}] [--seed <n>]`;

const MINUTES = 60;
const MINUTES_MAX = 60 * 24 * 7;
const SEED_MAX = 2 ** 31 - 1;

/** Throws a `TypeError` that says what is wrong. `fresh`: the seed where none is given. */
export function readOptions(args: readonly string[], fresh: number): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string" },
      only: { type: "string", multiple: true, default: [] },
      seed: { type: "string" },
    },
  });
  return {
    minutes: count("minutes", values.minutes, MINUTES, MINUTES_MAX),
    only: kinds(values.only.flatMap((names) => names.split(","))),
    seed: count("seed", values.seed, fresh, SEED_MAX),
  };
}

function kinds(names: readonly string[]): readonly Kind[] {
  const strange = names.filter((name) => !KINDS.some((kind) => kind === name));
  if (strange.length > 0)
    throw new TypeError(`there are no rounds ${strange.join(", ")}: choose among ${KINDS.join(", ")}`);
  return names.length === 0 ? KINDS : KINDS.filter((kind) => names.includes(kind));
}

function count(name: string, given: string | undefined, normal: number, most: number): number {
  if (given === undefined) return normal;
  const value = Number(given);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new TypeError(`--${name} is ${given}: give a whole number from 1 to ${most}`);
}
