/** The dead-letter set on the real parts: moved, listed, announced, retried, discarded; the same after the node was killed. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deadLetterSubject } from "@holdfast/engine";
import {
  type DeadLetter,
  DeadLetterBatchSchema,
  FailureMode,
  type RunView,
  RunStatus,
} from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import type { Holdfast } from "@holdfast/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Admin, System } from "../support/system.js";
import { until, within } from "../support/wait.js";
import { MENDED_FILE } from "./dead-letters-workflow.js";

const RUNS = 8;

let system: System;
let admin: Admin;
let client: Holdfast;
let mended: string;
const told: DeadLetter[] = [];

beforeAll(async () => {
  system = await System.start();
  mended = join(system.folder, "mended");
  client = await system.connect();
  admin = await system.startAdmin();
  await system.startWorker({
    modules: ["test/e2e/dead-letters-workflow.ts"],
    env: { [MENDED_FILE]: mended },
  });
  for (const workflow of ["mails", "letters", "bills"])
    client.ports.bus.subscribe(deadLetterSubject(workflow), ({ data }) => {
      told.push(...decode(DeadLetterBatchSchema, data).letters);
    });
});
afterAll(() => system.stop());

async function shown(runId: string): Promise<RunView> {
  const { run } = await admin.call.getRun({ runId });
  if (run === undefined) throw new Error(`run ${runId} is not shown`);
  return run;
}

/** Each dead letter as `run` or `run/action#item`, the last moved first. */
async function listed(filter: { workflow?: string; modes?: FailureMode[] } = {}): Promise<string[]> {
  const names: string[] = [];
  let pageToken = "";
  do {
    const page = await admin.call.listDeadLetters({ ...filter, pageSize: 3, pageToken });
    for (const { runId, action, item } of page.letters)
      names.push(item === undefined ? runId : `${runId}/${action}#${item}`);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return names;
}

async function breaches(): Promise<string[]> {
  const found: string[] = [];
  for await (const { breaches: some } of admin.call.check({}))
    found.push(...some.map(({ rule, message }) => `${rule} ${message}`));
  return found;
}

test("runs and items are moved, listed and announced; by the workflow's policy, too", async () => {
  const ids = Array.from({ length: RUNS }, (_, n) => `m-${n}`);
  const runs = await Promise.all(ids.map((runId) => client.start("mails", { to: runId }, { runId })));
  const list = await client.start("letters", { rows: [0, 1, 2, 3, 4, 25] }, { runId: "l-1" });
  const bill = await client.start("bills", {}, { runId: "b-1" });
  const ended = await within("their ends", Promise.all([...runs, list, bill].map((run) => run.ended())));
  expect(new Set(ended.map(({ status }) => RunStatus[status]))).toEqual(
    new Set(["FAILED", "COMPLETED_WITH_FAILURES"]),
  );
  for (const runId of ids) await admin.call.moveToDeadLetters({ runId, reason: "poison" });
  const named = { action: "check", items: [1], itemKeys: ["25"] };
  await admin.call.moveToDeadLetters({ runId: "l-1", ...named, reason: "asked" });
  const mine = ["l-1/check#5", "l-1/check#1", ...ids.toReversed()];
  expect((await listed()).filter((name) => name !== "b-1")).toEqual(mine);
  expect(await listed({ workflow: "bills" })).toEqual(["b-1"]);
  expect(await listed({ modes: [FailureMode.TIMEOUT] })).toEqual([]);
  await until("all to be announced", () => told.length >= RUNS + 2);
  expect(new Set(told.map(({ runId }) => runId))).toEqual(new Set([...ids, "l-1", "b-1"]));
  expect(told.find(({ runId }) => runId === "b-1")).toMatchObject({
    byPolicy: true,
    reason: "its 1 recoveries are spent",
  });
  expect(told.find(({ runId }) => runId === "l-1")).toMatchObject({
    action: "check",
    items: [1, 5],
    who: "a test",
    failure: "no answer to row 1",
  });
  const { counts } = { counts: await client.counts() };
  expect(counts.total.deadLetters).toBe(BigInt(RUNS + 3));
});

test("after the node was killed, and again as it moves more, the set is the same, and each move was announced", async () => {
  const before = await listed();
  await system.node.kill();
  const starting = client.start("mails", { to: "late" }, { runId: "m-late" });
  await system.startNode();
  await within("its end", (await starting).ended());
  expect(await listed()).toEqual(before);
  told.length = 0;
  const moving = client.moveToDeadLetters("m-late", { reason: "poison", requestId: "move-late" });
  moving.catch(() => undefined);
  await system.node.kill();
  await system.startNode();
  await client.moveToDeadLetters("m-late", { reason: "poison", requestId: "move-late" });
  expect(await listed()).toEqual(["m-late", ...before]);
  await until("it to be announced", () => told.some(({ runId }) => runId === "m-late"));
  expect((await shown("m-late")).events.filter(({ type }) => type === "dead_lettered")).toHaveLength(1);
  expect(await breaches()).toEqual([]);
});

test("what was discarded is out, with who, when and why; without a reason it is refused", async () => {
  await expect(admin.call.discardDeadLetters({ runId: "m-0", reason: " " })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  const kept = (await shown("m-0")).deadLetters[0];
  expect(kept).toMatchObject({ who: "a test", reason: "poison", mode: FailureMode.NETWORK });
  await admin.call.discardDeadLetters({ runId: "m-0", reason: "address is wrong" });
  const run = await shown("m-0");
  expect(run.deadLetters).toEqual([]);
  expect(run.discarded).toMatch(/^discarded by a test at .+ UTC: address is wrong$/);
  expect(run.events.at(-1)).toMatchObject({
    type: "discarded",
    detail: "the run by a test: address is wrong",
  });
  expect(Number(run.summary?.retryableUntil?.seconds)).toBeLessThan(Number(kept?.keptUntil?.seconds));
  await expect(admin.call.discardDeadLetters({ runId: "m-0", reason: "again" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
  });
});

test("once its cause is mended, a retry heals and takes it out", async () => {
  await writeFile(mended, "");
  for (const runId of ["m-1", "l-1", "b-1"]) await admin.call.retryRun({ runId, reason: "mended" });
  for (const runId of ["m-1", "l-1", "b-1"])
    expect(RunStatus[(await within(runId, client.wait(runId))).status]).toBe("COMPLETED");
  const left = await listed();
  expect(left).toContain("m-2");
  expect(left.filter((name) => /^(m-1|l-1|b-1)(\/|$)/.test(name))).toEqual([]);
  expect(await breaches()).toEqual([]);
});
