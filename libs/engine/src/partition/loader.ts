/**
 * Brings what actions wait for from the object store into the log: items, and inputs of child runs.
 *
 * 1. An action's load is under way once at most, and goes on from what the state has: a repeated or interrupted load begins no item
 *    twice.
 * 2. The next chunk is read once the one before is folded, so a long list is never ahead of the partition by more than a chunk.
 * 3. A value that must be held whole is read alone; of lists that are streamed a few take turns.
 */
import { type ActionPlan, declaredInputOf, type Json, runKey } from "@holdfast/core";
import { ActionStatus, type Command, RunStatus } from "@holdfast/proto";
import { bringInline, pinned } from "./compose.js";
import type { ProcessorDeps } from "./deps.js";
import { readsLines } from "./item-sources.js";
import { loadChildInput, loadItems } from "./load-items.js";
import type { PartitionState } from "./state.js";

const LOAD_RETRY_MS = 500;
/** Lists that are streamed at once. */
const STREAMS_MAX = 8;

export interface LoadWanted {
  readonly runId: string;
  readonly action: number;
  readonly generation: number;
  readonly fromIndex: number;
}

export interface LoaderDeps
  extends Pick<ProcessorDeps, "payloads" | "inputs" | "limits" | "logger" | "clock" | "partition"> {
  readonly state: () => PartitionState;
  /** Resolves with its log sequence once the command is durable; rejects with `closed` once this node is the owner no more. */
  write(command: Command): Promise<number>;
  folded(seq: number): Promise<void>;
}

/** Loads of one kind: some under way, the others wait. */
interface Lane {
  readonly atOnce: number;
  readonly waiting: LoadWanted[];
  running: number;
}

export class Loader {
  private readonly known = new Set<string>();
  private readonly whole: Lane = { atOnce: 1, waiting: [], running: 0 };
  private readonly streamed: Lane = { atOnce: STREAMS_MAX, waiting: [], running: 0 };
  private stopped = false;

  constructor(private readonly deps: LoaderDeps) {}

  /** This node is the owner no more: whoever comes next finds in state what is missing. */
  stop(): void {
    this.stopped = true;
    this.whole.waiting.length = 0;
    this.streamed.waiting.length = 0;
    this.known.clear();
  }

  /** Sees to a load, where it is not seen to already. */
  want(wanted: LoadWanted): void {
    const key = keyOf(wanted);
    if (this.stopped || this.known.has(key)) return;
    this.known.add(key);
    const action = pinned(this.deps.state(), wanted.runId)?.plan.actions[wanted.action];
    const lane = action !== undefined && readsLines(action) ? this.streamed : this.whole;
    lane.waiting.push(wanted);
    if (lane.running < lane.atOnce) void this.drain(lane);
  }

  private async drain(lane: Lane): Promise<void> {
    const { deps } = this;
    lane.running += 1;
    for (let wanted = lane.waiting.shift(); wanted !== undefined; wanted = lane.waiting.shift()) {
      const again = wanted;
      try {
        await this.load(wanted);
      } catch (error) {
        if (this.stopped) break;
        deps.logger.warn("items could not be loaded; it is tried again", {
          partition: deps.partition,
          run: wanted.runId,
          err: error,
        });
        deps.clock.after(LOAD_RETRY_MS, () => this.want(again));
      }
      this.known.delete(keyOf(wanted));
    }
    lane.running -= 1;
  }

  private async load(wanted: LoadWanted): Promise<void> {
    const { runId, action: index, generation } = wanted;
    const { payloads, limits } = this.deps;
    const found = pinned(this.deps.state(), runId);
    const action = found?.plan.actions[index];
    const state = found?.run.actions[index];
    if (found === undefined || action === undefined || found.run.generation !== generation) return;
    const forChild = state?.child?.status === RunStatus.UNSPECIFIED;
    const fromIndex = this.nextIndex(wanted) ?? 0;
    if (!forChild && this.nextIndex(wanted) === undefined) return;
    const { outputOf } = action;
    const payload =
      outputOf === undefined
        ? bringInline(this.deps.state(), runId, 0, found.run.input)
        : bringInline(this.deps.state(), runId, outputOf + 1, found.run.actions[outputOf]?.output);
    const request = { runId, action, generation, fromIndex, payload };
    if (forChild) {
      // Its value is asked for only where there is a schema to hold it against.
      const isDeclared = declaredInputOf(this.deps.state(), action.definition) !== undefined;
      const check = isDeclared
        ? (input: Json): Promise<string | undefined> => this.wrongInput(action, input)
        : undefined;
      await this.deps.write(await loadChildInput(request, payloads, check));
      return;
    }
    for await (const command of loadItems(request, payloads, limits)) {
      const {
        last = true,
        firstIndex = 0,
        items = [],
      } = command.kind.case === "itemsLoaded" ? command.kind.value : {};
      const seq = await this.deps.write(command);
      if (last) return;
      await this.deps.folded(seq);
      // It may have ended meanwhile, or another owner may have brought more.
      if (this.nextIndex(wanted) !== firstIndex + items.length) return;
    }
  }

  /** Why the input of a child run does not fit what its workflow declares. */
  private async wrongInput({ name, definition }: ActionPlan, input: Json): Promise<string | undefined> {
    const declared = declaredInputOf(this.deps.state(), definition);
    const verdict = declared === undefined ? undefined : await this.deps.inputs?.validate(declared, input);
    if (verdict === undefined || verdict.ok) return undefined;
    const { workflow } = definition.child ?? {};
    return `the input that action ${name} gives does not match the schema of workflow "${workflow}": ${verdict.message}; mend what makes it, then retry`;
  }

  /** The index of the next item that the action waits for; undefined: of none (any more). */
  private nextIndex({ runId, action, generation }: LoadWanted): number | undefined {
    const run = this.deps.state().get(runKey(runId));
    const state = run?.actions[action];
    const waits =
      run?.generation === generation &&
      state?.status === ActionStatus.RUNNING &&
      state.items?.loaded === false;
    return waits ? state.items?.bound : undefined;
  }
}

const keyOf = ({ runId, action, generation }: LoadWanted): string => `${runId}/${action}/${generation}`;
