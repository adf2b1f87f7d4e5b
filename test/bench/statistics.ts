/** Figures from samples: middle, ends, percentiles. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: readonly number[];
}

const ascending = (samples: readonly number[]): number[] => [...samples].sort((a, b) => a - b);

/** Of at least one sample. An even number of them has the mean of the middle two as its median. */
export function spreadOf(samples: readonly number[]): Spread {
  const sorted = ascending(samples);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const min = sorted[0];
  const max = sorted.at(-1);
  if (upper === undefined || min === undefined || max === undefined) {
    throw new RangeError("there is no spread of no samples");
  }
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
  return { median, min, max, samples };
}

/** The nearest-rank percentile, `part` from 0 to 1. */
export function percentile(samples: readonly number[], part: number): number {
  const value = ascending(samples)[Math.min(samples.length - 1, Math.ceil(samples.length * part) - 1)];
  if (value === undefined) throw new RangeError("there is no percentile of no samples");
  return value;
}
