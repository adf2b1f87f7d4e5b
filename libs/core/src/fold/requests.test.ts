/** Requests between actors that should not be, or come too late: each is refused or passed over, and changes nothing else. */
import {
  CancelRequestedSchema,
  FailureMode,
  MessageMarkRecordSchema,
  type PartitionMessage,
  PruneKind,
  RecoveryStrategy,
  RequestEndedSchema,
  RequesterSchema,
  RequestingActionSchema,
  RequestRefusedSchema,
  RetryRequestedSchema,
  RunEndedSchema,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { OUTBOX_MESSAGES_MAX } from "../limits.js";
import { partitionOf } from "../names.js";
import { outboxKey, receivedMarkKey, runKey, sentMarkKey } from "../state/tables.js";
import { delivery, failed, pruning, retry, succeeded } from "../testing/build.js";
import {
  allHold,
  begin,
  childOf,
  cluster,
  control,
  finish,
  of,
  run,
  setUp,
  status,
} from "../testing/child-scene.js";
import { differences } from "../testing/memory-view.js";

beforeEach(() => setUp());

const DAY_MS = 24 * 3600 * 1000;

/** Brings a message to where a run lives, as if its own partition had sent it. The changed keys but those of the books. */
function bring(runId: string, kind: PartitionMessage["kind"]): string[] {
  const partition = cluster.of(runId);
  const from = partition.number;
  const before = partition.view.dump();
  const firstN = (partition.view.get(receivedMarkKey(from))?.n ?? 0n) + 1n;
  const incarnation = 1n;
  expect(partition.send(delivery([kind], { from, firstN, incarnation })).case).toBe("accepted");
  const changed = differences(before, partition.view.dump());
  return changed.filter((key) => key !== "A" && key !== receivedMarkKey(from));
}

const by = (runId: string, action = 0, attempt = 1) =>
  init(RequesterSchema, {
    of: { case: "action", value: init(RequestingActionSchema, { runId, action, attempt }) },
    depth: 1,
  });
const retryOf = (runId: string, requester = by("stranger")): PartitionMessage["kind"] => ({
  case: "retryRequested",
  value: init(RetryRequestedSchema, { runId, requester, strategy: RecoveryStrategy.RETRY_ALL, force: true }),
});
const cancelOf = (runId: string, requester = by("stranger")): PartitionMessage["kind"] => ({
  case: "cancelRequested",
  value: init(CancelRequestedSchema, { runId, requester, reason: "mine" }),
});
const endOf = (runId: string, requester: ReturnType<typeof by>): PartitionMessage["kind"] => ({
  case: "requestEnded",
  value: init(RequestEndedSchema, {
    requester,
    ended: init(RunEndedSchema, { runId, status: RunStatus.COMPLETED }),
    generation: 9,
  }),
});
const refusalOf = (runId: string, requester: ReturnType<typeof by>): PartitionMessage["kind"] => ({
  case: "requestRefused",
  value: init(RequestRefusedSchema, { runId, requester, code: 3, message: "no" }),
});

describe("a run is none of a stranger's", () => {
  test("whose retry is refused as if there were no such run", () => {
    const child = begin();
    finish(child, "work", failed());
    const changed = bring(child, retryOf(child));
    expect(run(child)).toMatchObject({ status: RunStatus.FAILED, generation: 1 });
    expect(changed.filter((key) => key.startsWith("r"))).toEqual([]);
    const { view } = cluster.of(child);
    const to = partitionOf("stranger", cluster.partitions.length);
    const answer = view.get(outboxKey(to, view.get(sentMarkKey(to))?.n ?? 0n))?.message?.kind;
    expect(answer).toMatchObject({ case: "requestRefused", value: { runId: child } });
  });

  test("whose cancel changes nothing", () => {
    const child = begin();
    expect(bring(child, cancelOf(child))).toEqual([]);
    expect(bring("nobody", cancelOf("nobody"))).toEqual([]);
    expect(bring("Ł", cancelOf("Ł", by("p")))).toEqual([]);
    expect(status(child)).toBe("RUNNING");
  });

  test("whose retry without a name nobody can answer", () => {
    const child = begin();
    const value = init(RetryRequestedSchema, { runId: child });
    expect(bring(child, { case: "retryRequested", value })).toEqual([]);
  });
});

describe("an answer that nobody waits for changes nothing", () => {
  test.each([
    ["of another run", () => endOf("other", by("p"))],
    ["to another attempt", () => endOf(childOf("p", "sub"), by("p", 0, 2))],
    ["to an action with a handler", () => endOf(childOf("p", "sub"), by("p", 1))],
    ["to no action", () => endOf(childOf("p", "sub"), by("p", 99))],
    ["to no run", () => endOf(childOf("p", "sub"), by("Ł"))],
    ["a refusal of another run", () => refusalOf("other", by("p"))],
    ["a refusal to another attempt", () => refusalOf(childOf("p", "sub"), by("p", 0, 2))],
    [
      "without an end",
      () => ({ case: "requestEnded" as const, value: init(RequestEndedSchema, { requester: by("p") }) }),
    ],
    ["to nobody", () => ({ case: "requestEnded" as const, value: init(RequestEndedSchema) })],
  ])("%s", (_what, kind) => {
    begin();
    expect(bring("p", kind())).toEqual([]);
    expect(of("p", "sub")).toBe("WAITING");
    allHold();
  });

  test("a cancel of a run that has ended", () => {
    const child = begin();
    finish(child, "work", succeeded());
    expect(bring(child, cancelOf(child, by("p")))).toEqual([]);
  });
});

test("a child that was pruned is begun anew, not retried", () => {
  const child = begin();
  finish(child, "work", failed());
  const old = cluster.of(child);
  for (const partition of cluster.partitions) partition.nowNs += BigInt(8 * DAY_MS) * 1_000_000n;
  // Pruned all the same, as by a build whose runs did not ask.
  old.view.put(runKey(child), { ...run(child), unneeded: true });
  old.asOwner(pruning({ kind: PruneKind.FAILED, workflow: "leaf", upToNs: 2n ** 64n - 1n }));
  expect(old.view.get(runKey(child))).toBeUndefined();
  control("p", retry("p"));
  const second = childOf("p", "sub");
  expect(second).not.toBe(child);
  finish(second, "work");
  finish("p", "after");
  expect(status("p")).toBe("COMPLETED");
  allHold();
});

test("where too many messages wait for a partition, no more is asked of it, and that may pass", () => {
  const home = cluster.of("p");
  for (let to = 0; to < cluster.partitions.length; to++)
    home.view.put(sentMarkKey(to), init(MessageMarkRecordSchema, { n: BigInt(OUTBOX_MESSAGES_MAX) }));
  expect(cluster.start("p", "parent").case).toBe("accepted");
  expect(home.action("p", "sub").failure).toMatchObject({
    mode: FailureMode.UNAVAILABLE,
    message: expect.stringContaining("too many wait"),
  });
  expect(status("p")).toBe("FAILED");
});
