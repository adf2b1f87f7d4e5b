/** Bulk operations for people: how far one has come and what it came to, and the list of them. */
import {
  BulkKind,
  type BulkOperationView,
  type BulkResult,
  BulkResultKind,
  BulkStatus,
} from "@holdfast/proto";
import { withId } from "./command.js";
import type { Screen } from "./style.js";
import { countOf, formatCount, safeText, wrapAround, wrapText } from "./text.js";
import { renderTable } from "./table.js";
import { formatMoment } from "./time.js";

const WORDS: Readonly<Record<BulkKind, readonly [verb: string, done: string]>> = {
  [BulkKind.UNSPECIFIED]: ["?", "done"],
  [BulkKind.RETRY]: ["retry", "retried"],
  [BulkKind.CANCEL]: ["cancel", "cancelled"],
  [BulkKind.MOVE_TO_DEAD_LETTERS]: ["move to the dead letters", "moved"],
  [BulkKind.DISCARD]: ["discard", "discarded"],
};
const wordsOf = ({ spec }: BulkOperationView): readonly [string, string] =>
  WORDS[spec?.kind ?? BulkKind.UNSPECIFIED] ?? WORDS[BulkKind.UNSPECIFIED];

/** A dry run did nothing: it says what would be done. */
const dryWord = ({ spec }: BulkOperationView): string => (spec?.dryRun === true ? "would be " : "");
const doneWord = (operation: BulkOperationView): string => dryWord(operation) + wordsOf(operation)[1];

function selectorOf({ spec, found }: BulkOperationView): string {
  if (spec === undefined) return "?";
  if (spec.byIds) return countOf(found, "named run");
  if (spec.workflow !== "") return `workflow ${safeText(spec.workflow)}`;
  return spec.queue === "" ? `signature ${safeText(spec.signature)}` : `queue ${safeText(spec.queue)}`;
}

/** `retried 41 of 44 · 2 raced · 1 refused`. */
function countsText(operation: BulkOperationView): string {
  const { done = 0n, raced = 0n, refused = 0n, pruned = 0n } = operation.counts ?? {};
  return [
    `${doneWord(operation)} ${formatCount(done)} of ${formatCount(operation.total)}`,
    `${formatCount(raced)} raced`,
    `${formatCount(refused)} refused`,
    ...(pruned > 0n ? [`${formatCount(pruned)} pruned before`] : []),
  ].join(" · ");
}

/** What is said once one has begun; `done`: what it does to a run. */
export function renderBegun(
  operation: BulkOperationView | undefined,
  done: string,
  isDry: boolean,
  screen: Screen,
): string[] {
  const { operationId: id = "", wrongIds = 0 } = operation ?? {};
  return [
    isDry
      ? `Dry run ${id} has begun: it says what would be ${done}, and changes nothing.`
      : `Operation ${id} has begun; it goes on by itself.`,
    ...(wrongIds > 0
      ? [
          `${formatCount(wrongIds)} of the list can be no run ${wrongIds === 1 ? "id" : "ids"}: refused, the others count.`,
        ]
      : []),
    `Look at it: ${screen.command(withId("bulk", id))}`,
  ];
}

export function renderBulk(operation: BulkOperationView, screen: Screen): string[] {
  const { operationId, spec, status, counts, ends, outstanding, wave, detail, left } = operation;
  const dry = spec?.dryRun === true ? " (dry run: nothing is changed)" : "";
  const lines = [
    `Operation ${operationId}: ${wordsOf(operation)[0]}, ${selectorOf(operation)}${dry}`,
    `  ${BulkStatus[status] ?? status} · ${countsText(operation)}`,
  ];
  const add = (text: string): void => {
    for (const line of wrapText(text, screen.width - 2)) lines.push(`  ${line}`);
  };
  if (detail !== "") add(safeText(detail));
  if (wave > 1) add(`wave ${wave}`);
  for (const { why, count } of counts?.refusals ?? []) add(`refused ${formatCount(count)}: ${safeText(why)}`);
  const { completed = 0n, completedWithFailures = 0n, failed = 0n, cancelled = 0n } = ends ?? {};
  if (completed + completedWithFailures + failed + cancelled + outstanding > 0n)
    add(
      `since then: ${formatCount(completed)} completed · ${formatCount(completedWithFailures)} partly · ${formatCount(failed)} failed again · ${formatCount(cancelled)} cancelled · ${formatCount(outstanding)} still running`,
    );
  if (left > 0n) add(`${formatCount(left)} that matched were not come to: they are as they were`);
  if (spec !== undefined && (spec.who !== "" || spec.reason !== ""))
    add(`by ${safeText(spec.who || "nobody")}: ${safeText(spec.reason || "no reason given")}`);
  if (operation.startedAt !== undefined) add(`began ${formatMoment(operation.startedAt)}`);
  if (operation.endedAt !== undefined && operation.keptUntil !== undefined)
    add(`ended ${formatMoment(operation.endedAt)}, kept until ${formatMoment(operation.keptUntil)}`);
  return lines;
}

export function renderBulkResults(
  results: readonly BulkResult[],
  operation: BulkOperationView,
  screen: Screen,
): string[] {
  return results.flatMap(({ runId, kind, reason, items }) => {
    const word =
      kind === BulkResultKind.DONE
        ? doneWord(operation)
        : `${dryWord(operation)}${(BulkResultKind[kind] ?? "?").toLowerCase()}`;
    const more = items > 0 ? ` · ${countOf(items, "item")}` : "";
    const text = `${safeText(runId)} ${word}${more}${reason === "" ? "" : ` · ${safeText(reason)}`}`;
    return wrapAround(safeText(runId), text, screen.width - 4).map(
      (line, at) => `${at === 0 ? "  " : "    "}${line}`,
    );
  });
}

export function renderBulkList(operations: readonly BulkOperationView[], screen: Screen): string[] {
  if (operations.length === 0) return ["No operation on many runs in the last day."];
  const rows = operations.map((operation) => [
    operation.operationId,
    `${operation.spec?.dryRun === true ? "dry run: " : ""}${wordsOf(operation)[0]}`,
    selectorOf(operation),
    BulkStatus[operation.status] ?? "?",
    countsText(operation),
    operation.startedAt === undefined ? "" : formatMoment(operation.startedAt),
  ]);
  return renderTable(
    [
      { title: "OPERATION" },
      { title: "WHAT", shrinkTo: 15 },
      { title: "OF", shrinkTo: 12, expendable: 1 },
      { title: "STATUS" },
      { title: "SO FAR", shrinkTo: 16, expendable: 2 },
      { title: "BEGAN", expendable: 0 },
    ],
    rows,
    screen,
  );
}
