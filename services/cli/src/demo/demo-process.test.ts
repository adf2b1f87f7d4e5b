/** `holdfast demo` as its reader runs it: it checks its own claims, so its exit code is the test. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { startModule } from "../sample-process.js";

const main = join(dirname(dirname(fileURLToPath(import.meta.url))), "main.ts");
const demoArgs = ["--import", "tsx", main, "demo"];
const environment = { ...process.env, HOLDFAST_NATS_URL: "", COLUMNS: "100" };

it("fails in part, shows what and why, and heals", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, demoArgs, { env: environment });
  const inOrder = [
    "2 OK | 1 PARTIAL | 0 SKIP | 0 ERROR",
    "48 VALIDATION, 10 HANDLER_BUG",
    "#9   VALIDATION: release date 2046-12-31 is later than the catalogue itself",
    '"Title":"Duel in the Sun"',
    "… and 53 more:",
    "Retryable until 2",
    "Recommended: MANUAL: VALIDATION and HANDLER_BUG do not go away by themselves",
    "Mend what caused VALIDATION (48) and HANDLER_BUG (10)",
    "What to type",
    "retried 1 of 1 · 0 raced · 0 refused",
    "3 OK | 0 PARTIAL | 0 SKIP | 0 ERROR",
    "enrich   3,143 times, then  58   the healed films alone",
    "3,201 films from 1915 to 2011",
    "claims hold",
  ];
  let from = 0;
  for (const text of inOrder) {
    const at = stdout.indexOf(text, from);
    expect([text, at > -1]).toEqual([text, true]);
    from = at;
  }
});

it("leaves nothing behind when it is interrupted", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-interrupted-"));
  const env = { ...environment, TMPDIR: folder };
  const demo = startModule(main, ["demo"], { env, streams: "pipe" });
  if (demo.stdout === null) throw new Error("the demo has no output");
  await once(demo.stdout, "data");
  await sleep(200);
  demo.kill("SIGINT");
  expect(await once(demo, "exit")).toEqual([130, null]);
  const left = (await readdir(folder)).filter((name) => name.startsWith("holdfast"));
  await rm(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
});

it("works beside another, each with ports of its own", async () => {
  const run = async () =>
    (await promisify(execFile)(process.execPath, demoArgs, { env: environment })).stdout;
  const [first, second] = await Promise.all([run(), run()]);
  const placeOf = (text: string) => /gRPC +(127\.0\.0\.1:\d+)/.exec(text)?.[1];
  for (const text of [first, second]) expect(text).toContain("claims hold");
  expect(placeOf(first)).not.toBe(placeOf(second));
});
