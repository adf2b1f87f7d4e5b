/**
 * Items of one action ask two hosts, of which one dies: the items of the other go on, through the end of a worker and of a node, and those of the dead one
 * wait without spending attempts until it is back.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ItemStatus, RunStatus } from "@holdfast/proto";
import { afterEach, beforeEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { allItems, ledgerProblems, viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { pause, until, within } from "../support/wait.js";
import { DOWN_DIR, pages } from "./hosts-workflow.js";

const EACH = 60;
/** Two workers, two nodes and the admin service are started. */
const TEST_MS_MAX = 900_000;
const RUN = "two-hosts";

let system: System;

beforeEach(async () => {
  system = await System.start();
});
afterEach(() => system.stop());

test("while one host is dead the items of the other go on, and nothing of the dead one is lost or spent", {
  timeout: TEST_MS_MAX,
}, async () => {
  onTestFailed(() => {
    process.stdout.write(`${system.tail()}\n`);
  });
  const down = join(system.folder, "down");
  const effects = join(system.folder, "effects");
  mkdirSync(down);
  writeFileSync(join(down, "alpha"), "");
  const startWorker = () =>
    system.startWorker({
      modules: ["test/e2e/hosts-workflow.ts"],
      concurrency: 8,
      env: { [EFFECTS_FILE]: effects, [DOWN_DIR]: down },
    });
  const [first, client, admin] = await Promise.all([startWorker(), system.connect(), system.startAdmin()]);
  const rows = Array.from({ length: EACH * 2 }, (_, n) => ({
    host: n % 2 === 0 ? "alpha" : "beta",
    page: n,
  }));
  const run = await client.start(pages, { pages: rows }, { runId: RUN });
  /** Undefined: it is closed. */
  const breakerOf = async (key: string) =>
    (await admin.call.listBreakers({ workflow: "pages", openOnly: true })).breakers.find(
      (breaker) => breaker.key === key,
    );
  const fetched = async () => (await client.get(RUN)).actions[0];
  const answered = () => [...effectsOf(effects).keys()].filter((line) => line.endsWith("answered")).length;

  await until("the breaker of alpha to open", async () => (await breakerOf("alpha")) !== undefined);
  await until("beta to be asked", () => answered() > 10);
  await Promise.all([first.kill(), startWorker()]);
  await until("all items of beta to be done", async () => (await fetched())?.items?.succeeded === EACH);
  expect(await breakerOf("beta")).toBeUndefined();

  await system.node.kill();
  await system.startNode();
  const held = await until("what is held to be shown", async () => {
    const shown = (await fetched())?.heldKeys ?? [];
    return shown.length === 1 && (shown[0]?.items ?? 0) >= EACH - 10 ? shown[0] : undefined;
  });
  expect(held.key).toBe("alpha");
  expect(held.text).toMatch(/^breaker (open until|half open)/);
  const idle = (await allItems(client, RUN, "fetch")).filter(({ status }) => status === ItemStatus.PENDING);
  expect(idle.filter(({ detail }) => !/^breaker (open until|half open).*"alpha"$/.test(detail))).toEqual([]);
  expect((await breakerOf("alpha"))?.heldItems).toBeGreaterThan(0);
  // Long enough for probes to fail, each of which would have spent an attempt.
  await pause(1_500);

  rmSync(join(down, "alpha"));
  const { status } = await within("the run to end", run.ended());
  expect(RunStatus[status]).toBe("COMPLETED");
  const view = await client.get(RUN);
  expect(viewProblems(view)).toEqual([]);
  const counts = view.actions[0]?.items;
  expect(counts).toMatchObject({ succeeded: EACH * 2, pending: 0, failed: 0 });
  if (counts !== undefined)
    expect(ledgerProblems(RUN, await allItems(client, RUN, "fetch"), counts)).toEqual([]);
  expect(await breakerOf("alpha")).toBeUndefined();
  // Those that were let out before it opened, and one probe at a time.
  const inVain = [...effectsOf(effects).keys()].filter((line) => line.endsWith("down")).length;
  expect(inVain).toBeLessThan(EACH);
  const found: string[] = [];
  for await (const { breaches } of admin.call.check({}))
    found.push(...breaches.map(({ rule, runId, message }) => `${rule} ${runId}: ${message}`));
  expect(found).toEqual([]);
});
