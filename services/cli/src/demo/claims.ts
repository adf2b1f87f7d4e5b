/** What the demo says, checked: each claim with what was found. One that does not hold fails the demo. */
import { isDeepStrictEqual } from "node:util";

export interface Claim {
  readonly says: string;
  readonly holds: boolean;
  /** For those that do not hold. */
  readonly found: string;
}

export class Claims {
  private readonly made: Claim[] = [];

  equal(says: string, found: unknown, expected: unknown): void {
    const holds = isDeepStrictEqual(found, expected);
    this.made.push({ says, holds, found: `${textOf(found)}, not ${textOf(expected)}` });
  }

  holds(says: string, holds: boolean, found: unknown): void {
    this.made.push({ says, holds, found: textOf(found) });
  }

  get count(): number {
    return this.made.length;
  }

  get broken(): readonly Claim[] {
    return this.made.filter((claim) => !claim.holds);
  }
}

const TEXT_CHARS_MAX = 200;

function textOf(value: unknown): string {
  const text =
    typeof value === "string"
      ? value
      : JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? String(part) : part));
  return (text ?? "undefined").slice(0, TEXT_CHARS_MAX);
}
