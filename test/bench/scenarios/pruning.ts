/**
 * What pruning costs: 10,000 ended runs of 1,000,000 against 10,000 of 20,000, and what retention adds to each run. A ratio above 1.5 is an
 * error: a sweep pays for what it removes, whatever stays.
 */
import { create } from "@bufbuild/protobuf";
import { mix32 } from "@holdfast/core";
import { DEFAULT_ENGINE_LIMITS, setRetentionCommand } from "@holdfast/engine";
import {
  CommandBatchSchema,
  CommandSchema,
  Effect,
  PayloadSchema,
  RetentionPolicySchema,
  StartRunSchema,
  TaskReportSchema,
  TaskSuccessSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import { OnePartition, untilTrue } from "../one-partition.js";
import { type Figure, format, type Scenario } from "../scenario.js";
import { spreadOf } from "../statistics.js";

const HOUR_MS = 3_600_000;
const RETENTION_H = 24;
const REST_AT_H = 20;
const RUNS_AN_ENTRY = 200;
const RATIO_MAX = 1.5;
/** A commit follows within half of this. */
const COMMIT_MS = 2 * DEFAULT_ENGINE_LIMITS.commitIntervalMs;
/** Of a run's record: the field that says where its row in the expiry index is. */
const EXPIRY_FIELD_BYTES = 10;

const definition = create(WorkflowDefinitionSchema, {
  name: "single",
  actions: [{ name: "only" }],
  retention: { completedRetentionS: RETENTION_H * 3_600 },
});
const json = (value: unknown) =>
  init(PayloadSchema, { body: { case: "inline", value: new TextEncoder().encode(JSON.stringify(value)) } });

/** Ids as they usually are: runs that ended one after the other are not beside each other. */
const spread = (n: number): string => mix32(n).toString(16).padStart(8, "0");

/** Begins and ends so many runs, at the time that the clock stands at. */
async function endRuns(partition: OnePartition, prefix: string, runs: number): Promise<void> {
  const success = {
    case: "success",
    value: init(TaskSuccessSchema, { effect: Effect.VALUE, output: json(42) }),
  } as const;
  for (let first = 0; first < runs; first += RUNS_AN_ENTRY) {
    const commands = Array.from({ length: Math.min(RUNS_AN_ENTRY, runs - first) }, (_, at) => {
      const runId = `${spread(first + at)}-${prefix}-${first + at}`;
      const start = init(StartRunSchema, {
        runId,
        workflow: "single",
        input: json({ n: first + at, ms: 0 }),
      });
      const report = init(TaskReportSchema, { runId, attempt: 1, worker: "worker-bench", outcome: success });
      return [
        init(CommandSchema, { kind: { case: "startRun", value: start } }),
        init(CommandSchema, { kind: { case: "taskReport", value: report } }),
      ];
    });
    await partition.log.append(
      0,
      encode(CommandBatchSchema, init(CommandBatchSchema, { producer: "bench", commands: commands.flat() })),
    );
    if (first % (RUNS_AN_ENTRY * 50) === 0) await partition.folded();
  }
  await partition.folded();
}

async function prunedOf(partition: OnePartition): Promise<number> {
  const { workflows } = await partition.queries.retention("single", 0);
  return (workflows[0]?.pruned ?? []).reduce(
    (sum, { counts }) => counts.reduce((total, { runs }) => total + Number(runs), sum),
    0,
  );
}

/** As many groups of `due` runs as there are to be sweeps, an hour apart, and others that stay. */
async function build(partition: OnePartition, groups: number, due: number, runs: number): Promise<void> {
  await partition.define(definition);
  for (let group = 0; group < groups; group++) {
    partition.clock.offsetMs = group * HOUR_MS;
    await endRuns(partition, `due-${group}`, due);
  }
  partition.clock.offsetMs = REST_AT_H * HOUR_MS;
  await endRuns(partition, "rest", runs - groups * due);
}

interface Sweep {
  readonly ms: number;
  readonly cpuMs: number;
}

/** Lets a group fall due, has the sweeper woken, and waits until it is gone. */
async function sweep(partition: OnePartition, group: number, due: number): Promise<Sweep> {
  const before = await prunedOf(partition);
  partition.clock.offsetMs = (RETENTION_H + group) * HOUR_MS + HOUR_MS / 2;
  const policy = init(RetentionPolicySchema, { completedRetentionS: RETENTION_H * 3_600 });
  const cpuBefore = process.cpuUsage();
  const from = performance.now();
  const fields = {
    id: `sweep-${group}`,
    workflow: "single",
    who: "bench",
    reason: "",
    nowMs: partition.clock.nowMs(),
  };
  await partition.commands.submit(0, setRetentionCommand({ ...fields, policy }));
  await untilTrue(async () => (await prunedOf(partition)) >= before + due);
  const ms = performance.now() - from;
  await new Promise((resolve) => setTimeout(resolve, COMMIT_MS));
  const { user, system } = process.cpuUsage(cpuBefore);
  if ((await prunedOf(partition)) !== before + due) throw new Error("more was pruned than was due");
  return { ms, cpuMs: (user + system) / 1_000 };
}

/** What is stored for each run, and of that for retention. */
async function storedARun(partition: OnePartition, runs: number): Promise<Figure[]> {
  const db = await partition.store.open(0);
  let rows = 0;
  let bytes = 0;
  let expiryBytes = 0;
  for (let from = "\0"; ; ) {
    const page = await db.range({ from, to: "\xff", limit: 10_000 });
    for (const [key, value] of page) {
      rows += 1;
      bytes += key.length + value.length;
      if (key.startsWith("y")) expiryBytes += key.length + value.length + EXPIRY_FIELD_BYTES;
    }
    const last = page.at(-1)?.[0];
    if (page.length < 10_000 || last === undefined) break;
    from = `${last}\0`;
  }
  await db.close();
  const figure = (name: string, unit: string, value: number): Figure => ({
    name,
    unit,
    spread: spreadOf([value]),
  });
  return [
    figure("rows a finished run", "rows", rows / runs),
    figure("bytes a finished run, not compressed", "B", bytes / runs),
    figure("of these for retention", "B", expiryBytes / runs),
  ];
}

export const pruning: Scenario = {
  name: "pruning",
  about: "10,000 ended runs pruned of 1,000,000, and of 20,000: the one against the other",
  async run(_system, { folder, quick, repetitions }, progress) {
    const due = quick ? 1_000 : 10_000;
    const many = quick ? 40_000 : 1_000_000;
    const few = due * 2;
    const sweeps = Math.min(repetitions + 1, REST_AT_H);

    const large = await OnePartition.start(folder);
    const ofMany: Sweep[] = [];
    try {
      const from = performance.now();
      await build(large, sweeps, due, many);
      progress(`${format(many)} runs ended in ${format((performance.now() - from) / 1_000)} s`);
      for (let group = 0; group < sweeps; group++) {
        ofMany.push(await sweep(large, group, due));
        progress(`of ${format(many - group * due)}: ${format(ofMany.at(-1)?.ms ?? 0)} ms`);
      }
    } finally {
      await large.stop();
      await large.remove();
    }

    const ofFew: Sweep[] = [];
    let stored: Figure[] = [];
    for (let repetition = 0; repetition < sweeps; repetition++) {
      const small = await OnePartition.start(folder);
      try {
        await build(small, 1, due, few);
        ofFew.push(await sweep(small, 0, due));
        progress(`of ${format(few)}: ${format(ofFew.at(-1)?.ms ?? 0)} ms`);
      } finally {
        await small.stop();
        await small.remove();
      }
    }
    const fresh = await OnePartition.start(folder);
    try {
      await build(fresh, 0, due, few);
      await fresh.stop();
      stored = await storedARun(fresh, few);
    } finally {
      await fresh.remove();
    }

    const counted = (of: readonly Sweep[], key: keyof Sweep) => spreadOf(of.slice(1).map((one) => one[key]));
    const ratioOf = (key: keyof Sweep): number => counted(ofMany, key).median / counted(ofFew, key).median;
    const [ratio, cpuRatio] = [ratioOf("ms"), ratioOf("cpuMs")];
    // Other programs on the machine make one of them worse than it is.
    if (!quick && Math.min(ratio, cpuRatio) > RATIO_MAX)
      throw new Error(
        `pruning ${due} of ${many} runs took ${ratio.toFixed(2)} times as long as of ${few}, and ${cpuRatio.toFixed(2)} times the processor time`,
      );
    return {
      figures: [
        { name: `of ${format(many)}`, unit: "ms", spread: counted(ofMany, "ms") },
        { name: `of ${format(few)}`, unit: "ms", spread: counted(ofFew, "ms") },
        { name: "ratio", unit: "", spread: spreadOf([ratio]) },
        { name: "ratio of processor time", unit: "", spread: spreadOf([cpuRatio]) },
        { name: `processor time, of ${format(many)}`, unit: "ms", spread: counted(ofMany, "cpuMs") },
        { name: `processor time, of ${format(few)}`, unit: "ms", spread: counted(ofFew, "cpuMs") },
        ...stored,
      ],
      cpuSeconds: {},
      sizes: { due, many, few },
    };
  },
};
