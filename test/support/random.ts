/** Chance from a seed: the same seed, the same test. `HOLDFAST_TEST_SEED` repeats one. */

const SEEDS = 0x1_0000_0000;

export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** Prints its seed, so that a failure can be repeated. */
  static forTest(name: string): Random {
    const given = process.env["HOLDFAST_TEST_SEED"];
    const seed = given === undefined ? Math.floor(Math.random() * SEEDS) : Number(given);
    process.stdout.write(`${name}: HOLDFAST_TEST_SEED=${seed} repeats this\n`);
    return new Random(seed);
  }

  /** 0 ≤ x < 1, by mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / SEEDS;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }
}
