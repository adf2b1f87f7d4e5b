/** A small history with everything in it: completed, failed, partial, healed, cancelled, backing off, waiting for a time, under way. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Holdfast } from "@holdfast/sdk";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import type { System } from "../support/system.js";
import { until } from "../support/wait.js";
import { HOLD_FILE, MENDED_FILE, type Row } from "./workflows.js";

const HOUR_MS = 3_600_000;

export interface MixedRuns {
  readonly effects: string;
  /** Lets the runs that are under way end. */
  release(): void;
  /** Ids of those, which end after `release`. */
  readonly held: readonly string[];
}

const rows = (count: number, bad: (row: number) => boolean): Row[] =>
  Array.from({ length: count }, (_, row) => ({ row, kind: bad(row) ? "bad" : "good" }));

/** Resolves when everything stands still. */
export async function startMixedRuns(system: System, client: Holdfast): Promise<MixedRuns> {
  const effects = join(system.folder, "effects");
  const holdFile = join(system.folder, "hold");
  const mended = join(system.folder, "mended");
  writeFileSync(holdFile, "");
  await system.startWorker({
    modules: ["test/crash/workflows.ts"],
    env: { [EFFECTS_FILE]: effects, [HOLD_FILE]: holdFile, [MENDED_FILE]: mended },
  });
  const started = await Promise.all([
    ...Array.from({ length: 30 }, (_, n) => client.start("single", { n, ms: 0 }, { runId: `single-${n}` })),
    ...Array.from({ length: 20 }, (_, n) => client.start("chain", { n, ms: 0 }, { runId: `chain-${n}` })),
    client.start("batch", { rows: rows(300, (row) => row % 7 === 0) }, { runId: "partial" }),
    client.start("batch", { rows: rows(5, () => true) }, { runId: "failed" }),
    client.start("healing", { rows: rows(120, (row) => row % 2 === 0) }, { runId: "healed" }),
  ]);
  await Promise.all(started.map((handle) => handle.ended()));
  writeFileSync(mended, "");
  await client.retry("healed", { reason: "mended" });
  await until("the run to heal", async () => (await client.get("healed")).summary?.endedAt !== undefined);
  const held = ["held-0", "held-1", "held-2", "held-3"];
  for (const runId of held) await client.start("held", null, { runId });
  await client.start("backing", null, { runId: "backing" });
  await client.start("single", { n: 1, ms: 0 }, { runId: "later", startAt: new Date(Date.now() + HOUR_MS) });
  await client.start(
    "single",
    { n: 1, ms: 0 },
    { runId: "dropped", startAt: new Date(Date.now() + HOUR_MS) },
  );
  await client.cancel("dropped", { reason: "not wanted any more" });
  await until("the held runs to be in their handlers", () =>
    held.every((runId) => effectsOf(effects).has(`${runId}/hold`)),
  );
  await until("the failed attempt to back off", async () => {
    const [action] = (await client.get("backing")).actions;
    return action?.retryAt !== undefined;
  });
  return { effects, held, release: () => rmSync(holdFile) };
}
