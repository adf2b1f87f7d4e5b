/** Pages out of all partitions end with what an answer holds, and show each row once, whatever its size. */
import { expect, test } from "vitest";
import { mergePages, PAGE_BYTES_MAX } from "./merge-pages.js";

interface Row {
  readonly n: number;
  readonly bytes: number;
}

/** Two partitions with rows of these sizes, the newest first; all their pages. */
async function pagesOf(sizes: readonly number[], pageSize: number): Promise<Row[][]> {
  const rows = sizes.map((bytes, at) => ({ n: sizes.length - at, bytes }));
  const pages: Row[][] = [];
  let pageToken = "";
  do {
    const page = await mergePages<Row>({
      kind: "runs",
      list: "",
      partitions: 2,
      pageSize,
      pageToken,
      beforeNs: 0n,
      timeNs: ({ n }) => BigInt(n),
      name: ({ n }) => String(n),
      bytesOf: ({ bytes }) => bytes,
      ask: async ({ partition, cursor, limit }) => {
        const after = cursor.length === 0 ? Number.POSITIVE_INFINITY : Number(Buffer.from(cursor).toString());
        const mine = rows.filter(({ n }) => n % 2 === partition && n < after);
        const found = mine.slice(0, limit);
        const cursors = found.map(({ n }) => Buffer.from(String(n)));
        return { rows: found, cursors, more: mine.length > limit, next: cursors.at(-1) ?? cursor };
      },
    });
    pages.push(page.rows);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return pages;
}

test("a page of large rows ends before an answer is full, and the next goes on there", async () => {
  const pages = await pagesOf(
    Array.from({ length: 100 }, (_, at) => (at % 7 === 0 ? 500_000 : 90_000)),
    1_000,
  );
  for (const rows of pages)
    expect(rows.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(PAGE_BYTES_MAX);
  expect(pages.length).toBeGreaterThan(3);
  expect(pages.flat().map(({ n }) => n)).toEqual(Array.from({ length: 100 }, (_, at) => 100 - at));
});

test("a row that is too large by itself is a page of its own, so that a list gets on", async () => {
  const pages = await pagesOf([10, PAGE_BYTES_MAX * 2, 10, 10], 1_000);
  expect(pages.map((rows) => rows.map(({ n }) => n))).toEqual([[4], [3], [2, 1]]);
});

test("small rows fill a page as they are asked for", async () => {
  expect(
    (
      await pagesOf(
        Array.from({ length: 25 }, () => 100),
        10,
      )
    ).map(({ length }) => length),
  ).toEqual([10, 10, 5]);
});
