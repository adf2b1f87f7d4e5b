/** The lists: runs, workflows, counts, rejected work. One line for each entry, the newest as the server gives them. */
import type { GetCountsResponse, RunSummary, WorkflowCounts, WorkflowSummary } from "@holdfast/proto";
import { Effect, FailureMode } from "@holdfast/proto";
import { MARKS, modeWord, runStatusWord, runTone } from "./status.js";
import type { Screen, Tone } from "./style.js";
import { type Cell, renderTable, type Row } from "./table.js";
import { formatTally } from "./tally.js";
import { cells, countOf, formatCount, safeText, wrapParts, wrapText } from "./text.js";
import { formatRelative, formatTook } from "./time.js";

export function renderRuns(runs: readonly RunSummary[], screen: Screen): string[] {
  if (runs.length === 0) return ["No runs match."];
  const rows: Row[] = runs.map((run) => {
    const tone = runTone(run.status);
    return [
      safeText(run.runId),
      safeText(run.workflow),
      { text: `${MARKS[tone]} ${runStatusWord(run.status)}`, tone },
      formatTally(run.tally),
      run.createdAt === undefined ? "" : formatRelative(run.createdAt, screen.nowMs),
      formatTook(run.startedAt, run.endedAt, screen.nowMs),
      runRemark(run),
      run.retryableUntil === undefined ? "" : formatRelative(run.retryableUntil, screen.nowMs),
    ];
  });
  return renderTable(
    [
      { title: "RUN" },
      { title: "WORKFLOW", shrinkTo: 8, expendable: 5 },
      { title: "STATUS" },
      { title: "TALLY", expendable: 1 },
      { title: "CREATED", expendable: 4 },
      { title: "TOOK", align: "right", expendable: 2 },
      { title: "REMARK", shrinkTo: 12, expendable: 3 },
      { title: "RETRYABLE", expendable: 0 },
    ],
    rows,
    screen,
  );
}

/** The one thing to know beside the status. */
function runRemark(run: RunSummary): string {
  if (run.deadLetters > 0) return "in the dead letters";
  if (run.restartedAs !== "") return `restarted as ${safeText(run.restartedAs)}`;
  const failed = run.items?.failed ?? 0;
  if (failed > 0) return `${countOf(failed, "item")} failed`;
  if (run.failureMode !== FailureMode.UNSPECIFIED) return modeWord(run.failureMode);
  if (run.effect === Effect.SILENT) return "silent no-op";
  if (run.effect === Effect.NONE_WITH_REASON) return "NO_EFFECT";
  const detail = safeText(run.detail);
  return detail.toUpperCase() === runStatusWord(run.status) ? "" : detail;
}

export function renderWorkflows(workflows: readonly WorkflowSummary[], screen: Screen): string[] {
  if (workflows.length === 0) {
    return ["No workflows are registered. A worker registers its own when it starts."];
  }
  const rows: Row[] = workflows.map((workflow) => [
    safeText(workflow.name),
    workflow.definitionHash.slice(0, 12),
    safeText(workflow.actions.join(", ")),
    safeText(workflow.queues.join(", ")),
    workflow.inputSchema === "" ? "any" : "schema",
  ]);
  const paused = workflows.filter((workflow) => workflow.paused !== "");
  const table = renderTable(
    [
      { title: "WORKFLOW", shrinkTo: 12 },
      { title: "DEFINITION" },
      { title: "ACTIONS", shrinkTo: 12 },
      { title: "QUEUES", shrinkTo: 8 },
      { title: "INPUT" },
    ],
    rows,
    screen,
  );
  if (paused.length === 0) return table;
  return [
    ...table,
    "",
    ...paused.flatMap(({ paused: text }) =>
      wrapText(`▲ ${safeText(text)}`, screen.width).map((line) => screen.style("warn", line)),
    ),
  ];
}

/** What is counted, in the order of a line; the quiet ones stand there only where there is something to count. */
const COUNTED: readonly {
  readonly title: string;
  readonly of: (entry: WorkflowCounts) => bigint;
  readonly tone?: Tone;
  readonly quiet?: boolean;
}[] = [
  { title: "ACTIVE", of: (entry) => entry.active },
  { title: "OK", of: (entry) => entry.completed },
  { title: "PARTIAL", of: (entry) => entry.completedWithFailures, tone: "warn" },
  { title: "FAILED", of: (entry) => entry.failed, tone: "bad" },
  { title: "CANCELLED", of: (entry) => entry.cancelled, quiet: true },
  { title: "NO_EFFECT", of: (entry) => entry.noEffect, quiet: true },
  { title: "SILENT NO-OP", of: (entry) => entry.silentNoOp, quiet: true },
  { title: "ITEMS OK", of: (entry) => entry.itemsSucceeded },
  { title: "ITEMS FAILED", of: (entry) => entry.itemsFailed },
  { title: "DEAD LETTERS", of: (entry) => entry.deadLetters, tone: "warn", quiet: true },
];

export function renderCounts(counts: GetCountsResponse, screen: Screen): string[] {
  const entries = counts.workflows.map((entry) => ({ entry, name: safeText(entry.workflow) }));
  if (counts.total !== undefined && entries.length !== 1) entries.push({ entry: counts.total, name: "all" });
  const columns = COUNTED.filter(
    ({ quiet, of }) => quiet !== true || entries.some(({ entry }) => of(entry) > 0n),
  );
  const table = renderTable(
    [{ title: "WORKFLOW", shrinkTo: 8 }, ...columns.map(({ title }) => ({ title, align: "right" as const }))],
    entries.map(({ entry, name }) => [
      name,
      ...columns.map(
        ({ of, tone = "plain" }): Cell => ({
          text: formatCount(of(entry)),
          tone: of(entry) > 0n ? tone : "plain",
        }),
      ),
    ]),
    screen,
  );
  // Counts are never cut or left out: where they can't stand side by side, each workflow gets lines of its own.
  const fits = table.every((line) => cells(line) <= screen.width);
  const blocks = entries.flatMap(({ entry, name }) => {
    const parts = columns.map(({ title, of }) => `${title} ${formatCount(of(entry))}`);
    return [name, ...wrapParts(parts, screen.width - 2).map((line) => `  ${line}`)];
  });
  const rejected =
    counts.rejected === 0n
      ? "No rejected work."
      : `${countOf(counts.rejected, "message")} could not become a run: ${screen.command("rejected")}`;
  return [...(fits ? table : blocks), "", rejected];
}
