/**
 * A partition in memory, as its owner sees it: appends entries, folds them, and keeps the books that an owner keeps by
 * effects alone (what is in flight, what is to be loaded, who was told what), so that tests can hold them against state.
 */
import {
  ActionStatus,
  AnnounceOwnerSchema,
  type AppliedRecord,
  AppliedRecordSchema,
  type Command,
  type CommandBatch,
  CommandBatchSchema,
  type ItemCounts,
  type ItemRecord,
  ItemStatus,
  type Outcome,
  type RunEvent,
  type RunRecord,
  type TaskReport,
} from "@holdfast/proto";
import { decode, encode, type Init, init } from "@holdfast/proto/codec";
import { STATUS_MASK } from "../actor/items.js";
import { type ActionPlan, type DefinitionPlan, planOf } from "../definition/plan.js";
import { type DueTask, type Effect, taskKey } from "../effects.js";
import { type Entry, foldEntry } from "../fold/fold.js";
import { scansOf } from "../fold/scans.js";
import { ITEMS_A_CHUNK } from "../limits.js";
import { appliedKey, chunkKey, chunkOf, definitionKey, itemKey, runKey } from "../state/tables.js";
import { batch, command, loaded, ownerStamp, report, timersFired } from "./build.js";
import { MemoryView } from "./memory-view.js";

export const EPOCH_NS = 1_800_000_000_000_000_000n;
export const MS = 1_000_000n;

/** One message of the log, as it lies there. */
export interface LogEntry {
  readonly seq: number;
  readonly atNs: bigint;
  readonly bytes: Uint8Array;
}

export interface LoadRequest {
  readonly runId: string;
  readonly action: number;
  readonly generation: number;
  readonly fromIndex: number;
}

/** Folds one entry of the log onto a view; the applied record is the view's own. */
export function foldLogEntry(view: MemoryView, entry: LogEntry): Effect[] {
  const decoded = decode(CommandBatchSchema, entry.bytes);
  const applied: AppliedRecord = view.get(appliedKey) ?? init(AppliedRecordSchema);
  const scanned = new Map(
    [...scansOf(decoded)].map(([at, scans]) => [at, scans.flatMap((scan) => view.scan(scan))]),
  );
  const folded: Entry = {
    seq: entry.seq,
    atNs: entry.atNs,
    batch: decoded,
    scanned,
  };
  return foldEntry(view, applied, folded);
}

export class TestPartition {
  view = new MemoryView();
  readonly log: LogEntry[] = [];
  nowNs = EPOCH_NS;
  epoch = 0n;
  ownerN = 0n;
  /** By task key. */
  readonly open = new Map<string, DueTask>();
  /** All that ever were open. */
  private readonly dispatched = new Set<string>();
  readonly loads: LoadRequest[] = [];
  /** Schedules whose plan was asked for. */
  readonly plansWanted = new Set<string>();
  /** Bulk operations whose next step was asked for. */
  readonly bulkWanted = new Set<string>();
  /** Runs that schedules asked for, by the message. */
  readonly asked = new Map<string, string>();
  readonly events = new Map<string, RunEvent[]>();
  /** Effects of the last entry. */
  effects: readonly Effect[] = [];
  /** Keys that the last entry gave other bytes. */
  changed: readonly string[] = [];
  private correlations = 0n;

  /** One of several has a number, and a state that knows of the others. */
  constructor(
    readonly number = 0,
    readonly partitions = 1,
  ) {
    if (partitions === 1) return;
    this.view.put(appliedKey, init(AppliedRecordSchema, { partition: number, partitions }));
    this.view.commit();
  }

  /** Appends a batch, folds it and commits. `outcomes` are those that its commands were answered. */
  append(batchOf: CommandBatch): Outcome[] {
    this.nowNs += MS;
    const bytes = encode(CommandBatchSchema, batchOf);
    const entry: LogEntry = { seq: this.log.length + 1, atNs: this.nowNs, bytes };
    this.log.push(entry);
    this.effects = foldLogEntry(this.view, entry);
    this.changed = this.view.commit();
    for (const effect of this.effects) this.note(effect);
    return this.effects.flatMap((effect) => (effect.kind === "reply" ? [effect.outcome] : []));
  }

  private note(effect: Effect): void {
    if (effect.kind === "dispatch") {
      const { runId, action, item, attempt } = effect.task;
      const key = taskKey(runId, action, item, attempt);
      // Not even long after it was closed: a late report of the first would count for the second.
      if (this.dispatched.has(key)) throw new Error(`attempt ${key} was dispatched twice`);
      this.dispatched.add(key);
      this.open.set(key, effect.task);
    } else if (effect.kind === "closed") {
      const key = taskKey(effect.runId, effect.action, effect.item, effect.attempt);
      if (!this.open.delete(key)) throw new Error(`attempt ${key} was closed, but was not open`);
    } else if (effect.kind === "load-items") {
      this.loads.push(effect);
    } else if (effect.kind === "bulk") {
      this.bulkWanted.add(effect.operationId);
    } else if (effect.kind === "plan-schedule") {
      this.plansWanted.add(effect.name);
    } else if (effect.kind === "event") {
      const events = this.events.get(effect.runId) ?? [];
      events.push(effect.event);
      this.events.set(effect.runId, events);
    }
  }

  /** Sends one command and gives its own answer. Fails the test where there is none. */
  send(kindOf: Command, fields: Init<Command> = {}): Outcome["result"] {
    this.correlations += 1n;
    const sent = command(kindOf.kind, { correlation: this.correlations, issuedAtNs: this.nowNs, ...fields });
    const [outcome] = this.append(batch([sent]));
    if (outcome === undefined) throw new Error(`a ${kindOf.kind.case} command was not answered`);
    return outcome.result;
  }

  /** A control command under a fresh id. */
  control(kind: Command["kind"], id = `command-${this.log.length}`): Outcome["result"] {
    return this.send(command(kind), { id });
  }

  announce(node = "workflow-test", epoch = this.epoch + 1n): void {
    const value = init(AnnounceOwnerSchema, { node, epoch });
    this.append(batch([command({ case: "announceOwner", value })]));
    this.epoch = epoch;
    this.ownerN = 0n;
  }

  /** Appends commands under the owner's stamp. */
  asOwner(...commands: Command[]): Outcome[] {
    if (this.epoch === 0n) this.announce();
    this.ownerN += 1n;
    return this.append(batch(commands, { owner: ownerStamp(this.epoch, this.ownerN) }));
  }

  /** Lets time pass and fires what is due by then. */
  pass(ms: number): void {
    this.nowNs += BigInt(ms) * MS;
    this.asOwner(timersFired(this.nowNs + MS));
  }

  run(runId: string): RunRecord {
    const run = this.view.get(runKey(runId));
    if (run === undefined) throw new Error(`there is no run ${runId}`);
    return run;
  }

  planOf(runId: string): DefinitionPlan {
    const definition = this.view.get(definitionKey(this.run(runId).definitionHash))?.definition;
    if (definition === undefined) throw new Error(`the definition of run ${runId} is missing`);
    return planOf(definition);
  }

  actionPlan(runId: string, name: string): ActionPlan {
    const plan = this.planOf(runId);
    const found = plan.actions[plan.byName.get(name) ?? -1];
    if (found === undefined) throw new Error(`run ${runId} has no action ${name}`);
    return found;
  }

  action(runId: string, name: string): RunRecord["actions"][number] {
    const state = this.run(runId).actions[this.actionPlan(runId, name).index];
    if (state === undefined) throw new Error(`run ${runId} has no state of action ${name}`);
    return state;
  }

  counts(runId: string, name: string): ItemCounts {
    const counts = this.action(runId, name).items?.counts;
    if (counts === undefined) throw new Error(`action ${name} of run ${runId} has no items`);
    return counts;
  }

  itemStatus(runId: string, name: string, item: number): ItemStatus {
    const key = chunkKey(runId, this.actionPlan(runId, name).index, chunkOf(item));
    return (this.view.get(key)?.statuses[item % ITEMS_A_CHUNK] ?? 0) & STATUS_MASK;
  }

  itemRecord(runId: string, name: string, item: number): ItemRecord | undefined {
    return this.view.get(itemKey(runId, this.actionPlan(runId, name).index, item));
  }

  status(runId: string, name: string): string {
    return ActionStatus[this.action(runId, name).status];
  }

  /** What is in flight of a run, as `action` or `action#item`, sorted. */
  inFlight(runId: string): string[] {
    const plan = this.planOf(runId);
    return [...this.open.values()]
      .filter((task) => task.runId === runId)
      .map((task) => `${plan.actions[task.action]?.name}${task.item < 0 ? "" : `#${task.item}`}`)
      .sort();
  }

  /** Reports the open attempt of an action or of one of its items. */
  finish(
    runId: string,
    name: string,
    outcome: TaskReport["outcome"],
    item?: number,
    fields: Init<TaskReport> = {},
  ): Outcome["result"] {
    const { index } = this.actionPlan(runId, name);
    const task = [...this.open.values()].find(
      (open) => open.runId === runId && open.action === index && open.item === (item ?? -1),
    );
    if (task === undefined) throw new Error(`no attempt of ${name} is open`);
    return this.send(report(runId, { action: index, item, attempt: task.attempt, outcome, ...fields }));
  }

  /** Answers the oldest request for items of an action. */
  load(runId: string, name: string, items: readonly Uint8Array[], last = true): void {
    const { index } = this.actionPlan(runId, name);
    const at = this.loads.findLast((request) => request.runId === runId && request.action === index);
    if (at === undefined) throw new Error(`nobody asked for the items of ${name}`);
    const firstIndex = this.action(runId, name).items?.bound ?? 0;
    this.asOwner(
      loaded(runId, { action: index, generation: at.generation, firstIndex, items: [...items], last }),
    );
  }
}
