/** The lists: runs, workflows, counts, rejected work. One line for each entry, the newest as the server gives them. */
import type {
  GetCountsResponse,
  RejectedWork,
  RunSummary,
  WorkflowCounts,
  WorkflowSummary,
} from "@holdfast/proto";
import { Effect, FailureMode } from "@holdfast/proto";
import { MARKS, modeWord, rejectWord, runStatusWord, runTone } from "./status.js";
import type { Screen } from "./style.js";
import { renderTable, type Row } from "./table.js";
import { formatTally } from "./tally.js";
import { countOf, formatCount, safeText } from "./text.js";
import { formatMoment, formatRelative, formatTook } from "./time.js";

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
    ];
  });
  return renderTable(
    [
      { title: "RUN", shrinkTo: 12 },
      { title: "WORKFLOW", shrinkTo: 8 },
      { title: "STATUS", shrinkTo: 12 },
      { title: "TALLY", shrinkTo: 6 },
      { title: "CREATED" },
      { title: "TOOK", align: "right" },
      { title: "REMARK", shrinkTo: 6 },
    ],
    rows,
    screen,
  );
}

/** The one thing to know beside the status. */
function runRemark(run: RunSummary): string {
  const failed = run.items?.failed ?? 0;
  if (failed > 0) return `${countOf(failed, "item")} failed`;
  if (run.failureMode !== FailureMode.UNSPECIFIED) return modeWord(run.failureMode);
  if (run.effect === Effect.SILENT) return "silent no-op";
  if (run.effect === Effect.NONE_WITH_REASON) return "NO_EFFECT";
  return safeText(run.detail);
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
  return renderTable(
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
}

function countsRow(entry: WorkflowCounts, name: string): Row {
  return [
    name,
    formatCount(entry.active),
    formatCount(entry.completed),
    {
      text: formatCount(entry.completedWithFailures),
      tone: entry.completedWithFailures > 0n ? "warn" : "plain",
    },
    { text: formatCount(entry.failed), tone: entry.failed > 0n ? "bad" : "plain" },
    formatCount(entry.cancelled),
    formatCount(entry.noEffect),
    formatCount(entry.silentNoOp),
    formatCount(entry.itemsSucceeded),
    formatCount(entry.itemsFailed),
  ];
}

export function renderCounts(counts: GetCountsResponse, screen: Screen): string[] {
  const rows = counts.workflows.map((entry) => countsRow(entry, safeText(entry.workflow)));
  if (counts.total !== undefined && counts.workflows.length !== 1) rows.push(countsRow(counts.total, "all"));
  const numbers = [
    "ACTIVE",
    "OK",
    "PARTIAL",
    "FAILED",
    "CANCELLED",
    "NO_EFFECT",
    "SILENT",
    "ITEMS OK",
    "FAILED",
  ];
  const table = renderTable(
    [{ title: "WORKFLOW", shrinkTo: 8 }, ...numbers.map((title) => ({ title, align: "right" as const }))],
    rows,
    screen,
  );
  const rejected =
    counts.rejected === 0n
      ? "No rejected work."
      : `${countOf(counts.rejected, "message")} could not become a run: ${screen.command("rejected")}`;
  return [...table, "", rejected];
}

export function renderRejected(rejected: readonly RejectedWork[], screen: Screen): string[] {
  if (rejected.length === 0) return ["No rejected work."];
  const rows: Row[] = rejected.map((work) => [
    work.id.toString(),
    safeText(work.subject),
    { text: rejectWord(work.code), tone: "bad" },
    formatMoment(work.rejectedAt),
    `${formatCount(work.bodyBytes)} B`,
    safeText(work.reason),
  ]);
  return renderTable(
    [
      { title: "ID", align: "right" },
      { title: "SUBJECT", shrinkTo: 14 },
      { title: "CODE", shrinkTo: 10 },
      { title: "REJECTED" },
      { title: "BODY", align: "right" },
      { title: "REASON", shrinkTo: 10 },
    ],
    rows,
    screen,
  );
}
