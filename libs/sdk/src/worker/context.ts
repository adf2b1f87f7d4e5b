/** What a handler is given beside its arguments. Types and contract; `TaskContext` is what workers make. */
import type { Logger } from "@holdfast/telemetry";
import type { Artifact, ArtifactOptions, ArtifactSource, JsonLines } from "../artifact.js";
import type { FailureModeName } from "../action-error.js";
import type { Jsonified, NoEffect, Skip } from "../workflow/types.js";

/** What a step's result is once it was checkpointed. */
export type StepValue<T> = T extends undefined | void ? undefined : Jsonified<T>;

export interface StepOptions {
  /** Shown to people where this step fails the attempt, in place of the action's own `failureMessage`; with the same placeholders. */
  readonly failureMessage?: string;
}

export interface ActionContext {
  readonly runId: string;
  readonly workflow: string;
  readonly action: string;
  /** From 1; counts on through retries. */
  readonly attempt: number;
  /** Attempts that the retry policy still allows after this one. */
  readonly attemptsLeft: number;
  /**
   * The same for every attempt of this action (and item) of this run: give it to dependencies that know such keys. An action that
   * was undone gets another one when it runs again.
   */
  readonly idempotencyKey: string;
  /** W3C trace context of the run; empty: none. */
  readonly traceparent: string;
  /** Lines carry run, action, item, attempt and trace. */
  readonly log: Logger;
  /** Aborts when the run is cancelled, the attempt's time is over, or the worker shuts down. Hand it to what you wait for. */
  readonly signal: AbortSignal;
  /**
   * Runs a named part of the handler once: its result is checkpointed through the log, and a later attempt, on whichever worker,
   * gets it without running the part again. Resolves when the checkpoint is durable, with the result as JSON leaves it. A part that
   * was cut off before its checkpoint runs again, so it must bear that. A name used again in a handler is another step (`name#2`),
   * counted in the order of the calls; one whose step has failed is that step, tried again. Rejects with what the part threw; the
   * failure then names the step. Await it: what ends after the attempt counts for nothing, and is logged.
   */
  step<T>(name: string, run: () => T | Promise<T>): Promise<StepValue<T>>;
  step<T>(name: string, options: StepOptions, run: () => T | Promise<T>): Promise<StepValue<T>>;
  /**
   * Stores a file, streamed, for later actions: return the reference, or let it stand in what the handler returns. The same content
   * again is the same artifact, so another attempt leaves no second one behind.
   */
  putArtifact<Row>(source: JsonLines<Row>, options?: ArtifactOptions): Promise<Artifact<Jsonified<Row>>>;
  putArtifact<Line = unknown>(source: ArtifactSource, options?: ArtifactOptions): Promise<Artifact<Line>>;
  /** An artifact in pieces. Size and digest are known to be right once the loop has ended. */
  readArtifact(artifact: Artifact): AsyncIterable<Uint8Array>;
  /**
   * Says that the handler goes on; needed more often than the action's `heartbeat`, where it has one. `progress` (JSON, 256 characters of it
   * are kept) is told if the attempt is given up. Costs nothing but a number.
   */
  heartbeat(progress?: unknown): void;
  /**
   * Says what this attempt spent: `ctx.usage({ tokens: 120, cost_usd: 0.0031 })`, to the millionth, under names of 1 to 64 of
   * A-Z a-z 0-9 _ -. Sums within the attempt, and goes with its report, also where it fails; of an attempt whose report does not
   * count (cancelled, lost with its worker) nothing is known. Throws where a name or an amount can't be counted.
   */
  usage(amounts: Readonly<Record<string, number>>): void;
  /**
   * Says where the handler stands, in 1 to 256 characters. One that comes back to where it was, with at least `stuckRevisitGap`
   * (default 5) other places in between, is stuck: `signal` aborts, this throws, and the attempt has failed with mode STUCK.
   */
  progress(fingerprint: string | number): void;
  /** Return it where the handler rightly did nothing: the run is then no silent no-op. */
  noEffect(reason: string): NoEffect;
}

/** Why a run is undone. */
export interface UndoCause {
  /** CANCELLED where it was cancelled by request. */
  readonly mode: FailureModeName;
  readonly message: string;
}

/** Of an undo. Its `idempotencyKey` is another than that of what it undoes. */
export interface UndoContext extends ActionContext {
  readonly cause: UndoCause;
}

/** Of the handlers of an external batch action. Its `idempotencyKey` is the job's: the same however often the job is submitted. */
export interface BatchContext extends ActionContext {
  /** Counts the jobs of the action, from 1. */
  readonly job: number;
  /** The run's input, fetched when it is first asked for. Shared with other handlers, so frozen. */
  runInput(): Promise<unknown>;
}

export interface ItemContext<Input = unknown> extends ActionContext {
  readonly index: number;
  /** The run's input, fetched when it is first asked for. Shared with other handlers, so frozen. */
  runInput(): Promise<Input>;
  /** Return it to filter this item out: it counts as skipped, and flows no further. */
  skip(reason: string): Skip;
}
