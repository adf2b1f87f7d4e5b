/** Every list and dashboard on narrow and wide terminals, with colours and without, and into a pipe. */
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cells } from "./render/text.js";
import { type SampleAdmin, startSampleAdmin } from "./sample-admin.js";
import { typeAt } from "./sample-terminal.js";

const COMMANDS = [
  "runs",
  "run import-1",
  "items import-1 --action check",
  "items import-1 --failed",
  "failures",
  "failure 5381a29500f90716",
  "dead-letters",
  "dead-letters --reasons",
  "bulk",
  "bulk op-1",
  "breakers",
  "breaker films check",
  "schedules",
  "schedule nightly",
  "rejected",
  "workflows",
  "counts",
  "cluster",
  "retention",
  "attention",
  "check",
];

let admin: SampleAdmin;
beforeAll(async () => {
  admin = await startSampleAdmin();
});
afterAll(() => admin.close());

const tooWide = (text: string, width: number): string[] =>
  text
    .split("\n")
    // What is to be typed is never broken: a shell would take the parts for commands.
    .filter((line) => cells(line) > width && !/(^|\s)holdfast [a-z]/.test(line));

describe.each([60, 80, 120])("at %i columns", (columns) => {
  it.each(COMMANDS)("%s fits", async (command) => {
    const coloured = await typeAt(admin.address, command.split(" "), { columns });
    const plain = await typeAt(admin.address, command.split(" "), { columns, env: { NO_COLOR: "1" } });
    expect([coloured.err, coloured.code]).toEqual(["", 0]);
    expect(tooWide(stripVTControlCharacters(coloured.out), columns)).toEqual([]);
    // Colour says nothing that the words do not.
    expect(plain.out).toBe(stripVTControlCharacters(coloured.out));
  });
});

it.each(COMMANDS)("%s is whole and plain in a pipe", async (command) => {
  const piped = await typeAt(admin.address, command.split(" "));
  expect(piped.out).toBe(stripVTControlCharacters(piped.out));
  expect(piped.out).not.toContain("…\n");
});

/** As one document, else as one a line. */
function documents(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch {
    return text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  }
}

it.each([
  ...COMMANDS,
  "runs --all",
  "items import-1 --failed --all",
  "dead-letters --all",
  "run import-1 --watch",
])("%s --json is one document, or one a line", async (command) => {
  const { out, err, code } = await typeAt(admin.address, [...command.split(" "), "--json"], { columns: 60 });
  expect([err, code]).toEqual(["", 0]);
  expect(documents(out).length).toBeGreaterThan(0);
});
