/** A run that was started or found: ask how it stands, wait for its end, get its output. */
import type { StartTicket } from "@holdfast/engine";
import type { RunEnded, RunStatus, RunView } from "@holdfast/proto";
import { handedOut } from "../handed-out.js";

export interface RunHost {
  ended(runId: string, ticket: StartTicket): Promise<RunEnded>;
  output(ended: RunEnded): Promise<unknown>;
  get(runId: string): Promise<RunView>;
}

export class RunHandle<Output> {
  readonly #host: RunHost;
  readonly #ticket: StartTicket;
  #ended: Promise<RunEnded> | undefined;

  constructor(
    host: RunHost,
    ticket: StartTicket,
    readonly runId: string,
    /** The start found it there already. */
    readonly existed: boolean,
    /** As it was when the start was answered. */
    readonly statusAtStart: RunStatus,
  ) {
    this.#host = host;
    this.#ticket = ticket;
  }

  /**
   * The run's output, once it has ended: that of its one last action, else null. Also of a run that completed with failures
   * (`ended()` tells). Rejects with `RunFailedError` where it ended FAILED or CANCELLED.
   */
  result(): Promise<Output> {
    return handedOut(this.#result());
  }

  async #result(): Promise<Output> {
    return (await this.#host.output(await this.ended())) as Output;
  }

  /** How it ended, whatever that is. */
  ended(): Promise<RunEnded> {
    this.#ended ??= this.#host.ended(this.runId, this.#ticket);
    return this.#ended;
  }

  /** As its owner sees it now. */
  get(): Promise<RunView> {
    return this.#host.get(this.runId);
  }
}
