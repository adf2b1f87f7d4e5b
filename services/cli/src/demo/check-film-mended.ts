/**
 * The check of one film, mended: each rule here answers one kind of failure that the first version's ledger showed,
 * and says what the data really means. A row that no rule explains still fails.
 */
import { CATALOGUE_END, type CheckedFilm, type CheckResult } from "./check-film.js";
import type { FilmRow } from "./films.js";
import { centuryBefore, parseReleaseDate } from "./release-date.js";
import { repairTitle } from "./title-encoding.js";

/**
 * Titles that the export lost, by release date and distributor. The film "Unknown" was taken for an unknown value.
 */
const LOST_TITLES: Readonly<Record<string, string>> = {
  "2006-11-03 IFC Films": "Unknown",
};

/** What a row may hold in truth: its description says text and numbers only. */
type RawFilmRow = Omit<FilmRow, "Title" | "US Gross" | "Worldwide Gross" | "Production Budget"> & {
  readonly Title: string | number | null;
  readonly "US Gross": number | null;
  readonly "Worldwide Gross": number | null;
  readonly "Production Budget": number | null;
};

export function checkFilmMended(row: RawFilmRow): CheckResult {
  const released = readReleaseDate(row["Release Date"]);
  if (released === undefined) return { problems: [`release date "${row["Release Date"]}" is no date`] };
  const title = readTitle(row, released);
  if (title === undefined)
    return { problems: ["it has no title, and the table of lost titles has none for it"] };
  const film: CheckedFilm = {
    title,
    released,
    // A figure that nobody knows is no error of the film: it is passed on as unknown.
    usGross: row["US Gross"],
    worldwideGross: row["Worldwide Gross"],
    budget: row["Production Budget"],
    genre: row["Major Genre"],
  };
  return { film };
}

/** Years were written with two digits: one beyond the catalogue's end is of the century before. */
function readReleaseDate(text: string): string | undefined {
  const date = parseReleaseDate(text);
  return date !== undefined && date > CATALOGUE_END ? centuryBefore(date) : date;
}

function readTitle(row: RawFilmRow, released: string): string | undefined {
  // Titles such as 300, 1941 or 9 were taken for numbers.
  if (typeof row.Title === "number") return String(row.Title);
  if (typeof row.Title === "string") return repairTitle(row.Title.trim());
  return LOST_TITLES[`${released} ${row.Distributor ?? ""}`];
}
