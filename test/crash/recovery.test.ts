/**
 * Recovery handlers are at work when their worker is killed, and then the node with its data: a recovery that was lost has failed, and
 * is not run a second time; one whose worker lives goes on.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { microText } from "@holdfast/core";
import { FailureMode, RunStatus } from "@holdfast/proto";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { EFFECTS_FILE, effectsOf } from "../support/effects.js";
import { viewProblems } from "../support/run-rules.js";
import { System } from "../support/system.js";
import { until, within } from "../support/wait.js";
import { HOLD_RECOVERY_FILE, ledger } from "./recovery-workflow.js";

const RUN = "ledger-1";
const MODULES = ["test/crash/recovery-workflow.ts"];

let system: System | undefined;
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

test("a recovery whose worker is killed has failed; one whose node is killed goes on", async () => {
  const running = await System.start();
  system = running;
  onTestFailed(() => {
    process.stdout.write(`${running.tail()}\n`);
  });
  const effects = join(running.folder, "effects");
  const hold = join(running.folder, "hold");
  for (const which of ["rows", "total"]) writeFileSync(`${hold}.${which}`, "");
  const env = { [EFFECTS_FILE]: effects, [HOLD_RECOVERY_FILE]: hold };
  const worker = await running.startWorker({ modules: MODULES, env });
  const client = await running.connect();
  const handle = await client.start(ledger, { rows: [1, 20, 3] }, { runId: RUN });
  const happened = (key: string) => until(key, () => effectsOf(effects).get(key) === 1);
  await happened(`${RUN}/rows/1/recover of VALIDATION`);

  await worker.kill();
  rmSync(`${hold}.rows`);
  await running.startWorker({ modules: MODULES, env });
  await happened(`${RUN}/total/recover of CONFLICT`);
  const partial = await client.get(RUN);
  const rows = partial.actions.find(({ name }) => name === "rows");
  expect(rows?.items).toMatchObject({ succeeded: 2, failed: 1 });

  await running.node.kill();
  rmSync(running.dataDir, { recursive: true });
  await running.startNode();
  rmSync(`${hold}.total`);
  const ended = await within("the run to end", handle.ended());
  expect(ended.status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
  const view = await client.get(RUN);
  expect(viewProblems(view)).toEqual([]);
  expect(view.actions.find(({ name }) => name === "total")?.detail).toBe(
    "recovered from CONFLICT: the ledger is closed",
  );
  expect(view.failure?.mode).toBe(FailureMode.VALIDATION);
  // What the killed worker's recovery spent, it took along.
  expect(view.usage?.counts.map(({ name, amountMicro }) => [name, microText(amountMicro)])).toEqual([
    ["tokens", "30"],
  ]);
  expect(Object.fromEntries(effectsOf(effects))).toEqual({
    [`${RUN}/rows/0`]: 1,
    [`${RUN}/rows/1`]: 1,
    [`${RUN}/rows/2`]: 1,
    [`${RUN}/rows/1/recover of VALIDATION`]: 1,
    [`${RUN}/total`]: 1,
    [`${RUN}/total/recover of CONFLICT`]: 1,
  });

  await client.retry(RUN);
  expect((await within("the retried run to end", client.wait(RUN))).status).toBe(RunStatus.COMPLETED);
  expect(effectsOf(effects).get(`${RUN}/rows/1/recover of VALIDATION`)).toBe(2);
  expect(viewProblems(await client.get(RUN))).toEqual([]);
});
