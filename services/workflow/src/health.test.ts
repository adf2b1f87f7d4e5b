/** What a node says of itself over HTTP: ready and healthy are two things, and each is right at each moment. */
import { create } from "@bufbuild/protobuf";
import { type PartitionStatus, PartitionStatusSchema } from "@holdfast/proto";
import { expect, test } from "vitest";
import { healthOf, type NodeHealth, problemsOf, readinessOf } from "./health.js";

const partition = (state: string, problem = ""): PartitionStatus =>
  create(PartitionStatusSchema, { partition: 3, state, problem, owner: "node-a", epoch: 4n, appliedSeq: 7n });

const node = (given: Partial<NodeHealth> = {}): NodeHealth => ({
  ...{ node: "node-a", phase: "working", isConnected: true, warnings: [], partitions: [partition("acting")] },
  ...given,
});

test.each<[string, Partial<NodeHealth>, boolean, boolean]>([
  ["works and nothing is the matter", {}, true, true],
  ["waits for NATS", { phase: "connecting to NATS", isConnected: false, partitions: [] }, false, false],
  ["starts", { phase: "starting", partitions: [] }, false, false],
  ["drains", { phase: "draining" }, false, false],
  ["lost its connection", { isConnected: false }, false, false],
  [
    "has a problem with one of two partitions",
    { partitions: [partition("stopped", "its log is gone"), partition("acting")] },
    true,
    false,
  ],
  ["acts for none", { partitions: [partition("following", "taken by another")] }, false, false],
  ["acts, and its log is full", { partitions: [partition("acting", "the log is full")] }, true, false],
])("a node that %s", (_what, given, ready, healthy) => {
  expect([readinessOf(node(given)).ok, healthOf(node(given)).ok]).toEqual([ready, healthy]);
});

test("says each problem once, in words, and each partition in figures", () => {
  const given = node({ isConnected: false, partitions: [partition("acting", "the log is full")] });
  expect(problemsOf(given)).toEqual([
    expect.stringMatching(/^there is no connection to NATS/),
    "the log is full",
  ]);
  expect(healthOf(given).details).toMatchObject({
    phase: "working",
    partitions: [
      { partition: 3, phase: "acting", owner: "node-a", epoch: 4, applied: 7, problem: "the log is full" },
    ],
  });
});
