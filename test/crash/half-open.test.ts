/**
 * Again and again the node is killed while a breaker is open, half open or recovering, while what it holds waits: nothing is lost or done twice,
 * the dependency is asked by the probes and nothing else, and no attempt is spent on it.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { partitionOf } from "@holdfast/core";
import { BreakerStatus, type BreakerView, RunStatus } from "@holdfast/proto";
import type { Holdfast } from "@holdfast/sdk";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { Random } from "../support/random.js";
import { MANY_ROUNDS, roundsOf } from "../support/rounds.js";
import { allItems, ledgerProblems, viewProblems } from "../support/run-rules.js";
import { type Admin, PARTITIONS, System } from "../support/system.js";
import { forEachOf, pause, until } from "../support/wait.js";
import { ANSWER_MS, askedOf, asking, askingItems, DOWN_FILE, PROBES } from "./dependency-workflow.js";

/** The least has each phase, each partition, and items as well as runs. */
const ROUNDS = roundsOf(12);
/** All of them are with the worker when the breaker opens. */
const HELD = 12;
const TEST_MS_MAX = 1_800_000;
/** Before the node is killed. */
const PHASES = [BreakerStatus.OPEN, BreakerStatus.HALF_OPEN, BreakerStatus.RECOVERING] as const;

interface Round {
  readonly workflow: "asking" | "asking-items";
  readonly partition: number;
  readonly runIds: readonly string[];
}

/** Its runs share one breaker: they are of one partition. */
function planned(round: number): Round {
  const partition = round % PARTITIONS;
  const isOverItems = Math.floor(round / PARTITIONS) % 2 === 1;
  const runIds: string[] = [];
  for (let n = 0; runIds.length < (isOverItems ? 1 : HELD); n++) {
    const runId = `run-${round}-${n}`;
    if (partitionOf(runId, PARTITIONS) === partition) runIds.push(runId);
  }
  return { workflow: isOverItems ? "asking-items" : "asking", partition, runIds };
}

const begin = (client: Holdfast, { workflow, runIds }: Round) =>
  forEachOf(runIds, HELD, async (runId) => {
    if (workflow === "asking") await client.start(asking, undefined, { runId });
    else await client.start(askingItems, { rows: Array.from({ length: HELD }, (_, row) => row) }, { runId });
  });

/** Undefined: the partition keeps none, or its node is away. */
async function breakerOf(admin: Admin, { workflow, partition }: Round): Promise<BreakerView | undefined> {
  try {
    const { breakers } = await admin.call.getBreaker({ workflow, action: "ask" });
    return breakers.find((breaker) => breaker.partition === partition);
  } catch {
    return undefined;
  }
}

const msOf = (at: { readonly seconds: bigint; readonly nanos: number } | undefined): number =>
  Number(at?.seconds ?? 0n) * 1_000 + (at?.nanos ?? 0) / 1e6;

/** While it was half open, no more attempts may have begun than there are probes. */
function probeProblems(round: Round, { transitions }: BreakerView, lines: Iterable<string>): string[] {
  const asked = [...lines].map(askedOf);
  return transitions.flatMap(({ to, at }, n) => {
    if (to !== BreakerStatus.HALF_OPEN) return [];
    const [fromMs, untilMs] = [
      msOf(at),
      n + 1 < transitions.length ? msOf(transitions[n + 1]?.at) : Infinity,
    ];
    const begun = new Set(
      asked
        .filter(
          ({ atMs, key }) =>
            atMs >= fromMs && atMs < untilMs && round.runIds.includes(key.split("/")[0] ?? ""),
        )
        .map(({ key, attempt }) => `${key} attempt ${attempt}`),
    );
    return begun.size <= PROBES
      ? []
      : [`half open from ${fromMs} to ${untilMs}, let ${begun.size} begin: ${[...begun].join(", ")}`];
  });
}

/** For each run or item the dependency was asked, and it was done by one attempt. That no attempt was spent in vain shows in its end. */
function askedProblems(round: Round, effects: ReadonlyMap<string, number>): string[] {
  const done = new Map<string, Set<number>>();
  for (const line of effects.keys()) {
    const { key, attempt, answered } = askedOf(line);
    if (!round.runIds.includes(key.split("/")[0] ?? "")) continue;
    const attempts = done.get(key) ?? new Set();
    done.set(key, answered ? attempts.add(attempt) : attempts);
  }
  const problems = done.size === HELD ? [] : [`${done.size} of ${HELD} were ever asked for`];
  for (const [key, attempts] of done)
    if (attempts.size !== 1) problems.push(`${key} was done by ${attempts.size} attempts`);
  return problems;
}

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a node that is killed around half open lets out no more than the probes, and loses nothing that is held", {
  timeout: TEST_MS_MAX,
}, async () => {
  const random = Random.forTest("half-open");
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const down = join(running.folder, "down");
  await running.startWorker({
    modules: ["test/crash/dependency-workflow.ts"],
    env: { [EFFECTS_FILE]: effects, [DOWN_FILE]: down },
    concurrency: HELD * 2,
  });
  const client = await running.connect();
  const admin = await running.startAdmin();
  const killedIn = new Map<string, number>();
  let openings = 0;

  for (let n = 0; n < ROUNDS; n++) {
    const round = planned(n);
    const phase = PHASES[n % PHASES.length] as BreakerStatus;
    const known = (await breakerOf(admin, round))?.transitions.at(-1);
    writeFileSync(down, "");
    await begin(client, round);
    await until(
      "the breaker to open",
      async () => (await breakerOf(admin, round))?.status === BreakerStatus.OPEN,
    );
    const backUp = pause(random.between(0, 900)).then(() => rmSync(down));
    if (phase === BreakerStatus.RECOVERING) await backUp;
    await until("the breaker to come so far", async () => {
      const status = (await breakerOf(admin, round))?.status ?? 0;
      return status === phase || (phase === BreakerStatus.RECOVERING && status === BreakerStatus.CLOSED);
    });
    await pause(random.next() * ANSWER_MS * 2);
    const atKill = BreakerStatus[(await breakerOf(admin, round))?.status ?? 0] ?? "";
    await running.node.kill();
    killedIn.set(atKill, (killedIn.get(atKill) ?? 0) + 1);
    await backUp;
    await running.startNode();

    await until(
      `all runs of round ${n} to end`,
      async () =>
        (await client.list({ workflow: round.workflow, statuses: [RunStatus.RUNNING] })).runs.length === 0,
    );
    for (const runId of round.runIds) {
      const view = await client.get(runId);
      expect([runId, RunStatus[view.summary?.status ?? 0]]).toEqual([runId, "COMPLETED"]);
      expect(viewProblems(view)).toEqual([]);
      const counts = view.actions[0]?.items;
      if (counts === undefined) continue;
      expect(ledgerProblems(runId, await allItems(client, runId, "ask"), counts)).toEqual([]);
    }
    const asked = effectsOf(effects);
    expect(askedProblems(round, asked)).toEqual([]);
    const breaker = await until("what became of the breaker", () => breakerOf(admin, round));
    expect(breaker.held).toBe(0);
    const fresh = breaker.transitions.filter(({ at }) => msOf(at) > msOf(known?.at));
    openings += fresh.filter(({ to }) => to === BreakerStatus.OPEN).length;
    expect(probeProblems(round, { ...breaker, transitions: fresh }, asked.keys())).toEqual([]);
  }

  const found: string[] = [];
  for await (const { breaches } of admin.call.check({}))
    found.push(...breaches.map(({ rule, runId, message }) => `${rule} ${runId}: ${message}`));
  expect(found).toEqual([]);
  expect(openings).toBeGreaterThanOrEqual(ROUNDS);
  // Chance has to have hit each state.
  for (const phase of ROUNDS >= MANY_ROUNDS ? PHASES : [])
    expect([BreakerStatus[phase], killedIn.get(BreakerStatus[phase] ?? "")]).not.toContain(undefined);
  expect(running.children.flatMap((child) => child.logged("fatal"))).toEqual([]);
});
