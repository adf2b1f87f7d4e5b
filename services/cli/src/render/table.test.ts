import { expect, it } from "vitest";
import { colourStyle } from "./style.js";
import { plainScreen } from "./sample-runs.js";
import { renderTable } from "./table.js";
import { cells } from "./text.js";

const columns = [
  { title: "NAME", shrinkTo: 4 },
  { title: "COUNT", align: "right" as const },
  { title: "NOTE", shrinkTo: 4 },
];

it("aligns columns, wide characters included", () => {
  expect(
    renderTable(
      columns,
      [
        ["東京", "1,000", "a"],
        ["x", "7", "b"],
      ],
      plainScreen(80),
    ),
  ).toEqual(["NAME  COUNT  NOTE", "東京  1,000  a", "x         7  b"]);
});

it("cuts only what may shrink, the widest first, until a line fits", () => {
  const rows = [["a-very-long-name-indeed", "123,456", "a short note"]];
  for (const width of [40, 34, 24]) {
    for (const line of renderTable(columns, rows, plainScreen(width)))
      expect(cells(line)).toBeLessThanOrEqual(width);
  }
  expect(renderTable(columns, rows, plainScreen(34))[1]).toContain("123,456");
});

it("leaves out what is expendable, the least needed first, before it cuts what is not", () => {
  const wide = [{ title: "ID" }, { title: "LESS", expendable: 2 }, { title: "LEAST", expendable: 1 }];
  const rows = [["x".repeat(20), "y".repeat(10), "z".repeat(10)]];
  expect(renderTable(wide, rows, plainScreen(50))[0]).toMatch(/^ID +LESS +LEAST$/);
  expect(renderTable(wide, rows, plainScreen(40))[0]).toMatch(/^ID +LESS$/);
  expect(renderTable(wide, rows, plainScreen(25))).toEqual(["ID", "x".repeat(20)]);
  expect(renderTable(wide, rows, plainScreen(10))).toEqual(["ID", "x".repeat(20)]);
});

it("cuts nothing where lines have no end", () => {
  const long = "x".repeat(500);
  expect(renderTable(columns, [[long, "1", "n"]], plainScreen(Number.POSITIVE_INFINITY))[1]).toContain(long);
});

it("keeps the padding of a coloured cell plain", () => {
  const screen = { ...plainScreen(80), style: colourStyle };
  const [, line] = renderTable(columns, [[{ text: "ab", tone: "bad" }, "1", "n"]], screen);
  expect(line).toBe("\u001b[31mab\u001b[39m        1  n");
});

it("lets a very long name stand alone above its line, where it costs the others nothing", () => {
  const named = [{ title: "ID" }, { title: "STATUS" }, { title: "LESS", expendable: 1 }];
  const long = "x".repeat(128);
  const rows = [
    [long, "done", "much"],
    ["short", "open", "little"],
  ];
  expect(renderTable(named, rows, plainScreen(60))).toEqual([
    "ID     STATUS  LESS",
    long,
    "       done    much",
    "short  open    little",
  ]);
  expect(renderTable(named, rows, plainScreen(Number.POSITIVE_INFINITY))).toHaveLength(3);
});
