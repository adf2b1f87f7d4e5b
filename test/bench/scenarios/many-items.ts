/**
 * 100,000 items in one run, from each of the places that items come from, and what the node and the worker have in memory meanwhile.
 * A live heap that grows with the number of items is an error.
 */
import type { Elapsed, ManyItems } from "../client-process.js";
import type { MemoryUse } from "../memory-use.js";
import { type Figure, format, type Scenario } from "../scenario.js";
import { spreadOf } from "../statistics.js";
import type { System } from "../system.js";
import { ITEM_SOURCES, type ItemsFrom } from "../workflows.js";

const RUN_MS_MAX = 300_000;
const CALL_MS_MAX = 30_000;
const LOOK_PAUSE_MS = 400;
const MS_A_SECOND = 1_000;
const MIB = 1_048_576;
/**
 * Peak of the live heap with all items against that with a tenth of them. What may grow at the node is 1 byte an item of dispositions,
 * caches that fill, and what waits to be stored: 100,000 items kept in memory would be at least 60 MiB. The worker's last handler is given
 * an array of all outputs, which is some 50 MiB by itself.
 */
const HEAP_GROWTH_BYTES_MAX = { node: 48 * MIB, worker: 96 * MIB } as const;

const WATCHED = ["node", "worker"] as const;
type Watched = (typeof WATCHED)[number];
type Peak = Record<Watched, MemoryUse>;

/** Looks at the memory of node and worker until `done`, and gives the most of each. */
async function watch(
  system: System,
  done: Promise<unknown>,
  progress: (line: string) => void,
): Promise<Peak> {
  const peak: Peak = { node: NOTHING, worker: NOTHING };
  const over = new AbortController();
  const end = done.finally(() => over.abort());
  end.catch(() => undefined);
  const startedMs = performance.now();
  while (!over.signal.aborted) {
    const now = await Promise.all(
      WATCHED.map((role) => system[role].call<MemoryUse>("live", undefined, CALL_MS_MAX)),
    );
    WATCHED.forEach((role, i) => {
      const { rssBytes, heapUsedBytes } = now[i] ?? NOTHING;
      peak[role] = {
        rssBytes: Math.max(peak[role].rssBytes, rssBytes),
        heapUsedBytes: Math.max(peak[role].heapUsedBytes, heapUsedBytes),
      };
    });
    const told = WATCHED.map((role, i) => `${role} ${mib(now[i] ?? NOTHING)}`).join(", ");
    progress(`  ${((performance.now() - startedMs) / MS_A_SECOND).toFixed(1)} s: ${told}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_PAUSE_MS));
  }
  await end;
  return peak;
}

const NOTHING: MemoryUse = { rssBytes: 0, heapUsedBytes: 0 };

const mib = ({ rssBytes, heapUsedBytes }: MemoryUse): string =>
  `${format(rssBytes / MIB)} MiB (live heap ${format(heapUsedBytes / MIB)})`;

export const manyItems: Scenario = {
  name: "many-items",
  about:
    "one run over 100,000 items of 500 bytes, from the input, an output and JSON lines; memory meanwhile",
  nodeFlags: ["--expose-gc"],
  async run(system, scale, progress) {
    const many = scale.quick ? 10_000 : 100_000;
    const few = many / 10;
    const figures: Figure[] = [];
    for (const from of ITEM_SOURCES) {
      const one = async (count: number): Promise<{ peak: Peak; ms: number }> => {
        progress(`${format(count)} items, ${ABOUT[from]}`);
        const load: ManyItems = { from, count };
        const run = system.client.call<Elapsed>("manyItems", load, RUN_MS_MAX);
        const peak = await watch(system, run, progress);
        return { peak, ms: (await run).ms };
      };
      const small = await one(few);
      const large = await one(many);
      for (const role of WATCHED) {
        const grown = large.peak[role].heapUsedBytes - small.peak[role].heapUsedBytes;
        figures.push(
          figure(`${role}'s live heap, peak, ${ABOUT[from]}`, "MiB", large.peak[role].heapUsedBytes / MIB),
          figure(`  with a tenth of the items`, "MiB", small.peak[role].heapUsedBytes / MIB),
          figure(`${role}'s memory, peak, ${ABOUT[from]}`, "MiB", large.peak[role].rssBytes / MIB),
        );
        if (MUST_BE_FLAT[role].has(from) && grown > HEAP_GROWTH_BYTES_MAX[role]) {
          throw new Error(
            `the ${role}'s live heap grew by ${format(grown / MIB)} MiB with ten times as many items (${ABOUT[from]})`,
          );
        }
      }
      figures.push(
        figure(`items, looked at meanwhile, ${ABOUT[from]}`, "items/s", (many * MS_A_SECOND) / large.ms),
      );
    }
    return { figures, cpuSeconds: {}, sizes: { few, many } };
  },
};

const ABOUT: Readonly<Record<ItemsFrom, string>> = {
  input: "an array in the input",
  output: "an array in an output",
  lines: "lines of an artifact",
};
/** A handler that returns an array has it in memory: that is the worker's own doing. */
const MUST_BE_FLAT: Readonly<Record<Watched, ReadonlySet<ItemsFrom>>> = {
  node: new Set(ITEM_SOURCES),
  worker: new Set<ItemsFrom>(["input", "lines"]),
};

const figure = (name: string, unit: string, value: number): Figure => ({
  name,
  unit,
  spread: spreadOf([value]),
});
