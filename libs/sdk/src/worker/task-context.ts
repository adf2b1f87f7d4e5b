/** The context of one attempt. Everything in it that costs something is made when it is first asked for. */
import { modeName } from "@holdfast/core";
import { type PayloadStore, PortError } from "@holdfast/engine";
import { FailureMode } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import { ActionError, type FailureModeName } from "../action-error.js";
import {
  type Artifact,
  type ArtifactOptions,
  type ArtifactSource,
  openArtifact,
  storeArtifact,
} from "../artifact.js";
import type { NoEffect, Skip } from "../workflow/types.js";
import type { BatchContext, ItemContext, UndoCause, UndoContext } from "./context.js";
import { noEffect, skip } from "./endings.js";
import type { HeldTask } from "./held-task.js";
import { Steps, type StepsHost } from "./steps.js";

export interface ContextHost extends StepsHost {
  readonly store: PayloadStore;
  readonly logger: Logger;
  runInput(held: HeldTask): Promise<unknown>;
  heartbeat(held: HeldTask, progress: unknown): void;
}

export class TaskContext implements ItemContext, UndoContext, BatchContext {
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

  get job(): number {
    return this.#held.task.job?.job ?? 0;
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
    const { runId, actionName, item, undo, job } = this.#held.task;
    const key = item === undefined ? `${runId}/${actionName}` : `${runId}/${actionName}/${item}`;
    if (job !== undefined) return `${key}/job-${job.job}`;
    if (undo === undefined) return key;
    // What was undone and is done again is something new, and to undo it is another matter than to do it.
    return `${key}${undo.times === 0 ? "" : `/again-${undo.times}`}${undo.now ? "/undo" : ""}`;
  }

  get cause(): UndoCause {
    const cause = this.#held.task.undo?.cause;
    const mode = modeName(cause?.mode ?? FailureMode.UNSPECIFIED) as FailureModeName;
    return { mode, message: cause?.message ?? "" };
  }

  get log(): Logger {
    if (this.#log === undefined) {
      const { runId, actionName, item, attempt, traceparent, undo } = this.#held.task;
      this.#log = this.#host.logger.child({
        run: runId,
        action: actionName,
        attempt,
        ...(undo?.now === true ? { undo: true } : {}),
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

  async putArtifact(source: ArtifactSource, options: ArtifactOptions = {}): Promise<Artifact<never>> {
    try {
      return await storeArtifact(this.#host.store, source, options, this.#held.signal);
    } catch (error) {
      throw storeFailure(error);
    }
  }

  async *readArtifact(artifact: Artifact): AsyncGenerator<Uint8Array> {
    try {
      yield* openArtifact(this.#host.store, artifact);
    } catch (error) {
      throw storeFailure(error);
    }
  }

  heartbeat(progress?: unknown): void {
    this.#host.heartbeat(this.#held, progress);
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

/** What the object store could not do, with the mode that says whether another attempt may help. */
function storeFailure(error: unknown): unknown {
  if (!(error instanceof PortError)) return error;
  const mode =
    error.code === "not-found" ? "NOT_FOUND" : error.retry === "never" ? "VALIDATION" : "UNAVAILABLE";
  return new ActionError(mode, error.message, { cause: error });
}
