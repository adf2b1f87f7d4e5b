/**
 * What a handler gets as its first argument: the run's input and upstream outputs, or an item; an undo also what it undoes.
 * Answers at once where all is inline, so that a small task costs no promise.
 */
import { isCompleted } from "@holdfast/core";
import { PayloadCodec, type QueryClient } from "@holdfast/engine";
import { JobStep, type NamedPayload } from "@holdfast/proto";
import { setOwn } from "@holdfast/proto/codec";
import { ActionError } from "../action-error.js";
import { issuesText, type Parsed, parseInput } from "../workflow/schema.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import type { HeldTask } from "./held-task.js";

export type Arguments = Record<string, unknown>;

export class ArgumentReader {
  readonly #payloads: PayloadCodec;
  readonly #queries: QueryClient;
  readonly #maxInputs: number;
  /** What items of a run share: its input, large outputs of upstream actions. What was used last stands last. */
  readonly #shared = new Map<string, Promise<unknown>>();

  constructor(payloads: PayloadCodec, queries: QueryClient, maxInputs: number) {
    this.#payloads = payloads;
    this.#queries = queries;
    this.#maxInputs = maxInputs;
  }

  read(held: HeldTask, workflow: AnyWorkflow): Arguments | Promise<Arguments> {
    const { task } = held;
    const args: Arguments = {};
    const waits: Promise<undefined>[] = [];
    if (task.job !== undefined) {
      const { step, handle, items } = task.job;
      const what = `job ${task.job.job} of action ${task.actionName} of run ${task.runId}`;
      if (items !== undefined)
        put(args, "items", this.#payloads.decode(items, `the items of ${what}`), waits);
      if (step !== JobStep.SUBMIT) {
        put(args, "handle", this.#payloads.decode(handle, `the handle of ${what}`), waits);
        return waits.length === 0 ? args : Promise.all(waits).then(() => args);
      }
    }
    if (task.item === undefined) put(args, "input", this.#input(held, workflow), waits);
    else {
      const item = this.#payloads.decode(task.itemInput, `item ${task.item} of run ${task.runId}`);
      put(args, "item", item, waits);
      args["index"] = task.item;
    }
    if (task.undo?.now === true) {
      const { output, outputs } = task.undo;
      const what = `what action ${task.actionName} of run ${task.runId} gave, which is to be undone`;
      put(
        args,
        outputs === undefined ? "output" : "outputs",
        this.#payloads.decode(outputs ?? output, what),
        waits,
      );
    }
    for (const upstream of task.upstream) put(args, upstream.name, this.#upstream(held, upstream), waits);
    return waits.length === 0 ? args : Promise.all(waits).then(() => args);
  }

  /** The run's input for a handler of items: read once for each run, and frozen because it is shared. */
  runInput(held: HeldTask, workflow: AnyWorkflow): Promise<unknown> {
    return this.#share(`input ${held.task.runId}`, () => this.#input(held, workflow, true));
  }

  /** What `read` gives, read once for all that ask under the same key, and frozen. */
  #share(key: string, read: () => unknown): Promise<unknown> {
    const value = this.#shared.get(key) ?? this.#readShared(key, read);
    this.#shared.delete(key);
    this.#shared.set(key, value);
    if (this.#shared.size > this.#maxInputs) {
      const [oldest] = this.#shared.keys();
      if (oldest !== undefined) this.#shared.delete(oldest);
    }
    return value;
  }

  async #readShared(key: string, read: () => unknown): Promise<unknown> {
    try {
      return deepFreeze(await read());
    } catch (error) {
      this.#shared.delete(key);
      throw error;
    }
  }

  #input({ task }: HeldTask, { input: { standard } }: AnyWorkflow, ask = false): unknown {
    const what = `the input of run ${task.runId}`;
    const value =
      ask && task.input === undefined
        ? this.#queries
            .getPayload(task.runId, undefined)
            .then((payload) => this.#payloads.decode(payload, what))
        : this.#payloads.decode(task.input, what, () => this.#queries.getPayload(task.runId, undefined));
    if (standard === undefined) return value;
    const parsed =
      value instanceof Promise ? value.then((raw) => parseInput(standard, raw)) : parseInput(standard, value);
    return parsed instanceof Promise
      ? parsed.then((settled) => accepted(settled, what, task.workflow))
      : accepted(parsed, what, task.workflow);
  }

  /** Undefined for one that ended without completing; null for one that completed without a value. */
  #upstream({ task }: HeldTask, { name, payload, status }: NamedPayload): unknown {
    if (payload === undefined && !isCompleted(status)) return undefined;
    const what = `the output of action ${name} of run ${task.runId}`;
    // Each of many items is given the same: it is fetched and read once for all of them.
    if (task.item !== undefined && payload?.body.case === "ref")
      return this.#share(payload.body.value.name, () => this.#payloads.decode(payload, what));
    return this.#payloads.decode(payload, what);
  }
}

function put(args: Arguments, name: string, value: unknown, waits: Promise<undefined>[]): void {
  if (!(value instanceof Promise)) {
    setOwn(args, name, value);
    return;
  }
  const wait = value.then((settled: unknown): undefined => {
    setOwn(args, name, settled);
    return undefined;
  });
  // Where another part fails at once, nobody waits for this one any more.
  wait.catch(() => undefined);
  waits.push(wait);
}

function accepted(parsed: Parsed, what: string, workflow: string): unknown {
  if ("value" in parsed) return parsed.value;
  throw new ActionError(
    "VALIDATION",
    `${what} does not fit workflow ${workflow}: ${issuesText(parsed.issues)}`,
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
