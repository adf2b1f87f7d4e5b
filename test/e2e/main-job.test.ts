/**
 * The main job, as its users do it: published by a plain NATS client, failed in part, looked at and healed over gRPC, with node,
 * admin service and worker in processes of their own.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  ActionStatus,
  FailureMode,
  ItemStatus,
  RecoveryStrategy,
  type RetryOutcome,
  RunStatus,
  StartRunRequestSchema,
} from "@holdfast/proto";
import type { Holdfast } from "@holdfast/sdk";
import { connect, headers, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { allItems, ledgerProblems, viewProblems } from "../support/run-rules.js";
import { type Admin, System } from "../support/system.js";
import { until, within } from "../support/wait.js";
import { MENDED_FILE, type Order } from "./order-workflow.js";

const ORDERS = 200;
const isBad = (order: number): boolean => order % 9 === 4;

let system: System;
let admin: Admin;
let client: Holdfast;
let nats: NatsConnection;
let effects: string;

beforeAll(async () => {
  system = await System.start();
  effects = join(system.folder, "effects");
  const env = { [EFFECTS_FILE]: effects, [MENDED_FILE]: join(system.folder, "mended") };
  await system.startWorker({ modules: ["test/e2e/order-workflow.ts"], env });
  admin = await system.startAdmin();
  client = await system.connect();
  nats = await connect({ servers: system.url });
  system.onStop(() => nats.close());
});
afterAll(() => system.stop());

const orders = (count: number): Order[] =>
  Array.from({ length: count }, (_, order) => ({ order, amount: isBad(order) ? -1 : order }));

test("published work fails in part, shows what and why, and is healed by one retry", async () => {
  const input = JSON.stringify({ orders: orders(ORDERS) });
  const hdrs = headers();
  hdrs.set("Holdfast-Run-Id", "june");
  const answer = await nats.request("holdfast.work.orders", input, { headers: hdrs, timeout: 60_000 });
  // JetStream's own acknowledgement: from here on the work is durable.
  expect(JSON.parse(answer.string())).toMatchObject({ stream: "HOLDFAST_WORK" });
  const bad = orders(ORDERS).filter(({ order }) => isBad(order));
  const good = orders(ORDERS).filter(({ order }) => !isBad(order));

  await until("the run to end", async () => {
    const run = await admin.call.getRun({ runId: "june" }).catch(() => undefined);
    return run?.run?.summary?.endedAt !== undefined;
  });
  const { run } = await admin.call.getRun({ runId: "june" });
  expect(run?.summary).toMatchObject({
    status: RunStatus.COMPLETED_WITH_FAILURES,
    tally: { ok: 2, partial: 1, skip: 0, error: 0 },
    generation: 1,
  });
  expect(run?.summary?.retryableUntil).toBeDefined();
  expect(run?.recommendation).toMatchObject({
    strategy: RecoveryStrategy.MANUAL,
    mode: FailureMode.VALIDATION,
  });
  expect(run?.recommendation?.reason).not.toBe("");
  expect(run?.origin).toContain("subject holdfast.work.orders");
  expect(run?.actions.map(({ name, status }) => [name, status])).toEqual([
    ["check", ActionStatus.COMPLETED_WITH_FAILURES],
    ["ship", ActionStatus.COMPLETED],
    ["report", ActionStatus.COMPLETED],
  ]);

  const failed = await admin.call.listItems({
    runId: "june",
    action: "check",
    statuses: [ItemStatus.FAILED],
    pageSize: 1_000,
  });
  expect(failed.items.map(({ index }) => index)).toEqual(bad.map(({ order }) => order));
  for (const item of failed.items) {
    const order = bad.find((one) => one.order === item.index);
    expect(item.failure).toMatchObject({
      mode: FailureMode.VALIDATION,
      message: `order ${item.index} has a negative amount`,
    });
    expect(JSON.parse(item.inputSnapshot)).toEqual(order);
    expect(item.attempts).toBe(1);
  }
  expect(failed.counts).toMatchObject({ total: ORDERS, succeeded: good.length, failed: bad.length });

  // Mended, and retried by one call.
  writeFileSync(join(system.folder, "mended"), "");
  let outcome: RetryOutcome | undefined;
  for await (const { kind } of admin.call.retryFailed({ workflow: "orders", reason: "the sign was wrong" }))
    if (kind.case === "outcome") outcome = kind.value;
  expect(outcome).toMatchObject({
    matched: 1n,
    retried: 1n,
    refused: 0n,
    raced: 0n,
    prunedPastRetention: 0n,
  });
  const ended = await within("the run to heal", client.wait("june"));
  expect(ended.status).toBe(RunStatus.COMPLETED);

  const healed = await client.get("june");
  expect(viewProblems(healed)).toEqual([]);
  expect(healed.summary?.generation).toBe(2);
  for (const { name, items } of healed.actions) {
    if (items === undefined) continue;
    expect(items).toMatchObject({ total: ORDERS, succeeded: ORDERS });
    expect(ledgerProblems(name, await allItems(client, "june", name), items)).toEqual([]);
  }
  // Per-item dependants ran for the healed alone, the whole-set one again, over all.
  const done = effectsOf(effects);
  expect(good.filter(({ order }) => done.get(`june/ship/${order}`) !== 1)).toEqual([]);
  expect(good.filter(({ order }) => done.get(`june/check/${order}`) !== 1)).toEqual([]);
  expect(bad.filter(({ order }) => done.get(`june/ship/${order}`) !== 1)).toEqual([]);
  expect(bad.filter(({ order }) => done.get(`june/check/${order}`) !== 2)).toEqual([]);
  expect(done.get("june/report")).toBe(2);
  expect(await client.payloads.decode(healed.output, "the report")).toEqual({ shipped: ORDERS });
  const retried = healed.events.filter(({ type }) => type === "run_retried");
  expect(retried.map(({ detail }) => detail)).toEqual([expect.stringContaining("the sign was wrong")]);
  expect(existsSync(effects)).toBe(true);
});

test("the same message twice is one run; protobuf and JSON are as good as each other", async () => {
  const publish = async (id: string, body: string | Uint8Array): Promise<void> => {
    const hdrs = headers();
    hdrs.set("Nats-Msg-Id", id);
    if (typeof body !== "string") hdrs.set("Content-Type", "application/x-protobuf");
    await nats.request("holdfast.work.orders", body, { headers: hdrs, timeout: 60_000 });
  };
  const before = await client.counts("orders");
  const body = JSON.stringify({ orders: orders(3) });
  await publish("july-1", body);
  await publish("july-1", body);
  const binary = create(StartRunRequestSchema, { workflow: "orders", inputJson: body });
  await publish("july-2", toBinary(StartRunRequestSchema, binary));
  await until("both runs to end", async () => {
    const { total } = await client.counts("orders");
    return total.ended - before.total.ended >= 2n && total.active === 0n;
  });
  expect((await client.counts("orders")).total.ended - before.total.ended).toBe(2n);
});
