/** A process's own view of its memory, after its garbage is gone. */

export interface MemoryUse {
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
}

/** What is alive now, at the cost of one collection. */
export function liveMemory(): MemoryUse {
  globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { rssBytes: rss, heapUsedBytes: heapUsed + arrayBuffers };
}

const ROUNDS = 3;
const PAUSE_MS = 200;

/** Collects garbage (where the process was started with `--expose-gc`), leaves time for pages to be given back, and looks. */
export async function collectGarbage(): Promise<MemoryUse> {
  for (let round = 0; round < ROUNDS; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { rssBytes: rss, heapUsedBytes: heapUsed };
}
