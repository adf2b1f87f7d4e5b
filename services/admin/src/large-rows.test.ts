/** Lists whose rows are large, with real nodes: no answer is larger than what carries it, and each row is shown once. */
import { toBinary } from "@bufbuild/protobuf";
import { type ItemView, ListItemsResponseSchema, ListRunsResponseSchema, RunStatus } from "@holdfast/proto";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type MemorySystem, memorySystem } from "./memory-system.js";

const ITEMS = 300;
const RUNS = 1_200;
/** What one message between a node and the admin service may hold, by NATS's default. */
const MESSAGE_BYTES = 1024 * 1024;
const ONCE = { maxAttempts: 1 };
const LONG = "łóżko ".repeat(700);

const rows = workflow("rows", { input: typed<number[]>() }).forEach(
  "check",
  { items: "", retry: ONCE, window: 100 },
  ({ item }) => {
    throw new ActionError("VALIDATION", `${LONG} ${item}`);
  },
);
const long = workflow("long").action("fail", { retry: ONCE }, () => {
  throw new ActionError("VALIDATION", LONG);
});

let system: MemorySystem;
beforeAll(async () => {
  system = await memorySystem([rows, long]);
});
afterAll(() => system.close());

it("items that failed with long messages and stacks come a page at a time", async () => {
  const { admin } = system;
  const input = Array.from({ length: ITEMS }, (_, n) => n);
  await admin.startRun({ workflow: "rows", runId: "r1", inputJson: JSON.stringify(input) });
  await expect
    .poll(async () => (await admin.getRun({ runId: "r1" })).run?.summary?.status, { timeout: 60_000 })
    .toBe(RunStatus.FAILED);
  const seen: ItemView[] = [];
  let pageToken = "";
  do {
    const page = await admin.listItems({ runId: "r1", pageSize: 1_000, pageToken });
    expect(toBinary(ListItemsResponseSchema, page).length).toBeLessThan(MESSAGE_BYTES);
    seen.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen.map(({ index }) => index)).toEqual(input);
  expect(seen[0]?.failure?.message.length).toBeGreaterThan(4_000);
});

it("runs with long details come a page at a time", async () => {
  const { admin } = system;
  const ids = Array.from({ length: RUNS }, (_, n) => `long-${n}`);
  for (let from = 0; from < RUNS; from += 100)
    await Promise.all(
      ids.slice(from, from + 100).map((runId) => admin.startRun({ workflow: "long", runId })),
    );
  await expect
    .poll(async () => Number((await admin.getCounts({ workflow: "long" })).total?.failed), {
      timeout: 60_000,
    })
    .toBe(RUNS);
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await admin.listRuns({ workflow: "long", pageSize: 1_000, pageToken });
    expect(toBinary(ListRunsResponseSchema, page).length).toBeLessThan(3.5 * MESSAGE_BYTES);
    seen.push(...page.runs.map(({ runId }) => runId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(new Set(seen).size).toBe(RUNS);
  expect(seen).toHaveLength(RUNS);
});
