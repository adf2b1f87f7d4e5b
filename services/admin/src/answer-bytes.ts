/** How much one answer holds: common clients take messages up to 4 MiB. */

/** Left of that for what is not counted: names, numbers, what frames them. */
export const ANSWER_BYTES_MAX = 3 * 1024 * 1024;

/** The first rows that fit into an answer together; one at least, so that a list gets on. */
export function withinBytes<Row>(rows: readonly Row[], bytesOf: (row: Row) => number): Row[] {
  let bytes = 0;
  const end = rows.findIndex((row, at) => {
    bytes += bytesOf(row);
    return at > 0 && bytes > ANSWER_BYTES_MAX;
  });
  return end === -1 ? [...rows] : rows.slice(0, end);
}
