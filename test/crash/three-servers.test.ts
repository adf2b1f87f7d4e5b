/** Streams of three copies on three servers: the one that leads is killed, and another time any, while runs go on. None is lost, none is done twice. */
import { join } from "node:path";
import { RunStatus } from "@holdfast/proto";
import { Holdfast } from "@holdfast/sdk";
import { connect } from "nats";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { ThreeServers } from "../support/three-servers.js";
import { forEachOf, until } from "../support/wait.js";
import { single } from "./workflows.js";

const RUNS = 200;
const AT_ONCE = 20;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

test("with three copies of each stream a server may die at any time", async () => {
  const three = await ThreeServers.start();
  closing.push(() => three.stop());
  const system = await System.start({ node: false });
  closing.push(() => system.stop());
  onTestFailed(() => {
    process.stdout.write(`${system.tail()}\n`);
  });
  const env = { HOLDFAST_NATS_URL: three.url };
  const effects = join(system.folder, "effects");
  await system.startNode({ ...env, HOLDFAST_REPLICAS: "3" });
  await system.startWorker({
    modules: ["test/crash/workflows.ts"],
    env: { ...env, [EFFECTS_FILE]: effects },
  });
  const client = await Holdfast.connect({ url: three.url, name: "test" });
  closing.push(() => client.close());

  const nc = await connect({ servers: three.url.split(",") });
  const copies: number[] = [];
  for await (const { config } of (await nc.jetstreamManager()).streams.list())
    copies.push(config.num_replicas);
  await nc.close();
  expect(new Set(copies)).toEqual(new Set([3]));

  const runIds = Array.from({ length: RUNS }, (_, n) => `run-${n}`);
  // A start that may have been taken is sent again under its id, as a client does.
  const begin = async (runId: string): Promise<void> => {
    const n = Number(runId.slice(4));
    await until(`${runId} to be taken`, () =>
      client.start(single, { n, ms: 50 }, { runId }).then(
        () => true,
        () => false,
      ),
    );
  };
  const begun = forEachOf(runIds, AT_ONCE, begin);
  await until("half of them to be there", async () => effectsOf(effects).size > RUNS / 4);
  const leader = await three.leaderOf("HOLDFAST_LOG_0");
  await three.killOne(leader);
  await begun;
  const ended = async (): Promise<boolean> =>
    (await client.list({ statuses: [RunStatus.COMPLETED], pageSize: RUNS + 1 })).runs.length === RUNS;
  await until("all runs to complete", ended);

  await three.startOne(leader);
  const other = (leader + 1) % 3;
  await until("the copies to be one again", async () => (await three.leaderOf("HOLDFAST_LOG_0")) >= 0);
  await three.killOne(other);
  await begin("run-200");
  await until("one more", async () => (await client.get("run-200")).summary?.status === RunStatus.COMPLETED);
  for (const runId of runIds.filter((_, n) => n % 20 === 0))
    expect(viewProblems(await client.get(runId))).toEqual([]);
  // By run and attempt: none was done twice, and none had to be tried again.
  const done = effectsOf(effects);
  expect(done.size).toBe(RUNS + 1);
  expect([...done.values()].every((times) => times === 1)).toBe(true);
  expect(system.children.flatMap((child) => child.logged("fatal"))).toEqual([]);
});
