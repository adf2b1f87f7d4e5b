/** What is true of the demo's data, and of the two versions of its check. */
import { describe, expect, it } from "vitest";
import { CATALOGUE_END, checkFilm, type CheckResult } from "./check-film.js";
import { checkFilmMended } from "./check-film-mended.js";
import { enrichFilm, reportOn } from "./film-figures.js";
import { type FilmRow, loadFilms } from "./films.js";
import { centuryBefore, parseReleaseDate } from "./release-date.js";
import { repairTitle } from "./title-encoding.js";

const { rows, source } = loadFilms();

/** As a worker sees it: what was thrown is a problem too. */
function outcomeOf(check: (row: FilmRow) => CheckResult, row: FilmRow): CheckResult {
  try {
    return check(row);
  } catch (error) {
    return { problems: [error instanceof Error ? error.name : "?"] };
  }
}

const problemsOf = (check: (row: FilmRow) => CheckResult): string[][] =>
  rows
    .map((row) => outcomeOf(check, row))
    .map((result) => ("problems" in result ? [...result.problems] : []));

function mended(title: unknown): string {
  const row = rows.find((one) => one.Title === title);
  if (row === undefined) throw new Error(`no such film: ${String(title)}`);
  const result = checkFilmMended(row);
  return "film" in result ? `${result.film.title}, ${result.film.released}` : result.problems.join("; ");
}

describe("the catalogue", () => {
  it("is what the package ships, untouched", () => {
    expect(source).toMatch(/^movies\.json of vega-datasets \d+\.\d+\.\d+$/);
    expect(rows).toHaveLength(3_201);
  });

  it("breaks its own description by itself", () => {
    expect(rows.filter((row) => typeof row.Title === "number")).toHaveLength(9);
    expect(rows.filter((row) => row.Title === null)).toHaveLength(1);
    expect(rows.filter((row) => row["US Gross"] === null)).toHaveLength(7);
    expect(rows.filter((row) => row["Production Budget"] === null)).toHaveLength(1);
    expect(rows.filter((row) => (parseReleaseDate(row["Release Date"]) ?? "") > CATALOGUE_END)).toHaveLength(
      22,
    );
  });
});

describe("the first check", () => {
  const problems = problemsOf(checkFilm);

  it("fails 58 of the rows, in several ways", () => {
    expect(problems.filter((some) => some.length > 0)).toHaveLength(58);
    const count = (pattern: RegExp) =>
      problems.filter((some) => some.some((text) => pattern.test(text))).length;
    expect({
      notText: count(/^TypeError$/),
      encoding: count(/unknown encoding/),
      future: count(/later than the catalogue/),
      gross: count(/^US Gross is missing/),
      budget: count(/^Production Budget is missing/),
    }).toEqual({ notText: 10, encoding: 20, future: 22, gross: 7, budget: 1 });
  });
});

describe("the mended check", () => {
  it("passes every row", () => {
    expect(problemsOf(checkFilmMended).filter((some) => some.length > 0)).toEqual([]);
  });

  it("changes nothing about the rows that the first one passed", () => {
    const passed = rows
      .map((row) => [row, outcomeOf(checkFilm, row)] as const)
      .filter(([, result]) => "film" in result);
    expect(passed).toHaveLength(3_143);
    for (const [row, result] of passed) expect(checkFilmMended(row)).toEqual(result);
  });

  it.each([
    [300, "300, 2007-03-09"],
    [null, "Unknown, 2006-11-03"],
    ["Gone with the Wind", "Gone with the Wind, 1939-12-15"],
    ["The Birth of a Nation", "The Birth of a Nation, 1915-02-08"],
    ["LÈon", "Léon, 1994-11-18"],
    ["The Naked Gun 2Ω: The Smell of Fear", "The Naked Gun 2½: The Smell of Fear, 1991-06-28"],
    ["DÈj‡ Vu", "Déjà Vu, 2006-11-22"],
    ["I Love You Ö Don't Touch Me!", "I Love You … Don't Touch Me!, 1998-02-20"],
    ["Alien³", "Alien³, 1992-05-22"],
    ["Ri¢hie Ri¢h", "Ri¢hie Ri¢h, 1994-12-21"],
  ])("reads %s as %s", (title, expected) => {
    expect(mended(title)).toBe(expected);
  });

  it("still fails what no rule explains", () => {
    const row = {
      ...rows[0],
      Title: null,
      "Release Date": "Nov 04 2006",
      Distributor: "Nobody",
    } as unknown as FilmRow;
    expect(checkFilmMended(row)).toHaveProperty("problems");
  });
});

describe("dates and titles", () => {
  it("takes real days only", () => {
    expect(parseReleaseDate("Feb 29 2008")).toBe("2008-02-29");
    expect(parseReleaseDate("Feb 30 2008")).toBeUndefined();
    expect(parseReleaseDate("2008-02-29")).toBeUndefined();
    expect(parseReleaseDate("Foo 01 2008")).toBeUndefined();
    expect(centuryBefore("2046-12-31")).toBe("1946-12-31");
  });

  it("leaves ASCII as it is", () => {
    expect(repairTitle("What's the Worst That Could Happen?")).toBe("What's the Worst That Could Happen?");
  });
});

describe("the figures", () => {
  const film = {
    title: "A",
    released: "1998-06-12",
    usGross: 1,
    worldwideGross: 300_000,
    budget: 200_000,
    genre: null,
  };

  it("are worked out where they are known", () => {
    expect(enrichFilm(film)).toEqual({ title: "A", year: 1998, profit: 100_000, multiple: 1.5 });
    expect(enrichFilm({ ...film, budget: null })).toEqual({
      title: "A",
      year: 1998,
      profit: null,
      multiple: null,
    });
    expect(enrichFilm({ ...film, budget: 218 }).multiple).toBeNull();
  });

  it("are summed by decade", () => {
    const films = [
      enrichFilm(film),
      enrichFilm({ ...film, title: "B", released: "2001-01-01", worldwideGross: 900_000 }),
    ];
    expect(reportOn(films)).toMatchObject({
      films: 2,
      firstYear: 1998,
      lastYear: 2001,
      decades: [
        { decade: 1990, films: 1, profit: 100_000 },
        { decade: 2000, films: 1, profit: 700_000 },
      ],
      mostProfitable: { title: "B" },
      bestMultiple: { title: "B" },
    });
    expect(reportOn([])).toMatchObject({ films: 0, firstYear: null, mostProfitable: null });
  });
});
