/**
 * The demo's workflow as its user would write it: `check` over the rows, `enrich` over those that passed, `report` over all.
 * Which check it runs with is the one thing that a deployment changes.
 */
import { ActionError, typed, workflow } from "@holdfast/sdk";
import type { CheckResult } from "./check-film.js";
import { enrichFilm, reportOn } from "./film-figures.js";
import type { FilmRow } from "./films.js";
import type { Invocations } from "./invocations.js";

export const FILMS_WORKFLOW = "films";

export type FilmCheck = (row: FilmRow) => CheckResult;

/** Only that there are rows at all: what is in them is for `check` to say, row by row. */
const INPUT_SCHEMA = {
  type: "object",
  required: ["rows"],
  properties: { rows: { type: "array", minItems: 1, items: { type: "object" } } },
};

export function filmsWorkflow(check: FilmCheck, invocations: Invocations) {
  return workflow(FILMS_WORKFLOW, { input: typed<{ rows: FilmRow[] }>(INPUT_SCHEMA) })
    .forEach("check", { items: "rows" }, ({ item, index }) => {
      invocations.note("check", index);
      const result = check(item);
      if ("problems" in result) throw new ActionError("VALIDATION", result.problems.join("; "));
      return result.film;
    })
    .forEach("enrich", { itemsOf: "check" }, ({ item, index }) => {
      invocations.note("enrich", index);
      return enrichFilm(item);
    })
    .action("report", { after: ["enrich"] }, ({ enrich }) => {
      invocations.note("report");
      return reportOn(enrich);
    });
}
