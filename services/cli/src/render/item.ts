/** Items: a table of them, and each failed one with its reason and its input. */
import type { Failure, ItemCounts, ItemView } from "@holdfast/proto";
import { shellWord, withId } from "./command.js";
import { formatSteps } from "./steps.js";
import { itemStatusWord, itemTone, MARKS, modeWord } from "./status.js";
import type { Screen } from "./style.js";
import { renderTable, type Row } from "./table.js";
import { formatItemCounts } from "./tally.js";
import { countOf, cutText, formatCount, padText, safeText, wrapJson, wrapText } from "./text.js";
import { formatTook } from "./time.js";

/** Lines of one item's input before it is cut; `items --full` shows all of it. */
export const INPUT_LINES_MAX = 8;
/** Lines of one failure's reason before it is cut. */
export const REASON_LINES_MAX = 4;
/** Where lines have no end, such as in a file, an input is still cut at this many characters unless all is asked for. */
const INPUT_CHARS_MAX = 480;
/** Characters of a raw cause before it is cut, unless all is asked for. */
const CAUSE_CHARS_MAX = 240;

/** Characters of an item's key beside its index, before it is cut: reasons need the room. */
const KEY_CHARS_MAX = 24;

/** What people see of a failure: the workflow's own message where it has one, else the raw text. */
export function failureText(failure: Failure | undefined): string {
  if (failure === undefined) return "";
  const text = failure.shown === "" ? failure.message : failure.shown;
  return safeText(text === "" ? "no message was given" : text);
}

/** The failure's mode; where only the words of its message say so, that too. */
export const modeText = ({ mode, classifiedBy }: Failure): string =>
  classifiedBy === "message" ? `${modeWord(mode)} (classified by: message)` : modeWord(mode);

/** The raw text, where people are shown another; empty: they see it already. */
export const causeText = ({ shown, message }: Pick<Failure, "shown" | "message">): string =>
  shown === "" || shown === message ? "" : `cause ${safeText(message)}`;

export interface ItemBlockOptions {
  /** The whole input and reason, however long. */
  readonly full: boolean;
}

/** Its index, and where it has one, its key. */
const nameOf = ({ index, key }: ItemView): string =>
  key === "" ? `#${index}` : `#${index} ${cutText(safeText(key), KEY_CHARS_MAX)}`;

/** Each item's index, mode and reason, and below it the input that it failed with. */
export function renderFailedItems(
  items: readonly ItemView[],
  screen: Screen,
  { full }: ItemBlockOptions = { full: false },
): string[] {
  const indexWidth = items.reduce((most, item) => Math.max(most, nameOf(item).length), 0);
  return items.flatMap((item) => renderFailedItem(item, indexWidth, screen, full));
}

function renderFailedItem(item: ItemView, indexWidth: number, screen: Screen, full: boolean): string[] {
  const index = padText(nameOf(item), indexWidth);
  const mode = item.failure === undefined ? itemStatusWord(item.status) : modeWord(item.failure.mode);
  const lead = `  ${index}  `;
  const room = screen.width - lead.length;
  const reasonLines = full ? Number.POSITIVE_INFINITY : REASON_LINES_MAX;
  const reason = wrapText(
    `${item.failure === undefined ? mode : modeText(item.failure)}: ${failureText(item.failure) || safeText(item.detail)}`,
    room,
    reasonLines,
  );
  const lines = reason.map((text, at) => {
    const toned = at === 0 ? text.replace(mode, screen.style("bad", mode)) : text;
    return (at === 0 ? lead : " ".repeat(lead.length)) + toned;
  });
  for (const line of extraLines(item, full)) {
    for (const text of wrapText(line, room)) lines.push(" ".repeat(lead.length) + screen.style("dim", text));
  }
  const inputLabel = "input ";
  const inputLines = full ? Number.POSITIVE_INFINITY : INPUT_LINES_MAX;
  const input = wrapJson(inputText(item, screen, full), room - inputLabel.length, inputLines);
  input.forEach((text, at) => {
    const label = at === 0 ? inputLabel : " ".repeat(inputLabel.length);
    lines.push(" ".repeat(lead.length) + screen.style("dim", label + text));
  });
  return lines;
}

/** The raw text where people are shown another, and who tried how often. */
function extraLines(item: ItemView, full: boolean): string[] {
  const lines: string[] = [];
  const failure = item.failure;
  const cause = failure === undefined ? "" : causeText(failure);
  if (cause !== "") lines.push(full ? cause : cutText(cause, CAUSE_CHARS_MAX));
  const steps = formatSteps(item.partial, item.steps);
  if (steps !== "") lines.push(steps);
  if (full && item.key.length > KEY_CHARS_MAX) lines.push(`key ${safeText(item.key)}`);
  if (item.attempts > 1 || full) {
    const worker = item.worker === "" ? "" : ` by ${safeText(item.worker)}`;
    lines.push(`tried ${countOf(item.attempts, "time")}, last${worker}`.replace(/, last$/, ""));
  }
  return lines;
}

function inputText(item: ItemView, screen: Screen, full: boolean): string {
  if (item.inputSnapshot === "") return "(none kept)";
  const text = safeText(item.inputSnapshot);
  if (full || Number.isFinite(screen.width) || text.length <= INPUT_CHARS_MAX) return text;
  return `${text.slice(0, INPUT_CHARS_MAX)}…`;
}

/** One line for each item. */
export function renderItemTable(items: readonly ItemView[], screen: Screen, full = false): string[] {
  const rows: Row[] = items.map((item) => [
    full && item.key !== "" ? `#${item.index} ${safeText(item.key)}` : nameOf(item),
    { text: `${MARKS[itemTone(item.status)]} ${itemStatusWord(item.status)}`, tone: itemTone(item.status) },
    formatCount(item.attempts),
    formatTook(item.startedAt, item.endedAt, screen.nowMs),
    itemRemark(item),
  ]);
  return renderTable(
    [
      { title: "ITEM", align: "right" },
      { title: "STATUS" },
      { title: "TRIES", align: "right" },
      { title: "TOOK", align: "right" },
      { title: "REASON OR INPUT", ...(full ? {} : { shrinkTo: 12 }) },
    ],
    rows,
    screen,
  );
}

function itemRemark(item: ItemView): string {
  if (item.failure !== undefined) return `${modeText(item.failure)}: ${failureText(item.failure)}`;
  if (item.detail !== "") return safeText(item.detail);
  return safeText(item.inputSnapshot);
}

export interface ItemPage {
  readonly action: string;
  readonly items: readonly ItemView[];
  readonly counts: ItemCounts | undefined;
  /** Only some statuses were asked for. */
  readonly filtered: boolean;
  /** Only items of these keys were asked for. */
  readonly keys: readonly string[];
  /** Only failed items were asked for: each is shown with its input. */
  readonly failedOnly: boolean;
  /** There are more after these. */
  readonly more: boolean;
}

/** What `holdfast items` shows. */
export function renderItemPage(runId: string, page: ItemPage, screen: Screen, full: boolean): string[] {
  const counts = page.counts === undefined ? "" : `  ${formatItemCounts(page.counts)}`;
  const lines = [`${screen.style("strong", `Items of ${safeText(page.action)}`)}${counts}`];
  if (page.items.length === 0) {
    lines.push(
      page.keys.length > 0
        ? "  none of the asked keys"
        : page.filtered
          ? "  none in the asked status"
          : "  none",
    );
    return lines;
  }
  lines.push(
    ...(page.failedOnly
      ? renderFailedItems(page.items, screen, { full })
      : renderItemTable(page.items, screen, full)),
  );
  if (page.more) {
    const failed = page.failedOnly ? " --failed" : "";
    const keyed = page.keys.map((key) => ` --item-key ${shellWord(safeText(key))}`).join("");
    lines.push(
      `… and more: ${screen.command(withId("items", runId, `--action ${page.action}${failed}${keyed}`, "--all"))}`,
    );
  }
  return lines;
}
