/**
 * The equivalence net: three thousand logs of all kinds, and for each what the fold made of it when it was recorded (`digests.txt`). A change that is
 * meant to keep behaviour keeps every digest; one that is meant to change it records them anew, with the reason in its commit:
 * `HOLDFAST_RECORD=1 npx vitest run libs/core/src/equivalence`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { TestCluster } from "../testing/cluster.js";
import { familyDefinitions, familySteps, PARTITIONS, playSteps } from "../testing/cluster-steps.js";
import {
  ANYTHING,
  BREAKERS,
  BULK,
  DEAD_LETTERS,
  type Mix,
  partitionWith,
  SCHEDULES,
  UNDOING,
} from "../testing/mixes.js";
import { Mover } from "../testing/moves.js";
import { TestPartition } from "../testing/partition.js";
import { digestOfLog } from "./digest.js";

const FILE = fileURLToPath(new URL("digests.txt", import.meta.url));
const SEED = 1;
const records = process.env["HOLDFAST_RECORD"] !== undefined;
const TIME = { timeout: 600_000 };

/** Logs of one partition, by the name of the mix that they are drawn from. */
const MIXES: Readonly<Record<string, readonly [mix: Mix, logs: number]>> = {
  anything: [ANYTHING, 600],
  undoing: [UNDOING, 500],
  breakers: [BREAKERS, 400],
  bulk: [BULK, 400],
  "dead letters": [DEAD_LETTERS, 400],
  schedules: [SCHEDULES, 400],
};
/** Each of several partitions, with messages between them. */
const FAMILIES = 100;

function digestsOf({ definitions, moves, runs }: Mix, numRuns: number): string[] {
  return fc.sample(fc.tuple(definitions, moves), { seed: SEED, numRuns }).map(([defined, played]) => {
    const partition = partitionWith(defined);
    partition.view.audits = false;
    new Mover(partition, runs).entries(played, (batchOf) => partition.append(batchOf));
    return digestOfLog(partition.log);
  });
}

function digestsOfFamilies(): string[] {
  const drawn = fc.sample(fc.tuple(familyDefinitions, familySteps), { seed: SEED, numRuns: FAMILIES });
  return drawn.flatMap(([defined, played]) => {
    const cluster = new TestCluster(PARTITIONS, defined);
    for (const { view } of cluster.partitions) view.audits = false;
    playSteps(cluster, played, () => undefined);
    cluster.settle();
    return cluster.partitions.map(({ log, number }) =>
      digestOfLog(log, new TestPartition(number, PARTITIONS).view.dump()),
    );
  });
}

const found = new Map<string, readonly string[]>();
const kept: ReadonlyMap<string, readonly string[]> = new Map(
  readFileSync(FILE, "utf8")
    .split("\n\n")
    .map((part) => part.trim().split("\n"))
    .map(([name = "", ...digests]) => [name, digests]),
);

test.each([...Object.keys(MIXES), "families"])("what is made of logs is what it was: %s", TIME, (name) => {
  const [mix, logs] = MIXES[name] ?? [];
  const digests = mix === undefined ? digestsOfFamilies() : digestsOf(mix, logs ?? 0);
  found.set(name, digests);
  if (records) return;
  const others = digests.flatMap((digest, n) => (digest === kept.get(name)?.[n] ? [] : [n]));
  expect(others, `of seed ${SEED}, by their number`).toEqual([]);
  expect(digests.length).toBe(kept.get(name)?.length);
});

afterAll(() => {
  if (!records) return;
  writeFileSync(FILE, `${[...found].map(([name, digests]) => [name, ...digests].join("\n")).join("\n\n")}\n`);
});
