/**
 * A second node on the same NATS, a node that stands still, one that is killed and started at once, and an announcement that nobody
 * made: at each moment one node acts, health says how things are, and every run ends.
 */
import { join } from "node:path";
import { AnnounceOwnerSchema, CommandSchema, type PartitionStatus, RunStatus } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Holdfast } from "@holdfast/sdk";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Child } from "../support/child.js";
import { type Admin, PARTITIONS, System } from "../support/system.js";
import { until, within } from "../support/wait.js";

const END_MS = 30_000;

let system: System;
let client: Holdfast;
let admin: Admin;
let runs = 0;

beforeEach(async () => {
  system = await System.start();
  client = await system.connect();
  admin = await system.startAdmin();
  await system.startWorker({ modules: ["test/crash/workflows.ts"] });
});
afterEach(() => system.stop());

const elsewhere = (name: string) => ({ HOLDFAST_DATA: join(system.folder, name) });

async function health(node: Child, path = "healthz"): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${node.ready[2]}/${path}`, { signal: AbortSignal.timeout(10_000) });
  return { status: answer.status, text: await answer.text() };
}

const statuses = async (): Promise<Pick<PartitionStatus, "state" | "owner" | "problem">[]> =>
  (await admin.call.describeCluster({})).partitions;

async function expectWell(node: Child): Promise<void> {
  expect(await health(node)).toMatchObject({ status: 200 });
  expect((await health(node, "readyz")).status).toBe(200);
  for (const { state, owner, problem } of await statuses())
    expect([state, owner, problem]).toEqual(["acting", node.ready[1], ""]);
}

async function runsEnd(): Promise<void> {
  const handles = await Promise.all(
    Array.from({ length: 30 }, () => client.start("single", { n: 1, ms: 0 }, { runId: `run-${runs++}` })),
  );
  const ends = await within("the runs to end", Promise.all(handles.map((run) => run.ended())), END_MS);
  expect(ends.filter(({ status }) => status !== RunStatus.COMPLETED)).toEqual([]);
}

async function forge(partition: number, node: string): Promise<void> {
  const { epoch } = (await client.queries.status())[partition] as PartitionStatus;
  const value = init(AnnounceOwnerSchema, { node, epoch: epoch + 1n });
  const commands = [init(CommandSchema, { kind: { case: "announceOwner", value } })];
  await client.commands.send(partition, commands[0] as (typeof commands)[number]);
}

const EXIT_MS = 20_000;
const exitOf = (node: Child) => within("the node to end", node.exited, EXIT_MS);

test("a second node refuses to start, says why, and changes nothing for the first", async () => {
  const { node } = system;
  await runsEnd();
  const refused = await system.startNode(elsewhere("other")).catch((error: unknown) => String(error));
  expect(refused).toMatch(/ended with 1/);
  expect(refused).toMatch(
    new RegExp(`the node can't start: node ${node.ready[1]} .*is alive.*Stop that node first`),
  );
  await expectWell(node);
  await runsEnd();
  // On the same folder, too, where the disk would have told it as well.
  const again = await system.startNode().catch((error: unknown) => String(error));
  expect(again).toMatch(/is alive/);
  await expectWell(node);
});

test("a node that was killed a moment ago, or is still ending, is replaced at once", async () => {
  const first = system.node;
  await runsEnd();
  await first.kill();
  const second = await system.startNode();
  await expectWell(second);
  await runsEnd();
  const [, third] = await Promise.all([second.stop(), system.startNode()]);
  await expectWell(third);
  await runsEnd();
});

test("a node that stood still while another took its place ends when it comes back, and says why", async () => {
  const first = system.node;
  await runsEnd();
  first.pause();
  const second = await system.startNode(elsewhere("other"));
  await expectWell(second);
  await runsEnd();
  first.goOn();
  expect(await exitOf(first)).toEqual({ code: 1, signal: null });
  expect(first.tail(100)).toMatch(new RegExp(`the node ends: node ${second.ready[1]} .*is alive`));
  await expectWell(second);
  await runsEnd();
});

test("nodes that start at once on a new cluster: one stays", async () => {
  const first = system.node;
  await first.kill();
  const started = await Promise.allSettled([
    system.startNode(elsewhere("one")),
    system.startNode(elsewhere("two")),
    system.startNode(elsewhere("three")),
  ]);
  const nodes = started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const left = await until(
    "one node to be left",
    () => {
      const running = nodes.filter((node) => node.running);
      return running.length <= 1 && running;
    },
    EXIT_MS,
  );
  expect(left).toHaveLength(1);
  const last = left[0] as Child;
  await until("it to own all", async () => (await health(last)).status === 200, EXIT_MS);
  await expectWell(last);
  await runsEnd();
});

test("an announcement that nobody made is a problem in health and in the cluster at once, and heals by itself", async () => {
  const { node } = system;
  await runsEnd();
  for (const name of ["ghost", node.ready[1] ?? ""]) {
    for (let partition = 0; partition < PARTITIONS; partition++) await forge(partition, name);
    const seen = await until("health to tell it", async () => {
      const answer = await health(node);
      return answer.status === 503 && answer;
    });
    expect(seen.text).toMatch(/owner of partition \d by the log.*gives no sign of life/);
    // One after the other: while some are back, the next may be lost.
    await until("all to be taken back", () =>
      expectWell(node).then(
        () => true,
        () => false,
      ),
    );
    await runsEnd();
  }
  expect(node.running).toBe(true);
});
