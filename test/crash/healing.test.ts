/** The node is killed again and again while a run of many failed items heals: it heals wholly, and only what was to be healed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ItemStatus, RunStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { Random } from "../support/random.js";
import { allItems, ledgerProblems, viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { pause, within } from "../support/wait.js";
import { MENDED_FILE, type Row } from "./workflows.js";

const ROWS = 1_200;
const KILLS = 4;

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a run heals wholly, and downstream runs for the healed alone, though the node dies meanwhile", async () => {
  const random = Random.forTest("healing");
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const mended = join(running.folder, "mended");
  await running.startWorker({
    modules: ["test/crash/workflows.ts"],
    concurrency: 16,
    env: { [EFFECTS_FILE]: effects, [MENDED_FILE]: mended },
  });
  const client = await running.connect();
  const rows = Array.from({ length: ROWS }, (_, row): Row => ({ row, kind: row % 2 === 0 ? "bad" : "good" }));
  const bad = rows.filter(({ kind }) => kind === "bad").map(({ row }) => row);
  const good = rows.filter(({ kind }) => kind === "good").map(({ row }) => row);

  const handle = await client.start("healing", { rows }, { runId: "heals" });
  expect((await within("the first end", handle.ended())).status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
  const first = effectsOf(effects);
  expect(good.filter((row) => first.get(`heals/load/${row}`) !== 1)).toEqual([]);
  expect(first.get("heals/report")).toBe(1);

  writeFileSync(mended, "");
  const retried = await client.retry("heals", { reason: "mended", requestId: "heal-once" });
  expect(retried.items).toBe(bad.length);
  // About half a second of work, and kills in all of it.
  for (let kill = 0; kill < KILLS; kill++) {
    await pause(random.between(20, 220));
    await running.node.kill();
    await running.startNode();
    // Sent again, because its answer might have been lost: it is the same retry.
    const again = await client.retry("heals", { reason: "mended", requestId: "heal-once" });
    expect(again.items).toBe(bad.length);
  }
  const ended = await within("the run to heal", client.wait("heals"));
  expect(ended.status).toBe(RunStatus.COMPLETED);

  const view = await client.get("heals");
  expect(viewProblems(view)).toEqual([]);
  expect(view.summary?.generation).toBe(2);
  for (const name of ["check", "load"]) {
    const items = await allItems(client, "heals", name);
    const counts = view.actions.find((action) => action.name === name)?.items;
    expect(counts).toMatchObject({ total: ROWS, succeeded: ROWS, failed: 0 });
    if (counts !== undefined) expect(ledgerProblems(name, items, counts)).toEqual([]);
    expect(items.filter(({ status }) => status !== ItemStatus.SUCCEEDED)).toEqual([]);
  }
  const sum = (ROWS * (ROWS - 1)) / 2;
  expect(await client.payloads.decode(view.output, "the report")).toEqual({ loaded: ROWS, sum });
  const { total } = await client.counts("healing");
  expect(total).toMatchObject({ completed: 1n, completedWithFailures: 0n, retried: 1n, ended: 2n });
  expect([total.itemsSucceeded, total.itemsFailed]).toEqual([BigInt(ROWS * 2), 0n]);

  const last = effectsOf(effects);
  // What had succeeded was not touched again.
  const touched = good.filter(
    (row) => last.get(`heals/check/${row}`) !== 1 || last.get(`heals/load/${row}`) !== 1,
  );
  expect(touched).toEqual([]);
  const missed = bad.filter(
    (row) => (last.get(`heals/check/${row}`) ?? 0) < 2 || !last.has(`heals/load/${row}`),
  );
  expect(missed).toEqual([]);
});
