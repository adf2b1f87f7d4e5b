/** The context of one attempt. Everything in it that costs something is made when it is first asked for. */
import type { Logger } from "@holdfast/telemetry";
import type { NoEffect, Skip } from "../workflow/types.js";
import type { ItemContext } from "./context.js";
import { noEffect, skip } from "./endings.js";
import type { HeldTask } from "./held-task.js";
import { Steps, type StepsHost } from "./steps.js";

export interface ContextHost extends StepsHost {
  readonly logger: Logger;
  runInput(held: HeldTask): Promise<unknown>;
}

export class TaskContext implements ItemContext {
  readonly #held: HeldTask;
  readonly #host: ContextHost;
  #log: Logger | undefined;
  #steps: Steps | undefined;

  constructor(held: HeldTask, host: ContextHost) {
    this.#held = held;
    this.#host = host;
  }

  get runId(): string {
    return this.#held.task.runId;
  }

  get workflow(): string {
    return this.#held.task.workflow;
  }

  get action(): string {
    return this.#held.task.actionName;
  }

  get index(): number {
    return this.#held.task.item ?? 0;
  }

  get attempt(): number {
    return this.#held.task.attempt;
  }

  get attemptsLeft(): number {
    return this.#held.task.attemptsLeft;
  }

  get traceparent(): string {
    return this.#held.task.traceparent;
  }

  get signal(): AbortSignal {
    return this.#held.signal;
  }

  get idempotencyKey(): string {
    const { runId, actionName, item } = this.#held.task;
    return item === undefined ? `${runId}/${actionName}` : `${runId}/${actionName}/${item}`;
  }

  get log(): Logger {
    if (this.#log === undefined) {
      const { runId, actionName, item, attempt, traceparent } = this.#held.task;
      this.#log = this.#host.logger.child({
        run: runId,
        action: actionName,
        attempt,
        ...(item === undefined ? {} : { item }),
        ...(traceparent === "" ? {} : { trace: traceparent.split("-")[1] ?? traceparent }),
      });
    }
    return this.#log;
  }

  async step(name: string, run: () => unknown): Promise<never> {
    this.#steps ??= new Steps(this.#held, this.#host);
    const startedMs = performance.now();
    try {
      const result = await this.#steps.run(name, run);
      if (this.log.isEnabled("debug"))
        this.log.debug("step done", { step: name, ms: performance.now() - startedMs });
      return result as never;
    } catch (error) {
      this.log.debug("step failed", { step: name, ms: performance.now() - startedMs, err: error });
      throw error;
    }
  }

  noEffect(reason: string): NoEffect {
    return noEffect(reason);
  }

  skip(reason: string): Skip {
    return skip(reason);
  }

  runInput(): Promise<never> {
    return this.#host.runInput(this.#held) as Promise<never>;
  }
}
