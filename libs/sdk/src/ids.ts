/** Fresh ids. Unique without asking anybody: a random part for each process, and a counter. */
import { randomBytes } from "node:crypto";

const RANDOM_CHARS = 8;
const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

function randomChars(chars: number): string {
  let text = "";
  for (const byte of randomBytes(chars)) text += ALPHABET[byte % ALPHABET.length];
  return text;
}

/** `worker-k3x9…`: the id of a process's part. */
export function freshId(role: string): string {
  return `${role}-${randomChars(RANDOM_CHARS)}`;
}

/** Makes run ids that sort by when they were made, to the millisecond: `<time>-<random><counter>`. */
export class RunIds {
  readonly #random = randomChars(RANDOM_CHARS);
  #count = 0;

  next(nowMs: number): string {
    return `${Math.floor(nowMs).toString(36)}-${this.#random}${(this.#count++).toString(36)}`;
  }
}
