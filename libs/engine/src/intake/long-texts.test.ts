/** A million characters at the doors of the engine, of what is the worst to read. Nothing is timed: in the square of the length it would not end. */
import { describe, expect, test } from "vitest";
import { cronProblem } from "../cron/cron.js";
import type { PublishedMessage } from "../ports/index.js";
import { parseWork } from "./work-request.js";

const CHARS = 1_000_000;
const UNITS = [
  "a",
  "0",
  "0 ",
  "* ",
  ",",
  "0,",
  "-",
  "/",
  "Europe/",
  ":",
  ";",
  "=",
  '"',
  " ",
  "\u00e9",
  "\ud800",
  "00:",
];
const of = (unit: string): string => unit.repeat(Math.ceil(CHARS / unit.length));

function work(fields: {
  readonly subject?: string;
  readonly headers?: readonly (readonly [string, string])[];
}): unknown {
  const { subject = "holdfast.work.a", headers = [] } = fields;
  const message: PublishedMessage = {
    ...{ subject, seq: 1, streamCreatedNs: 0n, atNs: 0n, data: new Uint8Array(0) },
    header: (name) => headers.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1],
    headerList: () => headers,
  };
  return parseWork(message);
}

const READERS: readonly (readonly [string, (text: string) => unknown])[] = [
  ["a cron expression", (text) => cronProblem(text, "UTC")],
  ["a field of one", (text) => cronProblem(`${text} * * * *`, "UTC")],
  ["a time zone", (text) => cronProblem("* * * * *", text)],
  ["a subject", (text) => work({ subject: `holdfast.work.${text}` })],
  ["a header's name", (text) => work({ headers: [[`Holdfast-${text}`, "1"]] })],
  ["a run id", (text) => work({ headers: [["Holdfast-Run-Id", text]] })],
  ["a priority", (text) => work({ headers: [["Holdfast-Priority", text]] })],
  ["a start time", (text) => work({ headers: [["Holdfast-Start-At", `2030-01-01T00:00:00.${text}`]] })],
  ["a content type", (text) => work({ headers: [["Content-Type", text]] })],
  ["a traceparent", (text) => work({ headers: [["traceparent", `00-${text}`]] })],
];

describe.each(READERS)("%s", (_what, read) => {
  test("of a million characters is answered", () => {
    for (const unit of UNITS) expect(read(of(unit))).toBeDefined();
  });
});
