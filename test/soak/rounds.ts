/**
 * What a soak does, round by round. Each is one run of tests with a seed of its own, and is repeated by one line of shell.
 *
 * 1. A round takes a minute or two on two quiet cores: progress is seen, and the end is never far.
 * 2. Ten rounds of the fuzz send a million messages; each of kills ends what it kills up to fifty times.
 */
export const KINDS = ["sequences", "kills", "fuzz", "wide"] as const;
export type Kind = (typeof KINDS)[number];

export interface Round {
  readonly kind: Kind;
  readonly seed: number;
  readonly project: "unit" | "crash";
  readonly files: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const SEQUENCES = [
  "libs/core/src/fold/fold.property.test.ts",
  "libs/core/src/fold/cluster.property.test.ts",
  "libs/core/src/fold/dead-letters.property.test.ts",
  "libs/core/src/breaker/breaker.property.test.ts",
];
const WIDE = [
  "libs/core/src/actor/batch-inline.property.test.ts",
  "libs/core/src/bulk/bulk.property.test.ts",
  "libs/core/src/breaker/outages.property.test.ts",
  "libs/core/src/schedule/schedule.property.test.ts",
];
/** One a round, in turn; the first is the longest. */
const SCENES = [
  "kills",
  "steps",
  "healing",
  "batch",
  "bulk",
  "recovery",
  "children",
  "schedule",
  "undo",
  "sweep",
  "half-open",
];

/** `turn`: how many rounds of this kind there were. */
export function roundOf(kind: Kind, turn: number, seed: number): Round {
  const draws = (sequences: number) => ({
    HOLDFAST_SEED: String(seed),
    HOLDFAST_SEQUENCES: String(sequences),
  });
  switch (kind) {
    case "sequences":
      return { kind, seed, project: "unit", files: SEQUENCES, env: draws(1_000) };
    case "wide":
      return { kind, seed, project: "unit", files: WIDE, env: draws(4_000) };
    case "fuzz": {
      const env = {
        HOLDFAST_SEED: String(seed),
        HOLDFAST_FUZZ_MESSAGES: "100000",
        HOLDFAST_FUZZ_PACE: "4",
      };
      return { kind, seed, project: "crash", files: ["test/crash/hostile.test.ts"], env };
    }
    case "kills": {
      const scene = SCENES[turn % SCENES.length] ?? "kills";
      const env = { HOLDFAST_TEST_SEED: String(seed), HOLDFAST_KILLS: "50" };
      return { kind, seed, project: "crash", files: [`test/crash/${scene}.test.ts`], env };
    }
  }
}

export const argumentsOf = ({ project, files }: Round): string[] => ["run", "--project", project, ...files];

/** What a shell repeats it by. */
export const repeatedBy = (round: Round): string =>
  [
    ...Object.entries(round.env).map(([name, value]) => `${name}=${value}`),
    "npx vitest",
    ...argumentsOf(round),
  ].join(" ");
