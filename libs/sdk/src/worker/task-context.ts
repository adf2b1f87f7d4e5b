/** The context of one attempt. Everything in it that costs something is made when it is first asked for. */
import {
  cutText,
  FINGERPRINT_CHARS_MAX,
  modeName,
  STUCK_REVISIT_GAP_DEFAULT,
  StuckDetector,
} from "@holdfast/core";
import { type PayloadStore, PortError } from "@holdfast/engine";
import { FailureMode } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import { ActionError, type FailureModeName } from "../action-error.js";
import {
  type Artifact,
  type ArtifactOptions,
  type ArtifactSource,
  JsonLines,
  openArtifact,
  storeArtifact,
} from "../artifact.js";
import { handedOut, handedOutEach } from "../handed-out.js";
import { checkCallOptions } from "../client/option-names.js";
import { checkNames, namesOf } from "../known-options.js";
import type { NoEffect, Skip } from "../workflow/types.js";
import type { BatchContext, ItemContext, StepOptions, UndoCause, UndoContext } from "./context.js";
import { noEffect, skip } from "./endings.js";
import type { HeldTask } from "./held-task.js";
import { isOurs, oursForGood, Patience, patiently } from "./patience.js";
import { Steps, type StepsHost } from "./steps.js";
import { isOf } from "./stray-rejections.js";
import { UsageMeter } from "./usage-meter.js";

const FINGERPRINT_SHOWN_CHARS = 80;
const STEP = namesOf<StepOptions>({ failureMessage: 1 });

export interface ContextHost extends StepsHost {
  readonly store: PayloadStore;
  readonly logger: Logger;
  runInput(held: HeldTask): Promise<unknown>;
  heartbeat(held: HeldTask, progress: unknown): void;
  stuck(held: HeldTask, reason: string): void;
}

export class TaskContext implements ItemContext, UndoContext, BatchContext {
  readonly #held: HeldTask;
  readonly #host: ContextHost;
  #log: Logger | undefined;
  #steps: Steps | undefined;
  #detector: StuckDetector | undefined;

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
    const { runId, actionName, item, undo, job, recover } = this.#held.task;
    const key = item === undefined ? `${runId}/${actionName}` : `${runId}/${actionName}/${item}`;
    if (job !== undefined) return `${key}/job-${job.job}`;
    // What it does in place of the handler is not what the handler did.
    const tail = recover === undefined ? "" : "/recover";
    if (undo === undefined) return key + tail;
    // What was undone and is done again is something new, and to undo it is another matter than to do it.
    return `${key}${undo.times === 0 ? "" : `/again-${undo.times}`}${undo.now ? "/undo" : ""}${tail}`;
  }

  get cause(): UndoCause {
    const cause = this.#held.task.undo?.cause;
    const mode = modeName(cause?.mode ?? FailureMode.UNSPECIFIED) as FailureModeName;
    return { mode, message: cause?.message ?? "" };
  }

  get log(): Logger {
    if (this.#log === undefined) {
      const { runId, actionName, item, attempt, traceparent, undo, recover } = this.#held.task;
      this.#log = this.#host.logger.child({
        run: runId,
        action: actionName,
        attempt,
        ...(undo?.now === true ? { undo: true } : {}),
        ...(recover === undefined ? {} : { recovery: true }),
        ...(item === undefined ? {} : { item }),
        ...(traceparent === "" ? {} : { trace: traceparent.split("-")[1] ?? traceparent }),
      });
    }
    return this.#log;
  }

  step(name: string, options: StepOptions | (() => unknown), run?: () => unknown): Promise<never> {
    return handedOut(
      typeof options === "function" ? this.#step(name, {}, options) : this.#step(name, options, run),
    );
  }

  async #step(name: string, options: StepOptions, run: unknown): Promise<never> {
    checkNames(options, STEP, `the options of step "${name}"`);
    if (typeof run !== "function")
      throw new ActionError("HANDLER_BUG", `step "${name}" needs a function that does it`);
    const { failureMessage = "" } = options;
    this.#steps ??= new Steps(this.#held, this.#host);
    this.#held.steps = this.#steps;
    const startedMs = performance.now();
    try {
      const result = await this.#steps.run(name, run as () => unknown, failureMessage);
      if (this.log.isEnabled("debug"))
        this.log.debug("step done", { step: name, ms: performance.now() - startedMs });
      return result as never;
    } catch (error) {
      isOf(error, this.#held);
      const fields = { step: name, ms: performance.now() - startedMs, err: error };
      if (this.#held.phase === "running") this.log.debug("step failed", fields);
      else this.log.warn("a step failed after its attempt had ended; the failure counts for nothing", fields);
      throw error;
    }
  }

  putArtifact(source: ArtifactSource, options: ArtifactOptions = {}): Promise<Artifact<never>> {
    return handedOut(this.#putArtifact(source, options));
  }

  async #putArtifact(source: ArtifactSource, options: ArtifactOptions): Promise<Artifact<never>> {
    checkCallOptions("artifact", options, "ctx.putArtifact");
    try {
      const store = (): Promise<Artifact<never>> =>
        storeArtifact(this.#host.store, source, options, this.#held.signal);
      return await (canReadAgain(source) ? patiently(this.#held, this.#host, "an artifact", store) : store());
    } catch (error) {
      const failure = storeFailure(error);
      isOf(failure, this.#held);
      throw failure;
    }
  }

  readArtifact(artifact: Artifact): AsyncGenerator<Uint8Array, void, undefined> {
    return handedOutEach(this.#readArtifact(artifact));
  }

  async *#readArtifact(artifact: Artifact): AsyncGenerator<Uint8Array, void, undefined> {
    const patience = new Patience(this.#held, this.#host, "an artifact");
    try {
      for (let given = 0, whole = false; !whole; ) {
        try {
          let at = 0;
          for await (const piece of openArtifact(this.#host.store, artifact)) {
            const rest = given - at;
            at += piece.length;
            if (at <= given) continue;
            given = at;
            patience.settled();
            yield rest <= 0 ? piece : piece.subarray(rest);
          }
          whole = true;
        } catch (error) {
          await patience.afterFailure(error);
        }
      }
    } catch (error) {
      const failure = storeFailure(error);
      isOf(failure, this.#held);
      throw failure;
    } finally {
      patience.settled();
    }
  }

  heartbeat(progress?: unknown): void {
    this.#host.heartbeat(this.#held, progress);
  }

  usage(amounts: Readonly<Record<string, number>>): void {
    this.#held.usage ??= new UsageMeter();
    this.#held.usage.add(amounts);
  }

  progress(fingerprint: string | number): void {
    const held = this.#held;
    held.signal.throwIfAborted();
    const text = String(fingerprint);
    if (text === "" || text.length > FINGERPRINT_CHARS_MAX) {
      throw new ActionError(
        "HANDLER_BUG",
        `ctx.progress takes a fingerprint of 1 to ${FINGERPRINT_CHARS_MAX} characters: this one has ${text.length}`,
      );
    }
    const gap = held.task.stuckRevisitGap || STUCK_REVISIT_GAP_DEFAULT;
    this.#detector ??= new StuckDetector(gap);
    if (!this.#detector.visit(text)) return;
    const shown = JSON.stringify(cutText(text, FINGERPRINT_SHOWN_CHARS));
    this.#host.stuck(
      held,
      `the handler of action "${held.task.actionName}" is stuck: it came back to ${shown}, which it had left at least ${gap} fingerprints ago`,
    );
    held.signal.throwIfAborted();
  }

  noEffect(reason: string): NoEffect {
    return noEffect(reason);
  }

  skip(reason: string): Skip {
    return skip(reason);
  }

  runInput(): Promise<never> {
    return handedOut(this.#host.runInput(this.#held)) as Promise<never>;
  }
}

/** Whether it can be read a second time. */
function canReadAgain(source: ArtifactSource): boolean {
  if (typeof source === "string" || source instanceof Uint8Array) return true;
  return Array.isArray(source instanceof JsonLines ? source.rows : source);
}

/** What the object store could not do, with the mode that says whether another attempt may help. */
function storeFailure(error: unknown): unknown {
  if (!(error instanceof PortError)) return error;
  if (isOurs(error)) return oursForGood(error);
  return new ActionError(error.code === "not-found" ? "NOT_FOUND" : "VALIDATION", error.message, {
    cause: error,
  });
}
