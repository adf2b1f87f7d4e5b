/** What the items of a run share is read once for all of them. */
import { MemoryPayloads } from "@holdfast/engine/memory";
import { afterEach, expect, test, vi } from "vitest";
import { createWorker, typed, type Worker, workflow } from "./index.js";
import { startTestCluster, type TestCluster } from "./testing/index.js";

let cluster: TestCluster | undefined;
let worker: Worker | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await worker?.stop();
  await cluster?.close();
});

test("a large upstream output is fetched once for all items, and none can change it for the others", async () => {
  const seen = new Set<unknown>();
  const flow = workflow("prices", { input: typed<{ rows: number[] }>() })
    .action("table", () => ({ text: "x".repeat(200_000), prices: { base: 7 } }))
    .forEach("price", { items: "rows", after: ["table"] }, ({ item, table }) => {
      seen.add(table);
      expect(() => {
        table.prices.base = 8;
      }).toThrow(TypeError);
      return item * table.prices.base;
    })
    .action("sum", { after: ["price"] }, ({ price }) => price.reduce((sum, one) => sum + one, 0));
  cluster = await startTestCluster();
  worker = await createWorker({ connection: cluster.holdfast, workflows: [flow], stopTimeout: "1s" });
  const get = vi.spyOn(MemoryPayloads.prototype, "get");
  const run = await cluster.holdfast.start(flow, { rows: Array.from({ length: 50 }, (_, n) => n) });
  expect(await run.result()).toBe((49 * 50 * 7) / 2);
  expect(seen.size).toBe(1);
  expect(get).toHaveBeenCalledTimes(1);
});
