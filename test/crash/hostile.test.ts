/**
 * Hostile traffic on every subject while honest runs go on: no process ends, every honest run does, and nothing is broken afterwards. Runs that no hostile
 * message is about end exactly as computed.
 * `HOLDFAST_FUZZ_MESSAGES=1000000` sends a million, `HOLDFAST_FUZZ_PACE=4` four times as fast; `HOLDFAST_SEED` draws the same again.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { isRunTerminal, partitionOf } from "@holdfast/core";
import { ActionStatus, type Breach, FailureMode, RunStatus } from "@holdfast/proto";
import type { Holdfast } from "@holdfast/sdk";
import { connect } from "nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { HostileTraffic, SPARED } from "../support/hostile-traffic.js";
import { allItems, ledgerProblems, viewProblems } from "../support/run-rules.js";
import { PARTITIONS, System } from "../support/system.js";
import { forEachOf, pause, until, within } from "../support/wait.js";
import { batch, chain, type Row, single } from "./workflows.js";

const MESSAGES = Number(process.env["HOLDFAST_FUZZ_MESSAGES"] ?? 20_000);
const SEED = Number(process.env["HOLDFAST_SEED"] ?? Date.now() % 1_000_000_000);
const PACE = Number(process.env["HOLDFAST_FUZZ_PACE"] ?? 1);
const A_TURN = 100;
const TURN_MS = 150 / PACE;
const HONEST_EVERY_TURNS = 2;
const HONEST_MAX = 1_000;
/** After the last hostile message: leases, retries and a round of audits. */
const END_MS = 240_000;
const MS_A_MESSAGE = 20;
const RETRY_MS = 500;
/** Of one process; a quiet one takes a quarter of it. */
const RSS_KIB_MAX = 1_000_000;

let system: System;

beforeAll(async () => {
  system = await System.start();
});
afterAll(() => system.stop());

test(
  `${MESSAGES} hostile messages end no process and hang no honest run (seed ${SEED})`,
  async () => {
    const effects = join(system.folder, "effects");
    const worker = await system.startWorker({
      modules: ["test/crash/workflows.ts"],
      env: { [EFFECTS_FILE]: effects },
    });
    const admin = await system.startAdmin();
    const client = await system.connect();
    const nats = await connect({ servers: system.url });
    system.onStop(() => nats.close());
    const traffic = new HostileTraffic(nats, SEED);
    traffic.listen();
    const runs: string[] = [];
    // Each start is sent until it is known to be taken: what is hostile may delay it.
    const starting = new Set<Promise<void>>();
    const startOnce = (n: number, runId: string): Promise<unknown> => {
      if (n % 3 === 0) return client.start(single, { n, ms: 20 }, { runId });
      if (n % 3 === 1) return client.start(chain, { n, ms: 20 }, { runId });
      return client.start(batch, { rows: [...ROWS] }, { runId });
    };
    const startHonest = (): void => {
      const n = runs.length;
      const runId = `${n % 2 === 0 ? SPARED : "honest-"}${n}`;
      runs.push(runId);
      const begun = (async () => {
        for (let taken = false; !taken; ) {
          taken = await startOnce(n, runId).then(
            () => true,
            () => false,
          );
          if (!taken) await pause(RETRY_MS);
        }
      })().finally(() => starting.delete(begun));
      starting.add(begun);
    };
    for (let n = 0; n < 12; n++) startHonest();
    await until("samples of honest traffic", () => traffic.sampled > 30, 60_000);

    for (let turn = 0; traffic.sent < MESSAGES; turn++) {
      for (let n = 0; n < A_TURN; n++) traffic.send();
      await nats.flush();
      if (turn % HONEST_EVERY_TURNS === 0 && runs.length < HONEST_MAX) startHonest();
      await pause(TURN_MS);
      expectRunning(worker);
    }

    await within("every honest start to be taken", Promise.all(starting), END_MS);
    const open = new Set(runs);
    const left = async (): Promise<boolean> => {
      for (const runId of open) {
        const status = (await client.get(runId).catch(() => undefined))?.summary?.status;
        if (status !== undefined && isRunTerminal(status)) open.delete(runId);
      }
      return open.size === 0;
    };
    const ended = await until("every honest run to end", left, END_MS).catch(() => false);
    if (!ended) {
      expect.fail(`${open.size} of ${runs.length} honest runs hang:\n${await hangingText(client, open)}`);
    }
    expectRunning(worker);
    expect(
      (await admin.call.describeCluster({})).partitions.map(({ problem }) => problem).filter(Boolean),
    ).toEqual([]);
    expect(await sparedProblems(client, runs, effectsOf(effects))).toEqual([]);
    const breaches: Breach[] = [];
    for await (const { breaches: some } of admin.call.check({})) breaches.push(...some);
    expect(breaches).toEqual([]);
    await until("health to be well", async () => (await fetch(`${system.node.ready[2]}/healthz`)).ok);
    for (const { pid } of system.children) expect(rssKiB(pid)).toBeLessThan(RSS_KIB_MAX);
    const last = await client.start(single, { n: 21, ms: 0 }, { runId: "after-all-of-it" });
    expect(await last.result()).toBe(42);
  },
  END_MS + 120_000 + MESSAGES * MS_A_MESSAGE,
);

/** One fails for good, one at first. */
const ROWS: readonly Row[] = [
  { row: 0, kind: "good" },
  { row: 1, kind: "bad" },
  { row: 2, kind: "late" },
];

/** What is not as computed of the runs that nobody has forged anything of. */
async function sparedProblems(
  client: Holdfast,
  runs: readonly string[],
  done: ReadonlyMap<string, number>,
): Promise<string[]> {
  const problems: string[] = [];
  const expectedEffects = new Set<string>();
  await forEachOf(runs, 16, async (runId, n) => {
    if (!runId.startsWith(SPARED)) return;
    const view = await client.get(runId);
    problems.push(...viewProblems(view));
    const kind = n % 3;
    const say = (what: string): void => void problems.push(`run ${runId}: ${what}`);
    const status = view.summary?.status ?? 0;
    const wanted = kind === 2 ? RunStatus.COMPLETED_WITH_FAILURES : RunStatus.COMPLETED;
    if (status !== wanted) say(`is ${RunStatus[status]} instead of ${RunStatus[wanted]}`);
    if (view.summary?.generation !== 1) say(`is of generation ${view.summary?.generation}`);
    const output = JSON.stringify(await client.payloads.decode(view.output, `the output of ${runId}`));
    const computed = JSON.stringify([n * 2, (n + 1) * 10 + 1, { loaded: 2 }][kind]);
    if (output !== computed) say(`gave ${output} instead of ${computed}`);
    const names = kind === 0 ? ["double"] : kind === 1 ? ["first", "second", "third"] : [];
    if (kind === 2) names.push("check/0", "check/1", "check/2", "load/0", "load/2", "report");
    for (const name of names) expectedEffects.add(`${runId}/${name}`);
    if (kind === 2) problems.push(...(await itemProblems(client, runId)));
  });
  for (const key of expectedEffects) if (!done.has(key)) problems.push(`${key} was not done`);
  for (const key of done.keys())
    if (key.startsWith(SPARED) && !expectedEffects.has(key)) problems.push(`${key} was done and should not`);
  return problems;
}

async function itemProblems(client: Holdfast, runId: string): Promise<string[]> {
  const problems: string[] = [];
  const { actions } = await client.get(runId);
  for (const [name, total] of [
    ["check", 3],
    ["load", 2],
  ] as const) {
    const items = await allItems(client, runId, name);
    const counts = actions.find((action) => action.name === name)?.items;
    if (counts === undefined || items.length !== total)
      problems.push(`run ${runId}: ${name} has ${items.length} of ${total} items`);
    else problems.push(...ledgerProblems(`run ${runId}, action ${name}`, items, counts));
    const failed = items.filter(
      ({ failure }) => failure !== undefined && failure.mode === FailureMode.VALIDATION,
    );
    const told = failed.map(({ index, failure, inputSnapshot }) => [index, failure?.message, inputSnapshot]);
    const wanted = name === "check" ? [[1, "row 1 is bad", JSON.stringify(ROWS[1])]] : [];
    if (JSON.stringify(told) !== JSON.stringify(wanted))
      problems.push(`run ${runId}: of ${name} failed ${JSON.stringify(told)}`);
  }
  return problems;
}

const rssKiB = (pid: number): number =>
  Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }));

/** Where those stand that do not end, and what node and workers say of themselves. */
async function hangingText(client: Holdfast, open: ReadonlySet<string>): Promise<string> {
  const lines = await forEachOf([...open].slice(0, 60), 16, async (runId) => {
    const view = await client.get(runId).catch(String);
    if (typeof view === "string") return `${runId}: ${view}`;
    const actions = view.actions.map(
      ({ name, status, attempt, worker: at, items, detail }) =>
        `${name} ${ActionStatus[status]} attempt ${attempt} at "${at.slice(0, 40)}" ${detail} ${JSON.stringify(items ?? {})}`,
    );
    return `${runId} in partition ${partitionOf(runId, PARTITIONS)}: ${actions.join("; ")}`;
  });
  const metrics = await fetch(`${system.node.ready[2]}/metrics`).then((answer) => answer.text());
  const health = await fetch(`${system.node.ready[2]}/healthz`).then((answer) => answer.text());
  const shown = metrics.split("\n").filter((line) => line.startsWith("holdfast_"));
  return [...lines, health, ...shown, system.tail()].join("\n");
}

function expectRunning(worker: { readonly running: boolean }): void {
  if (system.node.running && worker.running) return;
  expect.fail(`node runs: ${system.node.running}, worker runs: ${worker.running}\n${system.tail()}`);
}
