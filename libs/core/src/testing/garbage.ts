/** Commands that nobody should send. */
import { type Command, PayloadSchema, PruneKind, TaskReportSchema, TimersFiredSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { cancel, command, pruning, report, retry, start } from "./build.js";
import { STRANGE_DELIVERIES } from "./message-moves.js";
import type { TestPartition } from "./partition.js";

export const GARBAGE: readonly ((partition: TestPartition) => Command)[] = [
  () => command({ case: undefined }),
  () => start("", "first"),
  () => start("../../etc", "first"),
  () => start("ok", "fir*st"),
  () => start("ok", "unknown"),
  () => start("ok", "first", { definitionHash: "Łódź" }),
  () => start("ok", "first", { input: init(PayloadSchema, { body: { case: "stored", value: 4 } }) }),
  () => command(retry("r1")),
  () => command(retry("r1"), { id: "\u{1f9e8}", issuedAtNs: 1n }),
  () => pruning({ kind: PruneKind.FAILED, workflow: "Ł", upToNs: 2n ** 64n - 1n }),
  () => pruning({ kind: 77 as PruneKind, workflow: "first" }),
  (partition) => command(retry("r1"), { id: "Ł", issuedAtNs: partition.nowNs }),
  (partition) => command(retry("x".repeat(10_000)), { id: "long", issuedAtNs: partition.nowNs }),
  () => command(cancel("r1"), { id: "ancient", issuedAtNs: 0n }),
  () => command(cancel("r1"), { id: "future", issuedAtNs: 2n ** 64n - 1n }),
  () => command({ case: "defineWorkflow", value: { $typeName: "holdfast.v1.DefineWorkflow", hash: "Ł" } }),
  () => report("r1", { action: 0, outcome: { case: undefined } }),
  () => command({ case: "taskReport", value: init(TaskReportSchema) }),
  ...STRANGE_DELIVERIES,
  () => command({ case: "timersFired", value: init(TimersFiredSchema, { upToNs: 2n ** 64n - 1n }) }),
];
