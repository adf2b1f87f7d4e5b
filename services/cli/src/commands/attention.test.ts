/** `holdfast attention`, over real gRPC: what needs a person now, and what comes to. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { runCli } from "../program.js";
import { type SampleAdmin, startSampleAdmin } from "../sample-admin.js";

let admin: SampleAdmin;
beforeEach(async () => {
  admin = await startSampleAdmin();
});
afterEach(() => admin.close());

async function out(...args: string[]): Promise<string> {
  let [written, failed] = ["", ""];
  const code = await runCli(["attention", ...args], {
    write: (text) => {
      written += text;
    },
    writeError: (text) => {
      failed += text;
    },
    stdout: { isTTY: false },
    stderr: { isTTY: false },
    env: { HOLDFAST_ADMIN: admin.address },
    nowMs: () => 0,
    readStdin: async () => "",
    interrupted: new AbortController().signal,
  });
  expect([code, failed]).toEqual([0, ""]);
  return written;
}

const NOW =
  "▲ BREAKER_OPEN  films/load: breaker open\n  holdfast breakers --open\n▲ STUCK  run import-2 does not move\n  holdfast run import-2\n";

it("lists what needs a person now, oldest first, and ends", async () => {
  expect(await out()).toBe(NOW);
  expect(admin.asked).toEqual(["listAttention "]);
  const older = "… and older ones: holdfast runs --failed --workflow films";
  expect(await out("--workflow", "films")).toBe(`${older}\n${NOW}`);
  expect(await out("--workflow", "quiet")).toBe("Nothing needs a person now.\n");
  expect(JSON.parse(await out("--json")).attentions).toHaveLength(2);
});

it("with --watch goes on with what comes to need one", async () => {
  const watched =
    "Watching; Ctrl-C ends it.\n▲ MANUAL  run import-1 failed: look at it\n  holdfast run import-1\n";
  expect(await out("--watch")).toBe(NOW + watched);
  expect(admin.asked).toEqual(["watchAttention ", "listAttention "]);
});

it("with --watch --json prints one line of JSON for each, those of now first", async () => {
  const lines = (await out("--watch", "--json")).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).attention.kind)).toEqual([
    "ATTENTION_KIND_BREAKER_OPEN",
    "ATTENTION_KIND_STUCK",
    "ATTENTION_KIND_MANUAL",
  ]);
});
