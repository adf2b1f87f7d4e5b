/**
 * Any sequence of what may reach a partition: work, reports of every kind, items, time, retries, cancels, repetitions, garbage.
 * A move is drawn blindly and made into a command by the state it meets, so that a failing sequence shrinks well.
 */
import {
  AttentionToldSchema,
  CheckpointStepSchema,
  type Command,
  type CommandBatch,
  DecideApprovalSchema,
  FailureMode,
  FailureSchema,
  ItemsLoadedSchema,
  OnConflict,
  PruneKind,
  RestartSchema,
  RunStatus,
  SignalRunSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import type { DueTask } from "../effects.js";
import {
  batch,
  command,
  failure,
  inline,
  json,
  loaded,
  ownerStamp,
  pruning,
  report,
  start,
  timersFired,
} from "./build.js";
import { GARBAGE } from "./garbage.js";
import { usageOf } from "./guardrail-moves.js";
import { letGo, ownMessages } from "./message-moves.js";
import { jobOutcome, someBatchResults } from "./batch-moves.js";
import { heldMove } from "./breaker-moves.js";
import { deadLetterMove, discardMove } from "./dead-letter-moves.js";
import type { Move } from "./move-kinds.js";
import { bulkMove, bulkStepMove } from "./bulk-moves.js";
import { instantMove, planMove, scheduleMove } from "./schedule-moves.js";
import { OUTCOMES } from "./outcomes.js";
import { retryItemsMove, retryMove } from "./retry-moves.js";
import {
  at,
  breakerMove as changeBreakerMove,
  cancelMove,
  pauseMove,
  pauseWorkflowMove,
  retentionMove,
  RUNS,
  WORKFLOWS,
} from "./control-moves.js";
import { appliedKey, runKey } from "../state/tables.js";
import { arbitraryDefinition, SIGNAL } from "./arbitrary-definition.js";
import { breachMove } from "./breach-move.js";
import { MS, type TestPartition } from "./partition.js";

export {
  arbitraryMove,
  breakerMove,
  deadLetterMoves,
  bulkMoves,
  endingMove,
  type Move,
  scheduleMoves,
} from "./move-kinds.js";

/** Any definitions of them; actions of the first may be runs of the second. */
export const arbitraryDefinitions = fc.tuple(
  arbitraryDefinition("first", "second"),
  arbitraryDefinition("second"),
);

export class Mover {
  private controls: Command[] = [];
  private lastReport: Command | undefined;
  private correlation = 0n;
  private reported = new Set<DueTask>();

  constructor(
    private readonly partition: TestPartition,
    /** Runs that are begun from outside. */
    private readonly runs: readonly string[] = RUNS,
  ) {}

  /** Runs that there may be: those begun from outside, and their children. */
  private known(): string[] {
    const there = this.partition.view.keysOf("r").map((key) => key.slice(1));
    return [...new Set([...this.runs, ...there])];
  }

  private paused(): string[] {
    return this.known().filter(
      (runId) => this.partition.view.get(runKey(runId))?.status === RunStatus.PAUSED,
    );
  }

  /** Makes moves into entries: a move that is joined shares the entry of the one before, where their sender is the same. */
  entries(moves: readonly Move[], fold: (batchOf: CommandBatch) => void): void {
    for (let i = 0; i < moves.length; ) {
      let end = i + 1;
      while (end < moves.length && moves[end]?.joined === true && end - i < 4) end += 1;
      this.entry(moves.slice(i, end), fold);
      i = end;
    }
  }

  private entry(moves: readonly Move[], fold: (batchOf: CommandBatch) => void): void {
    this.reported = new Set();
    const mine: Command[] = [];
    const owners: Command[] = [];
    for (const move of moves) {
      const made = this.commandOf(move);
      if (made !== undefined) (isOwners(made) ? owners : mine).push(made);
      else if (move.kind === "announce") this.partition.announce(`node-${move.pick}`);
      else if (move.kind === "old-owner")
        fold(batch([timersFired(2n ** 64n - 1n)], { owner: ownerStamp(BigInt(move.pick % 3), 0n) }));
    }
    if (mine.length > 0) fold(batch(mine));
    if (owners.length === 0) return;
    this.partition.ownerN += 1n;
    fold(batch(owners, { owner: ownerStamp(this.partition.epoch, this.partition.ownerN) }));
  }

  private commandOf(move: Move): Command | undefined {
    const made = this.make(move);
    if (made === undefined) return undefined;
    this.correlation += 1n;
    return command(made.kind, { id: made.id, issuedAtNs: made.issuedAtNs, correlation: this.correlation });
  }

  private make({ kind, pick, how }: Move): Command | undefined {
    const { partition } = this;
    switch (kind) {
      case "start":
        return start(at(this.runs, pick), at(WORKFLOWS, how), {
          input: inline({ rows: [1, 2, 3] }),
          onConflict: (how % 4) as OnConflict,
          notifyEnd: how % 2 === 0,
          startAtNs: how % 8 === 5 ? partition.nowNs + 50n * MS : 0n,
          restarts:
            how % 4 === 2
              ? init(RestartSchema, { runId: at(this.known(), pick >> 1), who: "ann" })
              : undefined,
          compareInput: how % 3 === 0,
        });
      case "report":
        return this.report([...partition.open.values()], pick, how);
      case "report-undo":
        return this.report(
          [...partition.open.values()].filter((task) => partition.run(task.runId).undo !== undefined),
          pick,
          // Success, a failure that is retried, or any outcome.
          [0, 13, how][how % 3] ?? how,
        );
      case "report-twice":
        return this.lastReport;
      case "results":
        return someBatchResults(partition, pick, how);
      case "checkpoint":
        return this.checkpoint(pick, how);
      case "stale-report":
        return report(at([...this.runs, "Łódź", "", "a\0b"], pick), {
          action: at([0, 1, 5, 255, 65_537, 4_294_967_295], how),
          item: at([undefined, 0, 1, 70_000, 4_294_967_295], pick),
          attempt: at([0, 1_000, 4_294_967_295], how + pick),
          outcome: at(OUTCOMES, how)(),
        });
      case "load":
        return this.load(pick, how);
      case "wrong-load":
        return this.wrongLoad(pick, how);
      case "pass-time":
        partition.nowNs += BigInt(pick * 4) * MS;
        return timersFired(
          at(
            [partition.nowNs + 5n * MS, 0n, partition.nowNs - 20n * MS, 2n ** 64n - 1n],
            how % 7 < 4 ? 0 : how,
          ),
        );
      case "retry":
        return this.control(retryMove(partition, this.known(), pick, how));
      case "retry-items":
        return this.control(retryItemsMove(partition, this.known(), pick, how));
      case "signal": {
        const runId = at([...this.known(), "nobody"], pick);
        const name = at([SIGNAL, SIGNAL, SIGNAL, "other", "no way"], how);
        return this.control({
          case: "signalRun",
          value: init(SignalRunSchema, { runId, name, payload: inline(how), who: "ann" }),
        });
      }
      case "decide": {
        const runId = at([...this.known(), "nobody"], pick);
        const action = at(["", "a0", "a1", "a2", "a3", "zz"], how);
        const approved = how % 3 !== 0;
        return this.control({
          case: "decideApproval",
          value: init(DecideApprovalSchema, { runId, action, approved }),
        });
      }
      case "prune": {
        // From a moment to longer than any floor.
        partition.nowNs +=
          at([0n, 0n, HOUR_NS, 25n * HOUR_NS, 8n * 24n * HOUR_NS, 31n * 24n * HOUR_NS], how) + 1n;
        const sweep = { workflow: at(WORKFLOWS, pick), sweepNs: BigInt(how % 3), upToNs: 2n ** 64n - 1n };
        const garbage = partition.view.keysOf("g")[0];
        return garbage !== undefined && how % 2 === 0
          ? pruning({ kind: PruneKind.GARBAGE, runId: garbage.slice(1) })
          : pruning({
              kind: at([PruneKind.COMPLETED, PruneKind.FAILED, PruneKind.DEAD_LETTERS], pick >> 1),
              ...sweep,
            });
      }
      case "dead-letter":
        return this.control(deadLetterMove(partition, this.known(), pick, how));
      case "discard":
        return this.control(discardMove(partition, this.known(), pick, how));
      case "retention":
        return this.control(retentionMove(pick, how));
      case "breaker":
        return this.control(changeBreakerMove(partition.nowNs, pick, how));
      case "schedule":
        return this.control(scheduleMove(partition, pick, how));
      case "plan":
        return planMove(partition, pick, how);
      case "instant":
        return instantMove(partition, pick);
      case "told":
        if (pick % 3 === 0) return breachMove(this.known(), pick, how);
        return command({
          case: "attentionTold",
          value: init(AttentionToldSchema, {
            upToSeq: BigInt(Math.max(0, partition.log.length + (how % 8) - 3)),
          }),
        });
      case "bulk":
        return this.control(bulkMove(partition, this.runs, pick, how));
      case "bulk-step":
        return bulkStepMove(partition, pick, how);
      case "tasks-held":
        return heldMove(partition, pick, how);
      case "cancel":
        return how % 3 === 0 ? this.control(cancelMove(this.known(), pick, how)) : undefined;
      case "messages":
        return ownMessages(partition, pick, how);
      case "let-go":
        return letGo(partition);
      case "pause":
        return this.control(pauseMove(this.known(), this.paused(), pick, how));
      case "pause-workflow": {
        const paused = partition.view.get(appliedKey)?.paused.map(({ workflow }) => workflow) ?? [];
        return this.control(pauseWorkflowMove(paused, pick, how));
      }
      case "repeat-control":
        return this.controls.length === 0 ? undefined : at(this.controls, pick);
      case "garbage":
        return at(GARBAGE, how)(partition);
      case "announce":
      case "old-owner":
        return undefined;
    }
  }

  private control(kind: Command["kind"]): Command {
    const id = `control-${this.controls.length}-${this.partition.log.length}`;
    const made = command(kind, { id, issuedAtNs: this.partition.nowNs });
    this.controls.push(made);
    return made;
  }

  private report(open: readonly DueTask[], pick: number, how: number): Command | undefined {
    const tasks = open.filter((task) => !this.reported.has(task));
    const task = tasks[pick % Math.max(tasks.length, 1)];
    if (task === undefined) return undefined;
    this.reported.add(task);
    // Half of all succeed, so that runs get somewhere.
    const outcome =
      jobOutcome(this.partition, task, how) ??
      (how % 2 === 0 ? (OUTCOMES[0] as (typeof OUTCOMES)[number]) : at(OUTCOMES, how >> 1))();
    this.lastReport = report(task.runId, {
      action: task.action,
      item: task.item < 0 ? undefined : task.item,
      attempt: task.attempt,
      outcome,
      startedAtNs: this.partition.nowNs,
      usage: usageOf(how + pick),
    });
    return this.lastReport;
  }

  private checkpoint(pick: number, how: number): Command | undefined {
    const tasks = [...this.partition.open.values()];
    const task = tasks[pick % Math.max(tasks.length, 1)];
    if (task === undefined) return undefined;
    const value = init(CheckpointStepSchema, {
      runId: task.runId,
      action: task.action,
      item: task.item < 0 ? undefined : task.item,
      attempt: task.attempt + (how % 8 === 7 ? 1 : 0),
      index: at([0, 1, 2, 4_294_967_295], how % 9),
      name: how % 16 === 3 ? "" : `step-${how % 3}`,
      result: inline(how),
    });
    return command({ case: "checkpointStep", value });
  }

  private load(pick: number, how: number): Command | undefined {
    const request = this.partition.loads[pick % Math.max(this.partition.loads.length, 1)];
    if (request === undefined) return undefined;
    // The run may be pruned.
    const state = this.partition.view.get(runKey(request.runId))?.actions[request.action];
    if (state?.child !== undefined) {
      const { action, generation } = request;
      const missing = { failure: failure(FailureMode.VALIDATION, "nothing there") };
      const found = how % 4 === 3 ? missing : { input: inline(how), last: true };
      return loaded(request.runId, { action, generation, ...found });
    }
    const firstIndex = state?.items?.bound ?? 0;
    const { action, generation } = request;
    // The list breaks off, before its first item or in the middle.
    if (how % 16 === 15) {
      const broken = failure(FailureMode.VALIDATION, `line ${firstIndex + 1} is not JSON`);
      return loaded(request.runId, { action, generation, firstIndex, failure: broken });
    }
    return loaded(request.runId, {
      action,
      generation,
      firstIndex,
      items: Array.from({ length: how % 4 }, (_, i) => json({ row: i, host: `h${(pick + i) % 2}` })),
      last: how % 3 !== 0,
    });
  }

  private wrongLoad(pick: number, how: number): Command | undefined {
    const right = this.load(pick, how);
    if (right?.kind.case !== "itemsLoaded") return undefined;
    const { value } = right.kind;
    const { $typeName: _, ...fields } = value;
    const broken = at(
      [
        { firstIndex: value.firstIndex + 1 },
        { firstIndex: 4_294_967_295 },
        { generation: value.generation + 1 },
        { action: value.action + 100 },
        { failure: failure(FailureMode.VALIDATION, "no array there"), items: [] },
        { failure: init(FailureSchema), items: [] },
        { runId: "Ł" },
      ],
      how,
    );
    return command({ case: "itemsLoaded", value: init(ItemsLoadedSchema, { ...fields, ...broken }) });
  }
}

const HOUR_NS = 3_600_000_000_000n;
const OWNERS = new Set<string | undefined>([
  "tasksHeld",
  "itemsLoaded",
  "timersFired",
  "prune",
  "attentionTold",
  "breachesFound",
  "messagesDelivered",
  "schedulePlanned",
  "bulkStep",
]);
const isOwners = ({ kind }: Command): boolean => OWNERS.has(kind.case);
