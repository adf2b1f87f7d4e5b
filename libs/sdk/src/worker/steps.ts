/**
 * The steps of one attempt: those that earlier attempts have done give their results, the others are run and checkpointed.
 *
 * 1. A step counts as done once the log has it and the fold took it; only then does the handler go on.
 * 2. What a handler gets of a step is what a later attempt gets: the result as JSON leaves it.
 * 3. A name used again within a handler is another step (`name#2`, in the order of the calls), unless the step of that name has failed: then it is
 *    that step, tried again. So what is done under a name at last is what a later attempt gets.
 * 4. Nothing is begun after the attempt has ended.
 */
import { STEP_NAME_CHARS_MAX, STEPS_MAX } from "@holdfast/core";
import { type Clock, command, type CommandClient, type PayloadCodec, PayloadError } from "@holdfast/engine";
import { type CheckpointStep, type Payload, RejectCode } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import { ActionError } from "../action-error.js";
import type { HeldTask } from "./held-task.js";
import { patiently } from "./patience.js";

const NS_PER_MS = 1_000_000n;

export interface StepsHost {
  readonly commands: CommandClient;
  readonly payloads: PayloadCodec;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The calls of one name. */
interface Calls {
  count: number;
  /** Which of them failed and were not called again yet, the lowest first. */
  readonly failed: number[];
}

/** Work that is done, but whose checkpoint could not be stored. */
interface Unkept {
  readonly index: number;
  readonly value: unknown;
  readonly startedMs: number;
}

export class Steps {
  readonly #held: HeldTask;
  readonly #host: StepsHost;
  /** What is in the log, by step. */
  readonly #done: Map<string, Payload | undefined>;
  readonly #calls = new Map<string, Calls>();
  readonly #unkept = new Map<string, Unkept>();
  readonly #open = new Set<string>();
  #next: number;

  constructor(held: HeldTask, host: StepsHost) {
    this.#held = held;
    this.#host = host;
    const { steps } = held.task;
    this.#done = new Map(steps.map(({ name, result }) => [name, result]));
    this.#next = steps.reduce((next, step) => Math.max(next, step.index + 1), 0);
  }

  /** The names of steps that have begun and have not ended. */
  get open(): ReadonlySet<string> {
    return this.#open;
  }

  async run(given: string, work: () => unknown, failureMessage: string): Promise<unknown> {
    const calls = this.#callsOf(given);
    const call = calls.failed.shift() ?? ++calls.count;
    const name = call === 1 ? given : `${given}#${call}`;
    this.#open.add(name);
    try {
      if (!this.#done.has(name))
        await this.#keep(
          name,
          this.#unkept.get(name) ?? (await this.#work(name, work, failureMessage)),
          failureMessage,
        );
      return await this.#valueOf(name, this.#done.get(name));
    } catch (error) {
      calls.failed.push(call);
      calls.failed.sort((a, b) => a - b);
      throw error;
    } finally {
      this.#open.delete(name);
    }
  }

  async #work(name: string, work: () => unknown, failureMessage: string): Promise<Unkept> {
    this.#held.signal.throwIfAborted();
    if (this.#held.phase !== "running") throw this.#late(name);
    const startedMs = this.#host.clock.nowMs();
    let value: unknown;
    try {
      value = await work();
    } catch (error) {
      throw this.#failed(name, error, failureMessage);
    }
    const done = { index: this.#next++, value, startedMs };
    this.#unkept.set(name, done);
    return done;
  }

  /** The innermost step is the one that failed. */
  #failed<E>(name: string, error: E, failureMessage: string): E {
    if (this.#held.failedStep?.error !== error) this.#held.failedStep = { name, error, failureMessage };
    return error;
  }

  #late(name: string): ActionError {
    const { actionName } = this.#held.task;
    return new ActionError(
      "HANDLER_BUG",
      `step "${name}" of action "${actionName}" was called after its attempt had ended: await every step before the handler returns`,
    );
  }

  #callsOf(given: string): Calls {
    if (typeof given !== "string" || given === "" || given.length > STEP_NAME_CHARS_MAX - 8) {
      throw new ActionError(
        "HANDLER_BUG",
        `a step needs a name of 1 to ${STEP_NAME_CHARS_MAX - 8} characters`,
      );
    }
    let calls = this.#calls.get(given);
    if (calls === undefined) {
      calls = { count: 0, failed: [] };
      this.#calls.set(given, calls);
    }
    return calls;
  }

  async #valueOf(name: string, result: Payload | undefined): Promise<unknown> {
    if (result === undefined) return undefined;
    const what = `the result of step "${name}"`;
    return await this.#patiently(name, () => this.#host.payloads.decode(result, what));
  }

  #patiently<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    return patiently(this.#held, this.#host, `the checkpoint of step "${name}"`, work);
  }

  async #encoded(name: string, { value }: Unkept, failureMessage: string): Promise<Payload | undefined> {
    if (value === undefined) return undefined;
    const what = `the result of step "${name}" of action "${this.#held.task.actionName}"`;
    try {
      return await this.#patiently(name, () => this.#host.payloads.encode(value, what, "result"));
    } catch (error) {
      // Whatever is tried again: this result can't be kept.
      if (!(error instanceof PayloadError)) {
        this.#unkept.delete(name);
        throw error;
      }
      if (error.code === "unavailable") throw error;
      this.#unkept.delete(name);
      throw this.#failed(name, error, failureMessage);
    }
  }

  async #keep(name: string, unkept: Unkept, failureMessage: string): Promise<void> {
    const { runId, action, item, attempt, partition } = this.#held.task;
    const { index, startedMs } = unkept;
    const result = await this.#encoded(name, unkept, failureMessage);
    if (index >= STEPS_MAX)
      throw this.#failed(
        name,
        new ActionError("HANDLER_BUG", `step "${name}" is one too many: an attempt has at most ${STEPS_MAX}`),
        failureMessage,
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
    const checkpoint = command({ case: "checkpointStep", value });
    const { result: answer } = await this.#patiently(name, () =>
      this.#host.commands.submit(partition, checkpoint),
    );
    if (answer.case !== "rejected") {
      this.#unkept.delete(name);
      this.#done.set(name, result);
      return;
    }
    const { code, message } = answer.value;
    if (code !== RejectCode.STALE_ATTEMPT)
      throw this.#failed(name, new ActionError("HANDLER_BUG", message), failureMessage);
    // Somebody else has the work now, or it was cancelled: what this attempt still does counts for nothing.
    this.#held.stop("cancelled", message);
    throw this.#held.stopError();
  }
}
