/** Failures alike: what they have in common, how much of them there is now, and when they came. */
import {
  FailureMode,
  type FailureSignatureView,
  type GetFailureSignatureResponse,
  type ListFailureSignaturesResponse,
  RunStatus,
  type SignaturesGaveWay,
} from "@holdfast/proto";
import type { Screen } from "./style.js";
import { runStatusWord } from "./status.js";
import { renderTable } from "./table.js";
import { countOf, formatCount, safeText, wrapText } from "./text.js";
import { formatMoment } from "./time.js";

const BARS = "▁▂▃▄▅▆▇█";

/** A bar for each number, the highest for the largest; what is none is a dot. */
export function sparkline(counts: readonly number[]): string {
  const most = Math.max(1, ...counts);
  return counts
    .map((count) => (count === 0 ? "·" : (BARS[Math.ceil((count / most) * BARS.length) - 1] ?? "·")))
    .join("");
}

const modeWord = (mode: FailureMode): string => FailureMode[mode] ?? "UNKNOWN";
const where = ({ workflow, action }: FailureSignatureView): string =>
  safeText(action === "" ? workflow : `${workflow}/${action}`);

export function renderFailures(answer: ListFailureSignaturesResponse, screen: Screen): string[] {
  const { signatures, more, incomplete, gaveWay } = answer;
  if (signatures.length === 0) return ["No failures: nothing has failed for good."];
  const right = "right" as const;
  const rows = signatures.map((signature) => [
    signature.id,
    { text: formatCount(signature.runs), tone: signature.runs === 0n ? ("dim" as const) : ("bad" as const) },
    formatCount(signature.items),
    formatCount(signature.count),
    { text: sparkline(signature.trend), tone: "dim" as const },
    formatMoment(signature.firstSeen),
    formatMoment(signature.lastSeen),
    where(signature),
    modeWord(signature.mode),
    safeText(signature.message),
  ]);
  const table = renderTable(
    [
      { title: "SIGNATURE" },
      { title: "RUNS", align: right },
      { title: "ITEMS", align: right },
      { title: "SEEN", align: right, expendable: 0 },
      { title: "LAST 24 H", expendable: 2 },
      { title: "FIRST", expendable: 1 },
      { title: "LAST", expendable: 3 },
      { title: "WHERE", shrinkTo: 12 },
      { title: "MODE", expendable: 4 },
      { title: "MESSAGE", shrinkTo: 12 },
    ],
    rows,
    screen,
  );
  return [
    ...table,
    "",
    ...wrapText(
      `RUNS and ITEMS are failed so now${table[0]?.includes("SEEN") === true ? "; SEEN is how often it has failed so" : ""}.`,
      screen.width,
    ),
    `Look closer: ${screen.command("failure <signature>")}`,
    ...(more ? ["There are more: raise --limit, or ask for those of --now."] : []),
    ...(incomplete ? ["Not all could be looked at: name a workflow."] : []),
    ...gaveWay.flatMap((one) => wrapText(gaveWayText(one), screen.width)),
  ];
}

const gaveWayText = ({ workflow, signatures, failures, at }: SignaturesGaveWay): string =>
  `Of ${safeText(workflow)}, ${countOf(signatures, "signature")} with ${countOf(failures, "failure")} gave way to newer ones, the last ${formatMoment(at)}.`;

export function renderFailure(answer: GetFailureSignatureResponse, screen: Screen): string[] {
  const { signature, failedRuns, moreFailedRuns } = answer;
  if (signature === undefined)
    return ["The answer holds no signature: the admin service may be of another version."];
  const { id, mode, message, sample, firstSeen, lastSeen, count, runs, items, examples, trend } = signature;
  const wrapped = (title: string, text: string): string[] => {
    const indent = " ".repeat(10);
    const lines = wrapText(safeText(text), Math.max(20, screen.width - indent.length));
    return lines.map((line, at) => (at === 0 ? title.padEnd(indent.length) : indent) + line);
  };
  return [
    `${screen.style("strong", `${where(signature)}: ${modeWord(mode)}`)}  ${id}`,
    ...wrapped("message", message),
    ...wrapped("for one", sample),
    `failed now: ${countOf(runs, "run")}, ${countOf(items, "item")}`,
    ...wrapText(
      `seen ${countOf(count, "time")}, from ${formatMoment(firstSeen)} to ${formatMoment(lastSeen)}`,
      screen.width,
    ),
    ...wrapText(
      `last ${trend.length} h: ${sparkline(trend)}  ${formatCount(trend.reduce((sum, each) => sum + each, 0))} failures, at most ${formatCount(Math.max(0, ...trend))} in an hour`,
      screen.width,
    ),
    ...examples.map(({ runId, status }, at) => {
      const become = status === RunStatus.UNSPECIFIED ? "is not there any more" : runStatusWord(status);
      return (at === 0 ? "examples" : "").padEnd(10) + `${safeText(runId)}  ${become}`;
    }),
    ...failedRuns.map(
      ({ runId, createdAt }, at) =>
        (at === 0 ? "failed" : "").padEnd(10) + `${safeText(runId)}  created ${formatMoment(createdAt)}`,
    ),
    ...(moreFailedRuns ? ["          and more"] : []),
    ...(runs === 0n && failedRuns.length === 0
      ? ["Nothing is failed so now."]
      : [`Retry them: ${screen.command(`retry-failed --signature ${id}`)}`]),
  ];
}
