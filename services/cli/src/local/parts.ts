/** Parts of a process that start one after the other and stop in reverse, whatever befalls one of them. */

export interface Part {
  readonly name: string;
  stop(): Promise<void> | void;
}

export class PartsStopError extends AggregateError {
  override readonly name = "PartsStopError";
}

export class Parts {
  private readonly running: Part[] = [];
  private stopping: Promise<void> | undefined;

  /** Starts a part and remembers how it stops; when it can't start, the parts before it are stopped first. */
  async start<T>(
    name: string,
    start: () => Promise<T> | T,
    stop: (started: T) => Promise<void> | void,
  ): Promise<T> {
    try {
      const started = await start();
      this.running.push({ name, stop: () => stop(started) });
      return started;
    } catch (error) {
      // Its own failure is what matters; what stopping the others says can only be a consequence.
      await this.stop().catch(() => undefined);
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${name} could not start: ${why}`, { cause: error });
    }
  }

  /** Stops all, the last started first. Idempotent. Rejects with a PartsStopError once all have been tried. */
  stop(): Promise<void> {
    return (this.stopping ??= this.stopAll());
  }

  private async stopAll(): Promise<void> {
    const failures: Error[] = [];
    for (let part = this.running.pop(); part !== undefined; part = this.running.pop()) {
      try {
        await part.stop();
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        failures.push(new Error(`${part.name} did not stop cleanly: ${why}`, { cause: error }));
      }
    }
    if (failures.length > 0) {
      throw new PartsStopError(failures, failures.map((failure) => failure.message).join("; "));
    }
  }
}
