/** What a client is made of, and what its calls may be told. */
import type { Bus, Clock, CommandLog, DefinitionRegistry, PayloadStore, WorkQueue } from "@holdfast/engine";
import type { NatsAccess } from "@holdfast/nats";
import type { Duration } from "../duration.js";
import type { Logger } from "@holdfast/telemetry";

/** What a client stands on: the ports that an adapter (NATS, or memory) implements. */
export interface HoldfastPorts {
  readonly log: CommandLog;
  readonly bus: Bus;
  readonly definitions: DefinitionRegistry;
  readonly payloads: PayloadStore;
  /** Where it is there, `get` tells a run that is published and not begun from one that is not there, and `rejected` has something to show. */
  readonly work?: WorkQueue;
  close(): Promise<void>;
}

export interface HoldfastOptions {
  /** For people: shown as where runs come from. */
  readonly name?: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface ConnectOptions extends HoldfastOptions {
  /** Of the NATS server, or of several of its cluster with commas between; default: `HOLDFAST_NATS_URL`, else `nats://127.0.0.1:4222`. */
  readonly url?: string;
  /** Credentials and TLS for it; default, without `url`: what the environment says (`HOLDFAST_NATS_CREDS` and others). */
  readonly access?: NatsAccess;
  /** How long to wait for NATS and the cluster where they are not there yet, in milliseconds; default: not at all. */
  readonly waitMs?: number;
}

export interface StartOptions {
  /** 1-128 of `A-Z a-z 0-9 _ -`. The same id again is the same run. Default: a fresh one. */
  readonly runId?: string;
  /** Higher goes first. */
  readonly priority?: number;
  /** What to do where a run of this id is there already: return it (default), reject, or retry it if it failed. */
  readonly onConflict?: "return" | "reject" | "retry_if_failed";
  /** Not before this. */
  readonly startAt?: Date;
  /** W3C trace context that the run belongs to. */
  readonly traceparent?: string;
}

export interface RestartOptions<Input = unknown> {
  /** Of the new run. Default: the input that the old one had. */
  readonly input?: Input;
  /** Of the new run. Default: made of the old one's and the request's. */
  readonly runId?: string;
  readonly reason?: string;
  /** The same id is the same new run, however often it is sent. Default: a fresh one. */
  readonly requestId?: string;
}

export interface RetryOptions {
  readonly strategy?: "RETRY_FAILED" | "RETRY_FROM_CHECKPOINT" | "RETRY_ALL";
  /** Also failures whose mode is terminal; audited. */
  readonly force?: boolean;
  /** Not all that failed: items of this action alone. */
  readonly action?: string;
  /** Numbers are indices, texts are keys (`forEach: { key }`): at most 1,000, at most 100 keys. What else failed stays as it is. */
  readonly items?: readonly (number | string)[];
  /** Of what failed, that which is in the dead letters: the run, or single items; of the action, where one is named. */
  readonly deadLetters?: boolean;
  readonly reason?: string;
  /** The same id gets the same answer, never a second retry. Default: a fresh one. */
  readonly requestId?: string;
}

/** The same request id about the same run is one request, however often it is sent. */
export interface ControlOptions {
  readonly requestId?: string;
}

export interface ChangeOptions extends ControlOptions {
  readonly reason?: string;
}

export interface DeadLetterOptions extends ChangeOptions {
  /** Not the run: items of this action. */
  readonly action?: string;
  /** Numbers are indices, texts are keys (`forEach: { key }`): at most 1,000, at most 100 keys. */
  readonly items?: readonly (number | string)[];
}

export interface CancelOptions extends ChangeOptions {
  /** How long attempts under way may still end well; default 10 s, 0: no time at all. */
  readonly grace?: Duration;
}

export interface DecisionOptions extends ControlOptions {
  /** Which action, where several wait for a decision. */
  readonly action?: string;
  readonly comment?: string;
}
