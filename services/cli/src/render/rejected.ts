/** Published work that could not become a run: in a list, one whole, and what was decided about it. */
import type { GetRejectedResponse, RejectedDecision, RejectedWork } from "@holdfast/proto";
import { rejectWord } from "./status.js";
import type { Screen } from "./style.js";
import { renderTable } from "./table.js";
import { formatCount, safeText, wrapJson, wrapParts, wrapText } from "./text.js";
import { formatMoment } from "./time.js";

/** Of a body in a list; all that was kept of it is in the JSON form. */
const BODY_CHARS_MAX = 400;
const BODY_LINES_MAX = 2;
const WHOLE_LINES_MAX = 10_000;

/** Each with its whole reason, since that is what has to be mended, and how its body begins. */
export function renderRejected(rejected: readonly RejectedWork[], screen: Screen): string[] {
  if (rejected.length === 0) return ["No rejected work."];
  return rejected.flatMap((work) => {
    const lead = `#${work.id}  `;
    const indent = " ".repeat(lead.length);
    const room = screen.width - lead.length;
    const code = rejectWord(work.code);
    const facts = [
      safeText(work.subject),
      code,
      formatMoment(work.rejectedAt),
      `${formatCount(work.bodyBytes)} bytes`,
    ];
    const [head = "", ...more] = wrapParts(facts, room);
    const body = safeText(new TextDecoder().decode(work.body.subarray(0, BODY_CHARS_MAX)));
    return [
      lead + head.replace(code, screen.style("bad", code)),
      ...more.map((line) => indent + line),
      ...wrapText(safeText(work.reason), room).map((line) => indent + line),
      ...(body === "" ? [] : wrapJson(body, room, BODY_LINES_MAX)).map(
        (line) => indent + screen.style("dim", line),
      ),
    ];
  });
}

export function renderOneRejected(
  { rejected, headers, bodyProblem }: GetRejectedResponse,
  screen: Screen,
): string[] {
  if (rejected === undefined) return ["(the answer held no message)"];
  const { subject, code, reason, rejectedAt, bodyBytes, body } = rejected;
  const text = safeText(new TextDecoder().decode(body));
  const named = Object.entries(headers).map(([name, value]) => `${safeText(name)}: ${safeText(value)}`);
  const size = `${formatCount(bodyBytes)} bytes${BigInt(body.length) < bodyBytes && bodyProblem === "" ? `, of which the first ${formatCount(body.length)} are shown` : ""}`;
  return [
    `${screen.style("strong", `#${rejected.id}`)}  ${safeText(subject)}  ${screen.style("bad", rejectWord(code))}  ${formatMoment(rejectedAt)}`,
    ...wrapText(safeText(reason), screen.width - 2).map((line) => `  ${line}`),
    ...named.flatMap((line) =>
      wrapText(line, screen.width - 2).map((part) => `  ${screen.style("dim", part)}`),
    ),
    bodyProblem === "" ? `  ${size}` : `  ▲ ${safeText(bodyProblem)}`,
    ...(text === "" ? [] : ["", ...wrapJson(text, screen.width, WHOLE_LINES_MAX)]),
  ];
}

export function renderDecisions(decisions: readonly RejectedDecision[], screen: Screen): string[] {
  if (decisions.length === 0) return ["Nothing was decided about rejected work in the last 30 days."];
  const rows = decisions.map(({ id, subject, discarded, edited, who, reason, at }) => [
    `#${id}`,
    safeText(subject),
    discarded ? "discarded" : edited ? "replayed, changed" : "replayed",
    at === undefined ? "" : formatMoment(at),
    safeText(who),
    safeText(reason),
  ]);
  return renderTable(
    [
      { title: "ID" },
      { title: "SUBJECT", shrinkTo: 12, expendable: 2 },
      { title: "DECIDED" },
      { title: "AT", expendable: 3 },
      { title: "BY", shrinkTo: 8 },
      { title: "REASON", shrinkTo: 16, expendable: 1 },
    ],
    rows,
    screen,
  );
}
