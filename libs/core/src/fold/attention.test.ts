/** Runs that need a person: told of once, kept for as long as they do, and how far the telling has come. */
import {
  AttentionKind,
  AttentionToldSchema,
  FailureMode,
  PruneKind,
  RecoveryPolicySchema,
  RejectCode,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import { appliedKey } from "../state/tables.js";
import {
  action,
  batch,
  command,
  define,
  failed,
  ONE_ATTEMPT,
  pruning,
  retry,
  retryPolicy,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";

let at: TestPartition;
beforeEach(() => {
  at = new TestPartition();
  at.announce();
  const only = [action("only", { retry: ONE_ATTEMPT })];
  const recovery = init(RecoveryPolicySchema, {
    auto: true,
    maxAttempts: 1,
    backoff: retryPolicy({ initialBackoffMs: 10 }),
  });
  at.append(batch([define(workflow("one", only)), define(workflow("auto", only, { recovery }))]));
});

const endIn = (mode: FailureMode, runId = "r", name = "one"): void => {
  at.send(start(runId, name));
  at.finish(runId, "only", failed(mode));
};
const told = () =>
  at.effects.flatMap((effect) => (effect.kind === "attention" ? [AttentionKind[effect.attention.kind]] : []));
const kept = (): string[] =>
  at.view.keysOf("K").map((key) => {
    const { kind = 0, runId } =
      at.view.get<{ attention?: { kind: number; runId: string } }>(key)?.attention ?? {};
    return `${AttentionKind[kind]} ${runId}`;
  });

test.each([
  [FailureMode.VALIDATION, "MANUAL"],
  [FailureMode.POLICY_SECURITY, "MANUAL"],
  [FailureMode.STUCK, "STUCK"],
] as const)("a run that failed in mode %s is told and kept as %s", (mode, kind) => {
  endIn(mode);
  expect(told()).toEqual([kind]);
  expect(kept()).toEqual([`${kind} r`]);
  checkPartition(at);
});

test("a run that an operator may simply retry needs nobody", () => {
  endIn(FailureMode.NETWORK);
  expect([told(), kept()]).toEqual([[], []]);
});

test("a run is told of once its recoveries are spent, and not before", () => {
  endIn(FailureMode.NETWORK, "r", "auto");
  expect([told(), kept()]).toEqual([[], []]);
  at.pass(1_000);
  at.finish("r", "only", failed(FailureMode.NETWORK));
  expect([told(), kept()]).toEqual([["RECOVERIES_SPENT"], ["RECOVERIES_SPENT r"]]);
});

test("a run that is set off again needs nobody; failed again, it is told again", () => {
  endIn(FailureMode.VALIDATION);
  at.control(retry("r"));
  expect(kept()).toEqual([]);
  checkPartition(at);
  at.finish("r", "only", failed(FailureMode.VALIDATION));
  expect([told(), kept()]).toEqual([["MANUAL"], ["MANUAL r"]]);
  at.control(retry("r"));
  at.finish("r", "only", succeeded());
  expect([at.run("r").status, kept()]).toEqual([RunStatus.COMPLETED, []]);
  checkPartition(at);
});

test("a run that is pruned leaves nothing to look at", () => {
  endIn(FailureMode.VALIDATION);
  at.nowNs += 8n * 24n * 3_600_000_000_000n;
  at.asOwner(pruning({ kind: PruneKind.FAILED, workflow: "one", sweepNs: 1n, upToNs: 2n ** 64n - 1n }));
  expect([at.view.keysOf("r"), kept()]).toEqual([[], []]);
  checkPartition(at);
});

const mark = (upToSeq: bigint) =>
  command({ case: "attentionTold", value: init(AttentionToldSchema, { upToSeq }) }, { correlation: 9n });
const marked = () => at.view.get(appliedKey)?.attentionToldSeq;

test("how far it was told goes forward only, and never beyond the log", () => {
  endIn(FailureMode.VALIDATION);
  const seq = BigInt(at.log.length);
  at.asOwner(mark(seq));
  at.asOwner(mark(seq - 1n));
  expect(marked()).toBe(seq);
  expect(at.asOwner(mark(seq + 100n))[0]?.result).toMatchObject({
    case: "rejected",
    value: { code: RejectCode.MALFORMED },
  });
  expect(marked()).toBe(seq);
});

test("how far it was told is the owner's to say", () => {
  expect(at.send(mark(1n))).toMatchObject({ case: "rejected", value: { code: RejectCode.UNSUPPORTED } });
  expect(marked()).toBe(0n);
});
