/**
 * A client as a user would have one: the SDK's, in a process of its own. It starts runs, waits for them, and checks what became of each.
 */
import { Holdfast, jsonLines, RunStatus } from "@holdfast/sdk";
import { createLogger } from "@holdfast/telemetry";
import { collectGarbage } from "./memory-use.js";
import { type ConnectSettings, serveRole, settings } from "./role.js";
import {
  BAD_ROW_EVERY,
  chain,
  CHAIN_ACTIONS,
  fromInput,
  fromLines,
  fromOutput,
  guarded,
  healed,
  type ItemsFrom,
  type Row,
  rows,
  single,
  sleeping,
  stepped,
  STEPS,
  waiting,
  wideRows,
} from "./workflows.js";

export interface Load {
  readonly runs: number;
  /** Callers at once: each starts a run, waits for its result, and starts the next. */
  readonly callers: number;
}

export interface ManyItems {
  readonly from: ItemsFrom;
  readonly count: number;
}

/** Runs that begin at the same moment. */
export interface Delayed extends Load {
  /** From the first start to that moment. */
  readonly delayMs: number;
}

/** A run over so many items, of which so many fail until the worker is told that their cause is mended. */
export interface Heal {
  readonly count: number;
  readonly failed: number;
}

export interface Elapsed {
  readonly ms: number;
}

const { url } = settings() as ConnectSettings;
const logger = createLogger({ name: "bench-client", level: "warn" });
const client = await Holdfast.connect({ url, name: "bench-client", logger });

async function timed(work: () => Promise<void>): Promise<Elapsed> {
  const startedMs = performance.now();
  await work();
  return { ms: performance.now() - startedMs };
}

/** Calls `one` for 0 … `runs − 1`, `callers` at once. The first failure ends it. */
async function each({ runs, callers }: Load, one: (n: number) => Promise<void>): Promise<void> {
  let n = 0;
  const caller = async (): Promise<void> => {
    while (n < runs) await one(n++);
  };
  await Promise.all(Array.from({ length: Math.min(callers, runs) }, caller));
}

function expect(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what} is ${String(found)} where ${String(expected)} was to be`);
}

async function runSingle(n: number): Promise<void> {
  const { doubled } = await (await client.start(single, { n })).result();
  expect("a run's result", doubled, n * 2);
}

async function runGuarded(n: number): Promise<void> {
  const { doubled } = await (await client.start(guarded, { n })).result();
  expect("a guarded run's result", doubled, n * 2);
}

async function runChain(n: number): Promise<void> {
  const result = await (await client.start(chain, { n })).result();
  expect("a chain's result", result.n, n + CHAIN_ACTIONS);
}

async function runStepped(n: number): Promise<void> {
  const result = await (await client.start(stepped, { n })).result();
  expect("the result of a handler of steps", result.n, n + STEPS);
}

async function runItems(count: number): Promise<Elapsed> {
  const input = {
    rows: Array.from({ length: count }, (_, i) => ({
      id: `row-${i}`,
      price: i % BAD_ROW_EVERY === BAD_ROW_EVERY - 1 ? -1 : i,
    })),
  };
  let runId = "";
  const elapsed = await timed(async () => {
    const handle = await client.start(rows, input);
    runId = handle.runId;
    const { status } = await handle.ended();
    expect("the run's status", status, RunStatus.COMPLETED_WITH_FAILURES);
  });
  const { actions } = await client.get(runId);
  const counts = actions[0]?.items;
  const bad = Math.floor(count / BAD_ROW_EVERY);
  expect("the number of items", counts?.total, count);
  expect("the number of failed items", counts?.failed, bad);
  expect("the number of succeeded items", counts?.succeeded, count - bad);
  return elapsed;
}

async function manyItems({ from, count }: ManyItems): Promise<Elapsed> {
  let cents = 0;
  for (const { price } of wideRows(count)) cents += price * 100;
  return timed(async () => {
    const handle =
      from === "input"
        ? await client.start(fromInput, { rows: [...wideRows(count)] })
        : from === "output"
          ? await client.start(fromOutput, { count })
          : await client.start(fromLines, { file: await client.putArtifact(jsonLines(wideRows(count))) });
    const total = await handle.result();
    expect("the number of items of which there is an output", total.items, count);
    expect("the sum of all outputs", total.cents, cents);
  });
}

/** From the moment that all are due at until the last has ended. */
async function delayed({ delayMs, ...load }: Delayed): Promise<Elapsed> {
  const startAt = new Date(Date.now() + delayMs);
  const ends: Promise<unknown>[] = [];
  await each(load, async () => {
    const handle = await client.start(sleeping, null, { startAt });
    ends.push(
      handle.ended().then(({ status }) => expect("a delayed run's status", status, RunStatus.COMPLETED)),
    );
  });
  const leftMs = startAt.getTime() - Date.now();
  if (leftMs <= 0)
    throw new Error(`the runs were due before all ${load.runs} were accepted: delay them more`);
  await Promise.all(ends);
  return { ms: Date.now() - startAt.getTime() };
}

function* rowsOf({ count, failed }: Heal): Generator<Row> {
  const every = count / failed;
  for (let i = 0; i < count; i++) yield { id: `row-${i}`, price: i % every === every - 1 ? -1 : i };
}

/** Starts a run whose items fail, and resolves with its id once it has ended. */
async function failing(load: Heal): Promise<string> {
  const handle = await client.start(healed, { file: await client.putArtifact<Row>(jsonLines(rowsOf(load))) });
  const { status } = await handle.ended();
  expect("the status of a run that is to be healed", status, RunStatus.COMPLETED_WITH_FAILURES);
  const { actions } = await client.get(handle.runId);
  expect("the number of failed items", actions[0]?.items?.failed, load.failed);
  expect("the number of items after them", actions[1]?.items?.total, load.count - load.failed);
  return handle.runId;
}

async function heal({ runId, count, failed }: Heal & { readonly runId: string }): Promise<Elapsed> {
  const elapsed = await timed(async () => {
    const { items } = await client.retry(runId);
    expect("the number of items that set off again", items, failed);
    const { status } = await client.wait(runId);
    expect("the status of a healed run", status, RunStatus.COMPLETED);
  });
  const { actions } = await client.get(runId);
  expect("the number of healed items", actions[0]?.items?.succeeded, count);
  expect("the number of items after them", actions[1]?.items?.succeeded, count);
  return elapsed;
}

async function latency(count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let n = 0; n < count; n++) samples.push((await timed(() => runSingle(n))).ms);
  return samples;
}

const COUNT_LOOKS = 600;
const COUNT_PAUSE_MS = 100;

/** Starts runs whose action fails and waits for its next attempt; resolves once all of them wait. */
async function startWaiting(load: Load): Promise<void> {
  await each(load, async (n) => {
    await client.start(waiting, { n });
  });
  for (let look = 0; look < COUNT_LOOKS; look++) {
    const { active, ended } = await countsOf(waiting.name);
    expect("the number of waiting runs that ended", ended, 0);
    if (active === load.runs) return;
    await new Promise((resolve) => setTimeout(resolve, COUNT_PAUSE_MS));
  }
  throw new Error(`${load.runs} runs were started to wait, and not all of them are there`);
}

async function countsOf(workflow: string): Promise<{ active: number; completed: number; ended: number }> {
  const { workflows } = await client.counts(workflow);
  const found = workflows.find((counts) => counts.workflow === workflow);
  return {
    active: Number(found?.active ?? 0),
    completed: Number(found?.completed ?? 0),
    ended: Number(found?.ended ?? 0),
  };
}

serveRole(
  {
    single: (load: Load) => timed(() => each(load, runSingle)),
    guarded: (load: Load) => timed(() => each(load, runGuarded)),
    chain: (load: Load) => timed(() => each(load, runChain)),
    stepped: (load: Load) => timed(() => each(load, runStepped)),
    items: runItems,
    manyItems,
    delayed,
    failing,
    heal,
    latency,
    waiting: startWaiting,
    counts: countsOf,
    memory: collectGarbage,
  },
  () => client.close(),
);
