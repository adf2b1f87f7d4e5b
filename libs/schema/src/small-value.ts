/** How large a value is, without walking through all of one that is large. */

/** Values within a small value, itself included. */
export const SMALL_VALUES_MAX = 1_000;

export function isSmall(value: unknown): boolean {
  const open: unknown[] = [value];
  for (let seen = 0; seen < open.length; seen++) {
    const one = open[seen];
    if (typeof one !== "object" || one === null) continue;
    for (const key in one) {
      if (open.length === SMALL_VALUES_MAX) return false;
      open.push((one as Readonly<Record<string, unknown>>)[key]);
    }
  }
  return true;
}

/** Values, and characters of texts and names, within a value; counted no further than just beyond `most`. */
export function sizeOf(value: unknown, most: number): number {
  if (typeof value === "string") return 1 + value.length;
  if (typeof value !== "object" || value === null) return 1;
  const open: object[] = [value];
  let size = 1;
  for (let one = open.pop(); one !== undefined && size <= most; one = open.pop()) {
    if (Array.isArray(one)) {
      size += one.length;
      if (size > most) return size;
    }
    for (const key in one) {
      const part = (one as Readonly<Record<string, unknown>>)[key];
      size += 1 + key.length;
      if (typeof part === "string") size += part.length;
      else if (typeof part === "object" && part !== null) open.push(part);
      if (size > most) return size;
    }
  }
  return size;
}
