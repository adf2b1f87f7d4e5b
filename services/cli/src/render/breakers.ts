/** Circuit breakers: which are open, why, and what they hold. */
import {
  BreakerStatus,
  type BreakerView,
  type GetBreakerResponse,
  type HeldKeyView,
  type ListBreakersResponse,
} from "@holdfast/proto";
import type { Screen, Tone } from "./style.js";
import { renderTable } from "./table.js";
import { countOf, formatCount, safeText, wrapText } from "./text.js";
import { formatMoment, formatSpan } from "./time.js";

const TONES: Readonly<Record<BreakerStatus, Tone>> = {
  [BreakerStatus.UNSPECIFIED]: "plain",
  [BreakerStatus.CLOSED]: "good",
  [BreakerStatus.OPEN]: "bad",
  [BreakerStatus.HALF_OPEN]: "warn",
  [BreakerStatus.RECOVERING]: "warn",
};

const statusWord = (status: BreakerStatus): string => (BreakerStatus[status] ?? "UNKNOWN").replace("_", " ");
const percent = (bp: number): string => `${(bp / 100).toFixed(0)} %`;

export function renderBreakers({ breakers, more }: ListBreakersResponse, screen: Screen): string[] {
  if (breakers.length === 0) return ["No circuit breakers: none is open, and none has failures to count."];
  const right = "right" as const;
  const rows = breakers.map((breaker) => [
    safeText(`${breaker.workflow}/${breaker.action}`),
    safeText(breaker.key),
    String(breaker.partition),
    { text: statusWord(breaker.status), tone: TONES[breaker.status] ?? "plain" },
    `${percent(breaker.rateBp)} of ${formatCount(breaker.ended)}`,
    breaker.heldItems === 0
      ? formatCount(breaker.held)
      : `${formatCount(breaker.held)} (${countOf(breaker.heldItems, "item")})`,
    breaker.openUntil === undefined ? "" : formatMoment(breaker.openUntil),
  ]);
  return [
    ...renderTable(
      [
        { title: "BREAKER", shrinkTo: 16 },
        { title: "KEY", shrinkTo: 6 },
        { title: "PART", align: right, expendable: 0 },
        { title: "STATE" },
        { title: "FAILING", align: right, expendable: 1 },
        { title: "HOLDS", align: right },
        { title: "OPEN UNTIL", expendable: 2 },
      ],
      rows,
      screen,
    ),
    ...(more ? ["There are more: name a workflow, or ask for --open ones."] : []),
  ];
}

export function renderBreaker({ breakers }: GetBreakerResponse, screen: Screen): string[] {
  return breakers.flatMap((breaker, at) => [...(at === 0 ? [] : [""]), ...oneBreaker(breaker, screen)]);
}

/** Keys of an action that are told one by one. */
const KEYS_SHOWN_MAX = 5;

/** What breakers hold of an action whose items have keys of their own. */
export function heldRemarks(keys: readonly HeldKeyView[]): string[] {
  const shown = keys.slice(0, KEYS_SHOWN_MAX).map(({ key, items, text }) => {
    const of = key === "" ? "without a key" : `of "${safeText(key)}"`;
    return `${countOf(items, "item")} ${of} held: ${safeText(text)}`;
  });
  const more = keys.length - shown.length;
  return more === 0 ? shown : [...shown, `items of ${countOf(more, "more key")} are held`];
}

function oneBreaker(breaker: BreakerView, screen: Screen): string[] {
  const { ended, failed, rateBp, tripsAtBp, minSamples, windowMs, held, status } = breaker;
  const of = `${breaker.workflow}/${breaker.action}${breaker.key === "" ? "" : ` for "${breaker.key}"`}`;
  const state = screen.style(TONES[status] ?? "plain", statusWord(status));
  const probes = breaker.probesOut === 0 ? "" : `, ${countOf(breaker.probesOut, "probe")} out`;
  const wave = breaker.waveSize === 0 ? "" : `, in waves of ${breaker.waveSize}`;
  const items = breaker.heldItems === 0 ? "" : ` with ${countOf(breaker.heldItems, "item")} of this key`;
  return [
    `${safeText(of)} in partition ${breaker.partition}: ${state}`,
    ...wrapText(safeText(breaker.text), screen.width),
    ...wrapText(
      `${failed} of ${ended} attempts failed in the last ${formatSpan(windowMs)} (${percent(rateBp)}; opens at ${percent(tripsAtBp)} of ${minSamples} or more)`,
      screen.width,
    ),
    ...wrapText(`holds ${countOf(held, "action")}${items}${probes}${wave}`, screen.width),
    ...breaker.transitions.flatMap(({ at, from, to, cause, who }) =>
      wrapText(
        `  ${formatMoment(at)}  ${statusWord(from)} → ${statusWord(to)}  ${safeText(cause)}${who === "" ? "" : ` (${safeText(who)})`}`,
        screen.width,
      ),
    ),
  ];
}
