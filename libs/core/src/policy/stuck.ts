/**
 * Whether a handler goes in circles, told from the fingerprints of its progress: it is stuck once it comes back to one that it left
 * at least `gap` distinct fingerprints ago. To go to and fro between fewer is not being stuck.
 *
 * 1. Bounded: the latest STUCK_REMEMBERED_MAX fingerprints are remembered; a circle that is wider is not noticed.
 */
import { STUCK_REMEMBERED_MAX } from "../limits.js";

export class StuckDetector {
  /** The latest distinct fingerprints, newest first; at most `gap`. */
  private readonly latest: string[] = [];
  /** Those before them, oldest first. */
  private readonly left = new Set<string>();

  constructor(private readonly gap: number) {}

  /** True where the handler is stuck. */
  visit(fingerprint: string): boolean {
    const at = this.latest.indexOf(fingerprint);
    if (at >= 0) this.latest.splice(at, 1);
    else if (this.left.has(fingerprint)) return true;
    this.latest.unshift(fingerprint);
    if (this.latest.length <= this.gap) return false;
    this.left.add(this.latest.pop() as string);
    if (this.left.size > STUCK_REMEMBERED_MAX - this.gap) {
      const [oldest] = this.left;
      this.left.delete(oldest as string);
    }
    return false;
  }
}
