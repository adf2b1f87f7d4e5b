/** What a person and a script get of schedules: words, JSON, exit codes. Over real gRPC. */
import { afterEach, beforeEach, expect, it } from "vitest";
import type { CliIo } from "../io.js";
import { runCli } from "../program.js";
import { SAMPLE_NOW_MS } from "../render/sample-runs.js";
import { type SampleAdmin, startSampleAdmin } from "../sample-admin.js";

let admin: SampleAdmin;
beforeEach(async () => {
  admin = await startSampleAdmin();
});
afterEach(() => admin.close());

async function holdfast(
  args: string,
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let [out, err] = ["", ""];
  const io: CliIo = {
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    stdout: { isTTY: false },
    stderr: { isTTY: false },
    env: { HOLDFAST_ADMIN: admin.address },
    nowMs: () => SAMPLE_NOW_MS,
    readStdin: async () => "",
    interrupted: new AbortController().signal,
  };
  const code = await runCli(args.split(" "), io);
  return { code, out, err };
}

it.each([
  [
    "schedules -w films",
    /nightly +films +0 2 \* \* \* +Europe\/Berlin +ACTIVE +2026-03-01 02:00:00Z +SKIPPED\n.*schedules --page nightly/,
    "listSchedules films ",
  ],
  [
    "schedule nightly",
    /9 instants: 5 started, 3 skipped, 1 missed\nlive: run nightly-20260228T010000Z[^]*04:00:00Z \(3\) +SKIPPED[^]*COMPLETED/,
    undefined,
  ],
  [
    "schedule put daily --workflow films --cron @daily --time-zone Europe/Berlin -i {} --overlap buffer --catch-up 2h",
    /Schedule daily is made\.\nIt begins runs of films\.\nnext instants: 2026-03-01 02:00:00Z\n/,
    "putSchedule daily films @daily Europe/Berlin {} 2 7200000",
  ],
  ["schedule pause nightly --reason disk", /nightly is paused/, "changeSchedule nightly PAUSE disk"],
  [
    "schedule trigger nightly",
    /began a run: nightly-20260301T020000Z-t7-0\nFollow it: holdfast run nightly-20260301T020000Z-t7-0 --watch/,
    "changeSchedule nightly TRIGGER ",
  ],
  ["schedule delete nightly", /is deleted\. Its runs go on/, "changeSchedule nightly DELETE "],
])("%s says what it did of schedules", async (line, said, asked) => {
  const { code, out } = await holdfast(line);
  expect([code, out]).toEqual([0, expect.stringMatching(said)]);
  if (asked !== undefined) expect(admin.asked).toContain(asked);
});

it.each([
  ["schedule weekly", 4, "there is no schedule weekly"],
  ["schedule resume nightly", 5, "is not paused"],
  ["schedule put daily --workflow films --cron nonsense", 2, "no cron expression"],
  ["schedule put daily --workflow films", 2, "Give --workflow <name> and --cron"],
  ["schedule put", 4, "there is no schedule put"],
  ["schedule fly nightly", 2, "Say `schedule [put|pause|resume|trigger|delete] <name>`"],
  ["schedule pause nightly --cron @daily", 2, "--cron goes with `schedule put`"],
  ["schedule put daily --catch-up soon", 2, '"soon" is no span'],
  ["schedule put daily --overlap twice", 2, '"twice" is no overlap policy; one of SKIP, BUFFER, ALLOW'],
])("exits as it should on `%s`", async (line, exit, message) => {
  const { code, out, err } = await holdfast(line);
  expect([code, out, err]).toEqual([exit, "", expect.stringContaining(message)]);
});

it("prints schedules as JSON", async () => {
  const { out } = await holdfast("schedule nightly --json");
  expect(JSON.parse(out)).toMatchObject({
    schedule: { name: "nightly", instants: "9", status: "SCHEDULE_STATUS_ACTIVE" },
  });
});
