/**
 * For tests: a clock by which time goes as fast as this process works, a millisecond for some turns of the event loop. What has so
 * many milliseconds on a busy machine has them on an idle one. Nothing outside of tests imports it.
 */
import { ManualClock } from "../memory/index.js";

export class PassingClock extends ManualClock {
  #over = false;

  constructor() {
    super();
    void this.#pass();
  }

  /** Time stands still again; what waits for it waits for ever. */
  stop(): void {
    this.#over = true;
  }

  async #pass(): Promise<void> {
    while (!this.#over) await this.advance(1);
  }
}
