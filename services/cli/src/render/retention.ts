/** How long ended runs are kept, what was pruned, and what the sweeps did. */
import {
  type GetRetentionResponse,
  type PrunedCount,
  type RetentionPolicy,
  type RetentionView,
  RunStatus,
} from "@holdfast/proto";
import type { Screen } from "./style.js";
import { renderTable, type Row } from "./table.js";
import { formatCount, safeText, wrapText } from "./text.js";
import { formatMoment } from "./time.js";

const UNITS: readonly (readonly [string, number])[] = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
];

function span(seconds: number): string {
  for (const [unit, size] of UNITS)
    if (seconds > 0 && seconds % size === 0) return `${seconds / size} ${unit}`;
  return `${seconds} s`;
}

function pruned(counts: readonly PrunedCount[], wanted: readonly RunStatus[]): string {
  const runs = counts
    .filter(({ status }) => wanted.includes(status))
    .reduce((sum, { runs: some }) => sum + some, 0n);
  return formatCount(runs);
}

const COMPLETED = [RunStatus.COMPLETED];
const PARTIAL = [RunStatus.COMPLETED_WITH_FAILURES];
const FAILED = [RunStatus.FAILED, RunStatus.CANCELLED];

export function renderRetention(answer: GetRetentionResponse, screen: Screen): string[] {
  const lines: string[] = [];
  if (answer.general !== undefined)
    lines.push(
      ...wrapText(
        `Of all workflows: ${policyText(answer.general)}, ${safeText(answer.generalBy)}`,
        screen.width,
      ),
      "",
    );
  if (answer.workflows.length === 0) return [...lines, "No workflow has had a run yet."];
  const right = "right" as const;
  lines.push(
    ...renderTable(
      [
        { title: "WORKFLOW", shrinkTo: 8 },
        { title: "COMPLETED", align: right },
        { title: "FAILED", align: right },
        { title: "DEAD LETTERS", align: right },
        { title: "AT MOST", align: right },
        { title: "PRUNED", expendable: 1 },
        { title: "LAST PRUNED", expendable: 0 },
      ],
      answer.workflows.map((view) => row(view)),
      screen,
    ),
  );
  for (const { workflow, changed } of answer.workflows) {
    if (changed === "") continue;
    lines.push(
      ...wrapText(`${safeText(workflow)}: ${safeText(changed)}`, screen.width - 2).map((line) => `  ${line}`),
    );
  }
  if (answer.sweeps.length > 0) lines.push("", ...renderSweeps(answer, screen));
  return lines;
}

function row({ workflow, policy, pruned: rollups }: RetentionView): Row {
  const counts = rollups.flatMap((rollup) => rollup.counts);
  const last = rollups.map(({ lastPrunedAt }) => lastPrunedAt).findLast((at) => at !== undefined);
  return [
    safeText(workflow),
    span(policy?.completedRetentionS ?? 0),
    span(policy?.failedRetentionS ?? 0),
    span(policy?.deadLetterRetentionS ?? 0),
    policy === undefined || policy.maxTerminalRuns === 0 ? "any" : formatCount(policy.maxTerminalRuns),
    `${pruned(counts, COMPLETED)} OK · ${pruned(counts, PARTIAL)} PARTIAL · ${pruned(counts, FAILED)} FAILED`,
    last === undefined ? "" : formatMoment(last),
  ];
}

function policyText(policy: RetentionPolicy): string {
  const parts = [
    policy.completedRetentionS === 0 ? "" : `completed runs ${span(policy.completedRetentionS)}`,
    policy.failedRetentionS === 0 ? "" : `failed runs ${span(policy.failedRetentionS)}`,
    policy.deadLetterRetentionS === 0 ? "" : `dead letters ${span(policy.deadLetterRetentionS)}`,
    policy.maxTerminalRuns === 0 ? "" : `at most ${formatCount(policy.maxTerminalRuns)} ended runs`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "nothing" : parts.join(", ");
}

function renderSweeps({ sweeps }: GetRetentionResponse, screen: Screen): string[] {
  const right = "right" as const;
  return renderTable(
    [
      { title: "SWEEP" },
      { title: "PART", align: right },
      { title: "SCANNED", align: right },
      { title: "OK", align: right },
      { title: "PARTIAL", align: right },
      { title: "FAILED", align: right },
      { title: "CARRIED FORWARD", align: right, expendable: 0 },
    ],
    sweeps.map((sweep) => [
      formatMoment(sweep.beganAt),
      String(sweep.partition),
      formatCount(sweep.scanned),
      pruned(sweep.pruned, COMPLETED),
      pruned(sweep.pruned, PARTIAL),
      pruned(sweep.pruned, FAILED),
      formatCount(sweep.carriedForward),
    ]),
    screen,
  );
}
