/** A run that was started or found: ask how it stands, wait for its end, get its output. */
import type { RunEnded, RunStatus, RunView } from "@holdfast/proto";

export interface RunHost {
  ended(handle: RunHandle<unknown>): Promise<RunEnded>;
  output(ended: RunEnded): Promise<unknown>;
  get(runId: string): Promise<RunView>;
}

export class RunHandle<Output> {
  readonly #host: RunHost;
  #ended: Promise<RunEnded> | undefined;

  constructor(
    host: RunHost,
    readonly runId: string,
    /** The start found it there already. */
    readonly existed: boolean,
    /** As it was when the start was answered. */
    readonly statusAtStart: RunStatus,
  ) {
    this.#host = host;
  }

  /**
   * The run's output, once it has ended: that of its one last action, else null. Also of a run that completed with failures
   * (`ended()` tells). Rejects with `RunFailedError` where it ended FAILED or CANCELLED.
   */
  async result(): Promise<Output> {
    return (await this.#host.output(await this.ended())) as Output;
  }

  /** How it ended, whatever that is. */
  ended(): Promise<RunEnded> {
    this.#ended ??= this.#host.ended(this);
    return this.#ended;
  }

  /** As its owner sees it now. */
  get(): Promise<RunView> {
    return this.#host.get(this.runId);
  }
}
