/** A few lines that are drawn over each other on a terminal; elsewhere, now and then a line. */
import type { CliIo } from "./io.js";

/** Where nothing can be drawn over, the same lines again only after this long. */
const PLAIN_EVERY_MS = 2_000;

const CLEAR_DOWN = "\u001b[J";
const up = (lines: number): string => `\u001b[${lines}F`;

export class LiveLines {
  private drawn = 0;
  private lastPlainMs = Number.NEGATIVE_INFINITY;
  private lastText = "";

  constructor(private readonly io: CliIo) {}

  /** Lines no wider than the terminal, and fewer than it has. */
  draw(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\n`).join("");
    if (text === this.lastText) return;
    if (this.io.stdout.isTTY === true) {
      this.io.write((this.drawn > 0 ? up(this.drawn) + CLEAR_DOWN : "") + text);
      this.drawn = lines.length;
    } else {
      if (this.io.nowMs() - this.lastPlainMs < PLAIN_EVERY_MS) return;
      this.lastPlainMs = this.io.nowMs();
      this.io.write(text);
    }
    this.lastText = text;
  }

  /** The last state, kept: what is written next comes below it. */
  finish(lines: readonly string[]): void {
    this.lastPlainMs = Number.NEGATIVE_INFINITY;
    this.draw(lines);
    this.drawn = 0;
    this.lastText = "";
  }

  /** Takes what was drawn away again; plain lines stay. */
  clear(): void {
    if (this.drawn > 0) this.io.write(up(this.drawn) + CLEAR_DOWN);
    this.drawn = 0;
    this.lastText = "";
  }
}
