/** Values that a person may have written by hand, told from data, without walking through all of the data. */

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
