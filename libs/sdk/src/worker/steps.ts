/**
 * The steps of one attempt: those that earlier attempts have done give their results, the others are run and checkpointed.
 *
 * 1. A step counts as done once the log has it and the fold took it; only then does the handler go on.
 * 2. What a handler gets of a step is what a later attempt gets: the result as JSON leaves it.
 * 3. A name used again within a handler is another step: `name#2`, in the order of the calls.
 */
import { STEP_NAME_CHARS_MAX, STEPS_MAX } from "@holdfast/core";
import { type Clock, command, type CommandClient, type PayloadCodec } from "@holdfast/engine";
import { type CheckpointStep, type Payload, RejectCode, type StepResult } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import { ActionError } from "../action-error.js";
import type { HeldTask } from "./held-task.js";

const NS_PER_MS = 1_000_000n;

export interface StepsHost {
  readonly commands: CommandClient;
  readonly payloads: PayloadCodec;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Steps {
  readonly #held: HeldTask;
  readonly #host: StepsHost;
  readonly #done: ReadonlyMap<string, StepResult>;
  readonly #used = new Map<string, number>();
  #next: number;

  constructor(held: HeldTask, host: StepsHost) {
    this.#held = held;
    this.#host = host;
    const { steps } = held.task;
    this.#done = new Map(steps.map((step) => [step.name, step]));
    this.#next = steps.reduce((next, step) => Math.max(next, step.index + 1), 0);
  }

  async run(given: string, work: () => unknown): Promise<unknown> {
    const name = this.#nameOf(given);
    const before = this.#done.get(name);
    if (before !== undefined) return await this.#valueOf(name, before.result);
    this.#held.signal.throwIfAborted();
    const startedMs = this.#host.clock.nowMs();
    let value: unknown;
    try {
      value = await work();
    } catch (error) {
      // The innermost step is the one that failed.
      if (this.#held.failedStep?.error !== error) this.#held.failedStep = { name, error };
      throw error;
    }
    const what = `the result of step "${name}" of action "${this.#held.task.actionName}"`;
    const result = value === undefined ? undefined : await this.#host.payloads.encode(value, what);
    await this.#keep(name, result, startedMs);
    return await this.#valueOf(name, result);
  }

  #nameOf(given: string): string {
    if (typeof given !== "string" || given === "" || given.length > STEP_NAME_CHARS_MAX - 8) {
      throw new ActionError(
        "HANDLER_BUG",
        `a step needs a name of 1 to ${STEP_NAME_CHARS_MAX - 8} characters`,
      );
    }
    const times = (this.#used.get(given) ?? 0) + 1;
    this.#used.set(given, times);
    return times === 1 ? given : `${given}#${times}`;
  }

  async #valueOf(name: string, result: Payload | undefined): Promise<unknown> {
    if (result === undefined) return undefined;
    return await this.#host.payloads.decode(result, `the result of step "${name}"`);
  }

  async #keep(name: string, result: Payload | undefined, startedMs: number): Promise<void> {
    const { runId, action, item, attempt, partition } = this.#held.task;
    const index = this.#next++;
    if (index >= STEPS_MAX)
      throw new ActionError(
        "HANDLER_BUG",
        `step "${name}" is one too many: an attempt has at most ${STEPS_MAX}`,
      );
    const value: CheckpointStep = {
      $typeName: "holdfast.v1.CheckpointStep",
      runId,
      action,
      attempt,
      index,
      name,
      startedAtNs: BigInt(Math.floor(startedMs)) * NS_PER_MS,
      endedAtNs: BigInt(Math.floor(this.#host.clock.nowMs())) * NS_PER_MS,
      ...(item === undefined ? {} : { item }),
      ...(result === undefined ? {} : { result }),
    };
    const { result: answer } = await this.#host.commands.submit(
      partition,
      command({ case: "checkpointStep", value }),
    );
    if (answer.case !== "rejected") return;
    const { code, message } = answer.value;
    if (code !== RejectCode.STALE_ATTEMPT) throw new ActionError("HANDLER_BUG", message);
    // Somebody else has the work now, or it was cancelled: what this attempt still does counts for nothing.
    this.#held.stop("cancelled", message);
    throw this.#held.stopError();
  }
}
