/**
 * The demo, told while it happens: publish, fail in part, look, mend, retry, heal. It shows what `holdfast run` shows, does
 * what an operator would do, and checks each thing it says (`Claims`).
 * It starts workers and leaves the last one running; where Holdfast runs, and until when, is its caller's business.
 */
import { RecoveryStrategy, type RetryOutcome, RunStatus, type RunView } from "@holdfast/proto";
import { retryFailed } from "../commands/retry.js";
import { showRun } from "../commands/show-run.js";
import type { AdminClient, CommandContext } from "../context.js";
import { followWithProgress } from "../follow.js";
import { formatCount, wrapText } from "../render/text.js";
import { checkFilm } from "./check-film.js";
import { checkFilmMended } from "./check-film-mended.js";
import { Claims } from "./claims.js";
import type { CatalogueReport } from "./film-figures.js";
import type { FilmCatalogue, FilmRow } from "./films.js";
import { type FilmCheck, FILMS_WORKFLOW } from "./films-workflow.js";
import { Invocations } from "./invocations.js";
import { allFailedItems, inlineValue, itemsOf } from "./ledger-facts.js";
import { publishCatalogue } from "./publish-catalogue.js";

export interface StoryWorker {
  readonly id: string;
  stop(): Promise<void>;
}

export interface StoryParts {
  readonly context: CommandContext;
  readonly admin: AdminClient;
  readonly natsUrl: string;
  readonly catalogue: FilmCatalogue;
  readonly runId: string;
  /** Starts a worker for the films workflow with this check; resolves once it takes tasks. */
  readonly startWorker: (check: FilmCheck, invocations: Invocations) => Promise<StoryWorker>;
}

/** What is true of the catalogue; the tests of the data say so without any Holdfast. */
export const FILMS = 3_201;
export const FILMS_FAILING = 58;
const PASSING = FILMS - FILMS_FAILING;

/** How long either half may take. */
const RUN_MS_MAX = 120_000;
const PUBLISHED_TO_ACCEPTED_MS_MAX = 30_000;
/** A day less than the default failed retention, so that the moment of asking does not matter. */
const RETRYABLE_MS_MIN = 6 * 86_400_000;

export async function tellStory(parts: StoryParts): Promise<Claims> {
  const { context } = parts;
  const claims = new Claims();
  const invocations = new Invocations();
  const say = (...lines: readonly string[]): void => context.print(lines);
  const tell = (text: string): void => say(...paragraph(context, text));
  const heading = (text: string): void => say("", context.screen().style("strong", text));

  heading("1. A worker starts with the check as it was first deployed");
  const first = await parts.startWorker(checkFilm, invocations);
  tell(
    `${first.id} runs workflow ${FILMS_WORKFLOW}: check each row, enrich each film that passed, report on all.`,
  );

  heading(`2. The catalogue is published on holdfast.work.${FILMS_WORKFLOW}`);
  const published = await publishCatalogue(parts.catalogue, parts.natsUrl, parts.runId);
  tell(published.text);
  say("");
  const broken = await follow(parts);
  say("");
  await showRun(context, parts.admin, broken);
  await claimPartialFailure(parts, published.rows, broken, claims, invocations);

  heading("3. The cause is mended: the worker stops, and starts again with a better check");
  await first.stop();
  invocations.nextRound();
  const second = await parts.startWorker(checkFilmMended, invocations);
  tell(
    `${second.id} knows that 300 and 1941 are titles, and that the film "Unknown" has one; that 2046 was written for 1946; ` +
      "which letters LÈon was read from; and that a figure may be unknown.",
  );

  heading("4. What failed is retried, through the gRPC admin service");
  say(`   ${context.screen().command(`retry-failed --workflow ${FILMS_WORKFLOW}`)}`, "");
  const outcome = await retryFailed(context, parts.admin, {
    workflow: FILMS_WORKFLOW,
    reason: "the check was mended",
  });
  say("");
  const healed = await follow(parts);
  say("");
  await showRun(context, parts.admin, healed);
  claimHealing(outcome, healed, claims);

  heading("5. What ran, as the handlers themselves counted");
  say(...invocationTable(invocations), "");
  tell(reportText(healed));
  claimDownstream(healed, claims, invocations);
  return claims;
}

function follow({ context, admin, runId }: StoryParts): Promise<RunView> {
  return followWithProgress(context, admin, runId, {
    signal: context.io.interrupted,
    timeoutMs: RUN_MS_MAX,
    absentMsMax: PUBLISHED_TO_ACCEPTED_MS_MAX,
  });
}

async function claimPartialFailure(
  { admin, context, runId }: StoryParts,
  rows: readonly FilmRow[],
  run: RunView,
  claims: Claims,
  invocations: Invocations,
): Promise<void> {
  const { summary, recommendation } = run;
  claims.equal("the run completed with failures", summary?.status, RunStatus.COMPLETED_WITH_FAILURES);
  const { ok, partial, skip, error } = summary?.tally ?? {};
  claims.equal("its tally is 2 OK | 1 PARTIAL | 0 SKIP | 0 ERROR", [ok, partial, skip, error], [2, 1, 0, 0]);
  claims.equal("check: all items, of which those failed", itemsOf(run, "check"), [
    FILMS,
    PASSING,
    FILMS_FAILING,
  ]);
  claims.equal("enrich ran over what passed", itemsOf(run, "enrich"), [PASSING, PASSING, 0]);
  const retryableForMs = Number(summary?.retryableUntil?.seconds ?? 0n) * 1_000 - context.io.nowMs();
  claims.holds("it is retryable for days", retryableForMs > RETRYABLE_MS_MIN, `${retryableForMs} ms`);
  claims.holds(
    "a strategy is recommended with its reason",
    (recommendation?.reason ?? "") !== "",
    recommendation?.reason,
  );
  claims.holds(
    "it is one that recovers",
    recommendation !== undefined && recommendation.strategy !== RecoveryStrategy.ABORT,
    recommendation?.strategy,
  );

  const failed = await allFailedItems(admin, runId, "check");
  const indexes = failed.map((item) => item.index).toSorted((a, b) => a - b);
  claims.equal(
    "the ledger holds every failed item once",
    [indexes.length, new Set(indexes).size],
    [FILMS_FAILING, FILMS_FAILING],
  );
  const reasonless = failed.filter((item) => (item.failure?.message ?? "") === "");
  claims.equal("each with a reason", reasonless.length, 0);
  const others = failed.filter((item) => !isRow(item.inputSnapshot, rows[item.index]));
  claims.equal(
    "each with the very row that it failed on",
    others.map(({ index }) => index),
    [],
  );
  const ran = invocations.of("check", 0).items;
  claims.equal("check ran for every row", ran.length, FILMS);
}

function isRow(snapshot: string, row: FilmRow | undefined): boolean {
  const sorted = (value: object): string =>
    JSON.stringify(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return row !== undefined && snapshot !== "" && sorted(JSON.parse(snapshot) as object) === sorted(row);
}

function claimHealing(outcome: RetryOutcome, run: RunView, claims: Claims): void {
  const { matched, retried, refused, raced, prunedPastRetention } = outcome;
  claims.equal("one run was matched, and retried", [matched, retried], [1n, 1n]);
  claims.equal("nothing was refused, raced or pruned", [refused, raced, prunedPastRetention], [0n, 0n, 0n]);
  claims.equal("the run healed to COMPLETED", run.summary?.status, RunStatus.COMPLETED);
  claims.equal("in its second generation", run.summary?.generation, 2);
  claims.equal("every row passed", itemsOf(run, "check"), [FILMS, FILMS, 0]);
  claims.equal("every film was enriched", itemsOf(run, "enrich"), [FILMS, FILMS, 0]);
}

function claimDownstream(run: RunView, claims: Claims, invocations: Invocations): void {
  const failedFirst = invocations.of("check", 1).items;
  claims.equal("after the retry, check ran for the failed rows alone", failedFirst.length, FILMS_FAILING);
  claims.equal("and enrich for those same ones alone", invocations.of("enrich", 1).items, failedFirst);
  const passedFirst = new Set(invocations.of("enrich", 0).items);
  claims.equal(
    "none of them had been enriched before",
    failedFirst.filter((index) => passedFirst.has(index)),
    [],
  );
  claims.equal("enrich had run for what passed", passedFirst.size, PASSING);
  claims.holds(
    "the report ran again over the whole set",
    invocations.of("report", 1).calls >= 1,
    invocations.of("report", 1),
  );
  const report = reportOf(run);
  if (report !== undefined) claims.equal("and counts every film", report.films, FILMS);
}

const ROUND_NOTES: Readonly<Record<string, string>> = {
  check: "the failed rows alone",
  enrich: "the healed films alone",
  report: "over the whole set again",
};

function invocationTable(invocations: Invocations): string[] {
  const rows = Object.entries(ROUND_NOTES).map(([action, note]) => {
    const [before = 0, after = 0] = [0, 1].map((round) => invocations.of(action, round).calls);
    return `   ${action.padEnd(8)}${formatCount(before).padStart(6)} ${before === 1 ? "time, " : "times,"} then ${formatCount(after).padStart(3)}   ${note}`;
  });
  return rows;
}

/** The report is the run's output: that of its one leaf. */
const reportOf = (run: RunView): CatalogueReport | undefined =>
  (inlineValue(run.output) ?? inlineValue(run.actions.find(({ name }) => name === "report")?.output)) as
    | CatalogueReport
    | undefined;

function reportText(run: RunView): string {
  const report = reportOf(run);
  if (report === undefined) return "";
  const best = report.mostProfitable;
  return (
    `The report: ${formatCount(report.films)} films from ${report.firstYear ?? "?"} to ${report.lastYear ?? "?"}; the most profitable ` +
    `one is ${best?.title ?? "?"} (${best?.year ?? "?"}) with ${formatCount(Math.round((best?.profit ?? 0) / 1_000_000))} million dollars.`
  );
}

/** Wide enough to read, where lines have no end. */
const PARAGRAPH_CELLS_MAX = 110;
const INDENT = "   ";

/** The story's own words, indented and broken to the screen. */
export function paragraph(context: CommandContext, text: string): string[] {
  const width = Math.min(context.screen().width, PARAGRAPH_CELLS_MAX) - INDENT.length;
  return wrapText(text, width).map((line) => INDENT + line);
}
