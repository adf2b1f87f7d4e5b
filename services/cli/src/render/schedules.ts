/** Schedules: when each begins its next run, and what became of its last instants. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type GetScheduleResponse,
  type ListSchedulesResponse,
  RunStatus,
  type ScheduledInstantView,
  ScheduleOutcome,
  ScheduleOverlap,
  ScheduleStatus,
  type ScheduleView,
} from "@holdfast/proto";
import { eitherDayText } from "./cron.js";
import { runTone, runStatusWord } from "./status.js";
import type { Screen, Tone } from "./style.js";
import { renderTable } from "./table.js";
import { countOf, formatCount, safeText, wrapText } from "./text.js";
import { formatMoment, formatRelative } from "./time.js";

const STATUS_TONES: Readonly<Record<ScheduleStatus, Tone>> = {
  [ScheduleStatus.UNSPECIFIED]: "plain",
  [ScheduleStatus.ACTIVE]: "good",
  [ScheduleStatus.PAUSED]: "warn",
  [ScheduleStatus.INVALID]: "bad",
  [ScheduleStatus.ENDED]: "dim",
};

const OUTCOME_TONES: Readonly<Record<ScheduleOutcome, Tone>> = {
  [ScheduleOutcome.UNSPECIFIED]: "plain",
  [ScheduleOutcome.STARTED]: "plain",
  [ScheduleOutcome.SKIPPED]: "warn",
  [ScheduleOutcome.MISSED]: "bad",
  [ScheduleOutcome.REFUSED]: "bad",
  [ScheduleOutcome.BUFFERED]: "plain",
};

const statusWord = (status: ScheduleStatus): string => ScheduleStatus[status] ?? "UNKNOWN";

/** How its run ended, or why it has none. */
function outcomeOf({ outcome, runStatus }: ScheduledInstantView): {
  readonly text: string;
  readonly tone: Tone;
} {
  if (outcome === ScheduleOutcome.STARTED && runStatus !== RunStatus.UNSPECIFIED)
    return { text: runStatusWord(runStatus), tone: runTone(runStatus) };
  return { text: ScheduleOutcome[outcome] ?? "UNKNOWN", tone: OUTCOME_TONES[outcome] ?? "plain" };
}

export function renderSchedules(
  { schedules, nextPageToken }: ListSchedulesResponse,
  screen: Screen,
): string[] {
  if (schedules.length === 0)
    return [
      `No schedules. Make one: ${screen.command("schedule put <name> --workflow <workflow> --cron '0 2 * * *'")}`,
    ];
  const rows = schedules.map((schedule) => {
    const [last] = schedule.history;
    return [
      safeText(schedule.name),
      safeText(schedule.spec?.workflow ?? ""),
      safeText(schedule.spec?.cron ?? ""),
      safeText(schedule.spec?.timeZone || "UTC"),
      { text: statusWord(schedule.status), tone: STATUS_TONES[schedule.status] ?? "plain" },
      formatMoment(schedule.next),
      last === undefined ? "" : outcomeOf(last),
    ];
  });
  return [
    ...renderTable(
      [
        { title: "SCHEDULE" },
        { title: "WORKFLOW", shrinkTo: 10 },
        { title: "CRON", shrinkTo: 9 },
        { title: "ZONE", shrinkTo: 6, expendable: 1 },
        { title: "STATE" },
        { title: "NEXT" },
        { title: "LAST", expendable: 2 },
      ],
      rows,
      screen,
    ),
    ...(nextPageToken === ""
      ? []
      : [`There are more: ${screen.command(`schedules --page ${safeText(nextPageToken)}`)}`]),
  ];
}

const OVERLAP_WORDS: Readonly<Record<ScheduleOverlap, string>> = {
  [ScheduleOverlap.UNSPECIFIED]: "skipped",
  [ScheduleOverlap.SKIP]: "skipped",
  [ScheduleOverlap.BUFFER]: "buffered",
  [ScheduleOverlap.ALLOW]: "begun none the less",
};

/** The next instants, and what of the expression may surprise. */
export function upcomingLines(cron: string, upcoming: readonly Timestamp[], screen: Screen): string[] {
  const next = upcoming.map(formatMoment).join(", ");
  return [...(next === "" ? [] : [`next instants: ${next}`]), eitherDayText(cron)].flatMap((line) =>
    line === "" ? [] : wrapText(safeText(line), screen.width),
  );
}

export function renderSchedule({ schedule, upcoming }: GetScheduleResponse, screen: Screen): string[] {
  if (schedule === undefined) return ["The admin service sent no schedule: it may be of another version."];
  const { spec, next, live, buffered } = schedule;
  const state = screen.style(STATUS_TONES[schedule.status] ?? "plain", statusWord(schedule.status));
  const zone = safeText(spec?.timeZone || "UTC");
  const when = next === undefined ? "" : `next ${formatMoment(next)} (${formatRelative(next, screen.nowMs)})`;
  const overlap = OVERLAP_WORDS[spec?.overlap ?? ScheduleOverlap.SKIP] ?? "skipped";
  return [
    `${safeText(schedule.name)}: ${state}${when === "" ? "" : `, ${when}`}`,
    ...(schedule.text === "" ? [] : wrapText(safeText(schedule.text), screen.width)),
    ...wrapText(
      `runs of ${safeText(spec?.workflow ?? "")} at ${safeText(spec?.cron ?? "")} (${zone}); while one has not ended, instants are ${overlap}`,
      screen.width,
    ),
    ...upcomingLines(spec?.cron ?? "", upcoming, screen),
    ...wrapText(countsLine(schedule), screen.width),
    ...live.map(({ runId, instant }) => `live: run ${safeText(runId)}, of ${formatMoment(instant)}`),
    ...(buffered.length === 0
      ? []
      : wrapText(`waiting: ${buffered.map(formatMoment).join(", ")}`, screen.width)),
    ...history(schedule, screen),
  ];
}

function countsLine({ instants, started, skipped, missed, refused }: ScheduleView): string {
  const parts = [
    [started, "started"],
    [skipped, "skipped"],
    [missed, "missed"],
    [refused, "refused"],
  ] as const;
  const said = parts.filter(([count]) => count > 0n).map(([count, word]) => `${formatCount(count)} ${word}`);
  return `${countOf(instants, "instant")}${said.length === 0 ? "" : `: ${said.join(", ")}`}`;
}

function history({ history: entries }: ScheduleView, screen: Screen): string[] {
  if (entries.length === 0) return [];
  const rows = entries.map((entry) => {
    const many =
      entry.count > 1n ? ` … ${formatMoment(entry.until).slice(11)} (${formatCount(entry.count)})` : "";
    const by = entry.triggered ? ` triggered${entry.who === "" ? "" : ` by ${safeText(entry.who)}`}` : "";
    return [
      `${formatMoment(entry.instant)}${many}`,
      outcomeOf(entry),
      safeText(entry.runId),
      `${safeText(entry.reason)}${by}`.trim(),
    ];
  });
  return [
    "",
    ...renderTable(
      [
        { title: "INSTANT" },
        { title: "OUTCOME" },
        { title: "RUN", expendable: 2 },
        { title: "WHY", shrinkTo: 12, expendable: 1 },
      ],
      rows,
      screen,
    ),
  ];
}
