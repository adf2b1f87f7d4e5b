/** `holdfast demo` as its reader runs it: it checks its own claims, so its exit code is the test. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const main = join(dirname(dirname(fileURLToPath(import.meta.url))), "main.ts");
const demoArgs = ["--import", "tsx", main, "demo"];
const environment = { ...process.env, HOLDFAST_NATS_URL: "", COLUMNS: "100" };

it("fails in part, shows what and why, and heals; within a minute", async () => {
  const began = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, demoArgs, { env: environment });
  expect(performance.now() - began).toBeLessThan(60_000);
  const inOrder = [
    "2 OK | 1 PARTIAL | 0 SKIP | 0 ERROR",
    "48 VALIDATION, 10 HANDLER_BUG",
    "#9   VALIDATION: release date 2046-12-31 is later than the catalogue itself",
    '"Title":"Duel in the Sun"',
    "… and 53 more:",
    "Retryable until 2",
    "Recommended: RETRY_FAILED:",
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
}, 120_000);

it("leaves nothing behind when it is interrupted", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-interrupted-"));
  const env = { ...environment, TMPDIR: folder };
  const demo = spawn(process.execPath, demoArgs, { env, stdio: ["ignore", "pipe", "pipe"] });
  await once(demo.stdout, "data");
  await sleep(200);
  demo.kill("SIGINT");
  expect(await once(demo, "exit")).toEqual([130, null]);
  const left = (await readdir(folder)).filter((name) => name.startsWith("holdfast"));
  await rm(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
}, 120_000);
