/**
 * An ordered set of strings in chunks: adding or removing moves at most one chunk's entries.
 * Order is that of `<`, which for binary strings is byte order.
 */

const CHUNK_KEYS_MAX = 512;

export class SortedKeys {
  /** Never holds an empty chunk. */
  private readonly chunks: string[][] = [];

  add(key: string): void {
    const at = this.chunkOf(key);
    const chunk = this.chunks[at];
    if (chunk === undefined) {
      this.chunks.push([key]);
      return;
    }
    const position = lowerBound(chunk, key);
    if (chunk[position] === key) return;
    chunk.splice(position, 0, key);
    if (chunk.length > CHUNK_KEYS_MAX) this.chunks.splice(at + 1, 0, chunk.splice(CHUNK_KEYS_MAX / 2));
  }

  delete(key: string): void {
    const at = this.chunkOf(key);
    const chunk = this.chunks[at];
    if (chunk === undefined) return;
    const position = lowerBound(chunk, key);
    if (chunk[position] !== key) return;
    chunk.splice(position, 1);
    if (chunk.length === 0) this.chunks.splice(at, 1);
  }

  /** Keys from `from` on, upwards. */
  *upFrom(from: string): Generator<string> {
    for (let at = this.chunkOf(from); at < this.chunks.length; at++) {
      const chunk = this.chunks[at] as string[];
      for (let i = lowerBound(chunk, from); i < chunk.length; i++) yield chunk[i] as string;
    }
  }

  /** Keys below `to`, downwards. */
  *downFrom(to: string): Generator<string> {
    for (let at = Math.min(this.chunkOf(to), this.chunks.length - 1); at >= 0; at--) {
      const chunk = this.chunks[at] as string[];
      for (let i = lowerBound(chunk, to) - 1; i >= 0; i--) yield chunk[i] as string;
    }
  }

  /** The last chunk that begins at or below the key; 0 where none does. */
  private chunkOf(key: string): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (((this.chunks[middle] as string[])[0] as string) <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

/** The first position whose key is not below `key`. */
function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
