/** What the workflow makes of checked films: figures for each one, and a report over all. */
import type { CheckedFilm } from "./check-film.js";

export interface EnrichedFilm {
  readonly title: string;
  readonly year: number;
  /** US dollars; null where a figure it needs is not known. */
  readonly profit: number | null;
  /** Worldwide gross over budget, to two decimals. */
  readonly multiple: number | null;
}

/** Below this budget a multiple says more about book-keeping than about a film. */
const BUDGET_MIN_USD = 100_000;

export function enrichFilm(film: CheckedFilm): EnrichedFilm {
  const { worldwideGross, budget } = film;
  const known = worldwideGross !== null && budget !== null;
  return {
    title: film.title,
    year: Number(film.released.slice(0, 4)),
    profit: known ? worldwideGross - budget : null,
    multiple: known && budget >= BUDGET_MIN_USD ? Math.round((worldwideGross / budget) * 100) / 100 : null,
  };
}

export interface CatalogueReport {
  readonly films: number;
  readonly firstYear: number | null;
  readonly lastYear: number | null;
  readonly decades: readonly { readonly decade: number; readonly films: number; readonly profit: number }[];
  readonly mostProfitable: EnrichedFilm | null;
  readonly bestMultiple: EnrichedFilm | null;
}

export function reportOn(films: readonly EnrichedFilm[]): CatalogueReport {
  const decades = new Map<number, { decade: number; films: number; profit: number }>();
  for (const film of films) {
    const decade = Math.floor(film.year / 10) * 10;
    const entry = decades.get(decade) ?? { decade, films: 0, profit: 0 };
    entry.films += 1;
    entry.profit += film.profit ?? 0;
    decades.set(decade, entry);
  }
  const years = films.map((film) => film.year);
  return {
    films: films.length,
    firstYear: years.length === 0 ? null : Math.min(...years),
    lastYear: years.length === 0 ? null : Math.max(...years),
    decades: [...decades.values()].toSorted((a, b) => a.decade - b.decade),
    mostProfitable: best(films, (film) => film.profit),
    bestMultiple: best(films, (film) => film.multiple),
  };
}

function best(
  films: readonly EnrichedFilm[],
  figure: (film: EnrichedFilm) => number | null,
): EnrichedFilm | null {
  let found: EnrichedFilm | null = null;
  for (const film of films) {
    const value = figure(film);
    if (value === null) continue;
    if (found === null || value > (figure(found) ?? Number.NEGATIVE_INFINITY)) found = film;
  }
  return found;
}
