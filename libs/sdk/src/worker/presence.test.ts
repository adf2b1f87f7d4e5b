/** When a worker says how much it can take: more while its handlers are quick, and a change is said early, but not too often. */
import { MemoryNetwork, ManualClock } from "@holdfast/engine/memory";
import { WORKER_BEAT } from "@holdfast/engine";
import { type WorkerBeat, WorkerBeatSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import { describe, expect, it } from "vitest";
import { BatchMarks } from "./batch-marks.js";
import { Capacity } from "./capacity.js";
import { workflow } from "../workflow/workflow.js";
import { functionsOf } from "./functions.js";
import { DEFAULT_WORKER_LIMITS } from "./limits.js";
import { Presence } from "./presence.js";

const LIMITS = DEFAULT_WORKER_LIMITS;

function setUp(options: { fixed?: number } = {}) {
  const clock = new ManualClock();
  const network = new MemoryNetwork();
  const beats: { atMs: number; beat: WorkerBeat }[] = [];
  const startMs = clock.nowMs();
  network
    .bus()
    .subscribe(WORKER_BEAT, ({ data }) =>
      beats.push({ atMs: clock.nowMs() - startMs, beat: decode(WorkerBeatSchema, data) }),
    );
  const counts = { held: 0, reported: 0 };
  const presence = new Presence({
    worker: "worker-1",
    inbox: "inbox",
    queues: ["main"],
    workflows: ["flow"],
    functions: functionsOf([workflow("flow").action("only", () => 1)]),
    bus: network.bus(),
    clock,
    limits: LIMITS,
    marks: new BatchMarks(LIMITS.maxNodes, LIMITS.maxAhead),
    capacity: new Capacity({
      concurrency: 1,
      fixed: options.fixed,
      limits: LIMITS,
      nowMs: clock.monotonicMs(),
    }),
    counts: () => counts,
    refs: () => [],
  });
  presence.start();
  const told = () => beats.map(({ beat }) => [beat.functionsDigest.length > 0, beat.functions.length]);
  const said = () => beats.map(({ atMs, beat }) => [atMs, beat.queues[0]?.capacity]);
  return { clock, counts, said, told, presence };
}

describe("what a worker asks for", () => {
  it("is more while its handlers are quick, and its concurrency again afterwards", async () => {
    const { clock, counts, said } = setUp();
    await clock.advance(LIMITS.earlyBeatMs);
    counts.reported += 1_000; // In 100 ms: 500 in the 50 ms for which it looks ahead.
    await clock.advance(LIMITS.earlyBeatMs);
    expect(said().at(-1)).toEqual([2 * LIMITS.earlyBeatMs, 1 + 500]);
    await clock.advance(LIMITS.earlyBeatMs);
    expect(said().at(-1)).toEqual([3 * LIMITS.earlyBeatMs, 1]);
  });

  it("is bounded, however quick they are", async () => {
    const { clock, counts, said } = setUp();
    counts.reported += 1_000_000;
    await clock.advance(LIMITS.earlyBeatMs);
    expect(said().at(-1)).toEqual([LIMITS.earlyBeatMs, LIMITS.maxCapacity]);
  });

  it("stays what it was told to be", async () => {
    const { clock, counts, said } = setUp({ fixed: 7 });
    counts.reported += 1_000_000;
    await clock.advance(LIMITS.beatMs);
    expect(new Set(said().map(([, capacity]) => capacity))).toEqual(new Set([7]));
  });

  it("is not said again while it hardly changes, but at every beat", async () => {
    const { clock, said } = setUp();
    await clock.advance(3 * LIMITS.beatMs);
    expect(said()).toEqual([0, 1, 2, 3].map((beat) => [beat * LIMITS.beatMs, 1]));
  });
});

it("functions are told at first and when a node asks, and named in every beat", async () => {
  const { clock, told, presence } = setUp({ fixed: 1 });
  await clock.advance(2 * LIMITS.beatMs + 1);
  expect(told()).toEqual([
    [true, 1],
    [true, 0],
    [true, 0],
  ]);
  presence.tellFunctions();
  presence.tellFunctions();
  await clock.advance(LIMITS.beatMs);
  expect(told().slice(3)).toEqual([[true, 1]]);
});
