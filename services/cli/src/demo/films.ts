/**
 * The demo's input: `movies.json` of the npm package `vega-datasets`, 3,201 films as a catalogue's export wrote them.
 * Nothing is added to it and nothing changed: what fails in it fails by itself.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** One row, with the types that the package's own description of the file declares. Not every row keeps to them. */
export interface FilmRow {
  readonly Title: string;
  readonly "Release Date": string;
  readonly "US Gross": number;
  readonly "Worldwide Gross": number;
  readonly "Production Budget": number;
  readonly Distributor: string | null;
  readonly "Major Genre": string | null;
}

export interface FilmCatalogue {
  readonly rows: readonly FilmRow[];
  /** For people: where the rows are from. */
  readonly source: string;
}

const PACKAGE = "vega-datasets";
const FILE = "movies.json";

export function loadFilms(): FilmCatalogue {
  // The package exports its code only, so the data is found beside it.
  const folder = dirname(dirname(createRequire(import.meta.url).resolve(PACKAGE)));
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  const rows = JSON.parse(readFileSync(join(folder, "data", FILE), "utf8")) as FilmRow[];
  return { rows, source: `${FILE} of ${PACKAGE} ${version}` };
}

/** The columns of a row that the demo reads, for a NATS that takes no message as large as all of them. */
export function readColumns(row: FilmRow): FilmRow {
  return {
    Title: row.Title,
    "Release Date": row["Release Date"],
    "US Gross": row["US Gross"],
    "Worldwide Gross": row["Worldwide Gross"],
    "Production Budget": row["Production Budget"],
    Distributor: row.Distributor,
    "Major Genre": row["Major Genre"],
  };
}
