/**
 * The check of one film, as it was first deployed: it takes the file's description at its word.
 * `check-film-mended.ts` is what replaces it once people have seen what fails.
 */
import type { FilmRow } from "./films.js";
import { parseReleaseDate } from "./release-date.js";

/** A film that later actions can count on. */
export interface CheckedFilm {
  readonly title: string;
  /** ISO date. */
  readonly released: string;
  /** US dollars; null: not known. */
  readonly usGross: number | null;
  readonly worldwideGross: number | null;
  readonly budget: number | null;
  readonly genre: string | null;
}

/** All that is wrong with a row, or the film. */
export type CheckResult =
  | { readonly film: CheckedFilm }
  | { readonly problems: readonly [string, ...string[]] };

/** The catalogue was exported during 2011: nothing in it was released later. */
export const CATALOGUE_END = "2011-12-31";

const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;

export function checkFilm(row: FilmRow): CheckResult {
  const problems: string[] = [];
  const title = row.Title.trim();
  if (!PRINTABLE_ASCII.test(title)) problems.push(`title "${title}" holds letters of an unknown encoding`);

  const released = parseReleaseDate(row["Release Date"]);
  if (released === undefined) problems.push(`release date "${row["Release Date"]}" is no date`);
  else if (released > CATALOGUE_END) {
    problems.push(`release date ${released} is later than the catalogue itself (${CATALOGUE_END})`);
  }

  for (const column of ["US Gross", "Worldwide Gross", "Production Budget"] as const) {
    if (typeof row[column] !== "number") problems.push(`${column} is missing`);
  }

  const [first, ...others] = problems;
  if (first !== undefined || released === undefined)
    return { problems: [first ?? "no release date", ...others] };
  return {
    film: {
      title,
      released,
      usGross: row["US Gross"],
      worldwideGross: row["Worldwide Gross"],
      budget: row["Production Budget"],
      genre: row["Major Genre"],
    },
  };
}
