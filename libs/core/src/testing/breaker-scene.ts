/** A partition with workflow "pay" of one action "charge" whose dependency may fail: what tests of breakers play in. */
import {
  type Breaker,
  BreakerOpeningSchema,
  BreakerResetSchema,
  BreakerSchema,
  BreakerStatus,
  type ChangeBreaker,
  ChangeBreakerSchema,
  FailureMode,
  type Outcome,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { expect } from "vitest";
import { action, batch, define, failed, inline, ONE_ATTEMPT, start, succeeded, workflow } from "./build.js";

import { TestPartition } from "./partition.js";
import { breakerKey } from "../state/tables.js";

export const POLICY: Init<Breaker> = {
  failureRateBp: 5_000,
  minSamples: 2,
  windowMs: 10_000,
  openForMs: 1_000,
  maxOpenForMs: 3_000,
  probes: 1,
};

/** Partition with workflow "pay" of one action "charge". */
export function scene(policy: Init<Breaker> = {}, fields: Parameters<typeof action>[1] = {}): TestPartition {
  const partition = new TestPartition();
  const breaker = init(BreakerSchema, { ...POLICY, ...policy });
  partition.append(
    batch([define(workflow("pay", [action("charge", { breaker, retry: ONE_ATTEMPT, ...fields })]))]),
  );
  return partition;
}

export const begin = (partition: TestPartition, ...runs: string[]): void => {
  for (const run of runs)
    partition.send(start(run, "pay", { input: inline({ shop: run.slice(0, 1), rows: [1, 2, 3] }) }));
};
export const breakerOf = (partition: TestPartition, key = "") =>
  partition.view.get(breakerKey({ workflow: "pay", action: "charge", key }));
export const statusOf = (partition: TestPartition, key = ""): string =>
  BreakerStatus[breakerOf(partition, key)?.status ?? 0] ?? "";
export const fail = (partition: TestPartition, run: string, mode = FailureMode.UNAVAILABLE): unknown =>
  partition.finish(run, "charge", failed(mode));
export const succeed = (partition: TestPartition, run: string): unknown =>
  partition.finish(run, "charge", succeeded());
export const change = (
  partition: TestPartition,
  what: ChangeBreaker["change"],
  fields: Init<ChangeBreaker> = {},
): Outcome["result"] =>
  partition.control({
    case: "changeBreaker",
    value: init(ChangeBreakerSchema, {
      workflow: "pay",
      action: "charge",
      change: what,
      who: "ann",
      reason: "maintenance",
      ...fields,
    }),
  });
export const OPEN = (untilNs = 0n): ChangeBreaker["change"] => ({
  case: "open",
  value: init(BreakerOpeningSchema, { untilNs }),
});
export const RESET: ChangeBreaker["change"] = { case: "reset", value: init(BreakerResetSchema) };

/** Two failures: open. */
export function tripped(
  policy: Init<Breaker> = {},
  fields: Parameters<typeof action>[1] = {},
): TestPartition {
  const partition = scene(policy, fields);
  begin(partition, "f1", "f2");
  fail(partition, "f1");
  fail(partition, "f2");
  expect(statusOf(partition)).toBe("OPEN");
  return partition;
}

/** Open, and then half open with `held` runs held, of which one is out as the probe. */
export function halfOpen(held: number, policy: Init<Breaker> = {}): TestPartition {
  const partition = tripped(policy);
  for (let i = 1; i <= held; i++) begin(partition, `h${i}`);
  partition.pass(1_000);
  expect(statusOf(partition)).toBe("HALF_OPEN");
  return partition;
}
