/** What a person and a script get from the commands about rejected work. Over real gRPC. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CliIo } from "../io.js";
import { runCli } from "../program.js";
import { SAMPLE_NOW_MS } from "../render/sample-runs.js";
import { type SampleAdmin, startSampleAdmin } from "../sample-admin.js";

let admin: SampleAdmin;
beforeEach(async () => {
  admin = await startSampleAdmin();
});
afterEach(() => admin.close());

async function holdfast(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const io: CliIo = {
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    stdout: { isTTY: false, columns: 160 },
    stderr: { isTTY: false },
    env: { HOLDFAST_ADMIN: admin.address },
    nowMs: () => SAMPLE_NOW_MS,
    readStdin: async () => '{"rows":[3]}',
    interrupted: new AbortController().signal,
  };
  const code = await runCli(args, io);
  return { code, out, err };
}

test("a list says what can be done about them", async () => {
  const { out } = await holdfast("rejected");
  expect(out).toContain("holdfast rejected replay <id> --input '…'");
  expect(out).toContain('holdfast rejected discard <id…> --reason "…"');
});

test("one is shown whole, or its body alone for a file", async () => {
  const { code, out } = await holdfast("rejected", "show", "7");
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(
      /^#7  holdfast.work.film .+\n  no such workflow\n  Holdfast-Run-Id: f-1\n  12 bytes\n\n\{"Title": 7\}\n$/,
    ),
  ]);
  expect((await holdfast("rejected", "show", "7", "--body")).out).toBe('{"Title": 7}');
  expect(JSON.parse((await holdfast("rejected", "show", "7", "--json")).out)).toMatchObject({
    rejected: { id: "7" },
    headers: { "Holdfast-Run-Id": "f-1" },
  });
  expect((await holdfast("rejected", "show", "100")).code).toBe(4);
});

test("one is replayed with what is to be another, said as it was given", async () => {
  const { code, out } = await holdfast(
    "rejected",
    "replay",
    "7",
    "--input",
    '{"Title":"M"}',
    "--reason",
    "a typo",
  );
  expect([code, out]).toEqual([0, "Published again: 1 message, as run f-1.\n"]);
  const more = [
    "--run-id",
    "f-2",
    "--start-at",
    "",
    "--priority",
    "3",
    "--header",
    "X-Old",
    "--header",
    "X-New=a=b",
  ];
  await holdfast("rejected", "replay", "7", "--for-workflow", "films", ...more, "-f", "-");
  expect(admin.asked).toEqual([
    'replayRejected 7 {"Title":"M"} same {} a typo',
    'replayRejected 7 {"rows":[3]} films {"X-Old":"","X-New":"a=b","Holdfast-Run-Id":"f-2","Holdfast-Priority":"3","Holdfast-Start-At":""} ',
  ]);
  expect((await holdfast("rejected", "replay", "7", "8", "--input", "1")).code).toBe(2);
  expect((await holdfast("rejected", "replay", "--all", "--input", "1")).code).toBe(2);
  expect((await holdfast("rejected", "replay", "7", "--header", "a b=c")).code).toBe(2);
});

test("what somebody else has decided is told, and exits 5", async () => {
  const { code, out } = await holdfast("rejected", "replay", "7", "99", "100");
  expect([code, out]).toEqual([
    5,
    "Published again: 1 message.\nNot there: 100\nRefused: #99: ann has decided to discard it\n",
  ]);
});

test("one is discarded for a reason, and no other way", async () => {
  const { code, out } = await holdfast("rejected", "discard", "7", "100", "--reason", "sent by mistake");
  expect([code, out]).toEqual([4, "Discarded: 1 message.\nNot there: 100\n"]);
  expect(admin.asked).toEqual(["discardRejected 7+100 sent by mistake"]);
  const without = await holdfast("rejected", "discard", "7");
  expect([without.code, without.err]).toEqual([2, expect.stringContaining("--reason")]);
});

test("what was decided is listed: what, when, by whom and why", async () => {
  const { out } = await holdfast("rejected", "decided");
  expect(out).toMatch(/#5 +holdfast.work.film +discarded +2026-.+ann +sent by mistake/);
  expect(out).toMatch(/#4 +holdfast.work.film +replayed, changed +2026-.+bob/);
  expect(JSON.parse((await holdfast("rejected", "decided", "--json")).out).decisions).toHaveLength(2);
});
