/**
 * What is left behind: memory after many finished and waiting runs compared with memory after a tenth of them, and bytes on disk.
 * A node that keeps something in memory for each run is an error.
 */
import type { Load } from "../client-process.js";
import type { MemoryUse } from "../memory-use.js";
import { type Figure, format, type Scenario } from "../scenario.js";
import { spreadOf } from "../statistics.js";
import type { DiskUse, System } from "../system.js";
import { single, waiting } from "../workflows.js";

const CALL_MS_MAX = 180_000;
const CALLERS = 2_000;
const MIB = 1_048_576;
/**
 * The live heap may differ by this much: caches fill in the beginning, and collections are not exact. Kept for each run, 90,000 finished
 * and 10,000 waiting ones would be at least 40 MiB.
 */
const HEAP_GROWTH_BYTES_MAX = 24 * MIB;

interface Look {
  readonly node: MemoryUse;
  readonly worker: MemoryUse;
  readonly serverRssBytes: number;
  readonly disk: DiskUse;
}

async function look(system: System): Promise<Look> {
  const [node, worker] = await Promise.all(
    [system.node, system.worker].map((child) => child.call<MemoryUse>("memory", undefined, CALL_MS_MAX)),
  );
  if (node === undefined || worker === undefined) throw new Error("a process did not tell of its memory");
  const usage = await system.usage();
  return { node, worker, serverRssBytes: usage["nats-server"]?.rssBytes ?? 0, disk: await system.disk() };
}

async function finish(system: System, load: Load): Promise<void> {
  await system.client.call("single", load, CALL_MS_MAX);
}

async function checkCounts(system: System, workflow: string, key: "completed" | "active", expected: number) {
  const counts = await system.client.call<Record<typeof key, number>>("counts", workflow, CALL_MS_MAX);
  if (counts[key] !== expected) {
    throw new Error(`${counts[key]} runs of ${workflow} are ${key}, ${expected} were to be`);
  }
}

export const footprint: Scenario = {
  name: "footprint",
  about: "memory after 100,000 finished and 10,000 waiting runs against that after 10,000; bytes on disk",
  nodeFlags: ["--expose-gc"],
  async run(system, scale, progress) {
    const few = scale.quick ? 2_000 : 10_000;
    const many = few * 10;
    const load = (runs: number): Load => ({ runs, callers: CALLERS });
    await finish(system, load(few));
    const before = await look(system);
    progress(`after ${format(few)} runs: node ${mib(before.node)}, worker ${mib(before.worker)}`);
    await finish(system, load(many - few));
    await checkCounts(system, single.name, "completed", many);
    const finished = await look(system);
    progress(`after ${format(many)} runs: node ${mib(finished.node)}, worker ${mib(finished.worker)}`);
    await system.client.call("waiting", load(few), CALL_MS_MAX);
    await system.node.call("idle", undefined, CALL_MS_MAX);
    await checkCounts(system, waiting.name, "active", few);
    const after = await look(system);
    progress(`and ${format(few)} waiting: node ${mib(after.node)}, worker ${mib(after.worker)}`);

    for (const role of ["node", "worker"] as const) {
      const grown = after[role].heapUsedBytes - before[role].heapUsedBytes;
      if (grown > HEAP_GROWTH_BYTES_MAX) {
        throw new Error(
          `the ${role}'s heap grew by ${format(grown / MIB)} MiB with ${format(many)} more runs: it keeps something for each`,
        );
      }
    }
    return {
      figures: [
        ...memoryFigures(`after ${format(few)} finished`, before),
        ...memoryFigures(`after ${format(many)} finished`, finished),
        ...memoryFigures(`and ${format(few)} waiting`, after),
        figure(
          "JetStream, a finished run",
          "bytes",
          (finished.disk.jetStreamBytes - before.disk.jetStreamBytes) / (many - few),
        ),
        figure(
          "LevelDB, a finished run",
          "bytes",
          (finished.disk.levelDbBytes - before.disk.levelDbBytes) / (many - few),
        ),
      ],
      cpuSeconds: {},
      sizes: { few, many, waiting: few, callers: CALLERS },
    };
  },
};

const mib = ({ rssBytes, heapUsedBytes }: MemoryUse): string =>
  `${format(rssBytes / MIB)} MiB (heap ${format(heapUsedBytes / MIB)})`;

const figure = (name: string, unit: string, value: number): Figure => ({
  name,
  unit,
  spread: spreadOf([value]),
});

function memoryFigures(when: string, { node, worker, serverRssBytes }: Look): Figure[] {
  return [
    figure(`node's memory ${when}`, "MiB", node.rssBytes / MIB),
    figure(`node's live heap ${when}`, "MiB", node.heapUsedBytes / MIB),
    figure(`worker's memory ${when}`, "MiB", worker.rssBytes / MIB),
    figure(`nats-server's memory ${when}`, "MiB", serverRssBytes / MIB),
  ];
}
