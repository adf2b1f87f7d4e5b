/** A cluster's state as its owners show it, as plain values that can be compared. */
import { toJson } from "@bufbuild/protobuf";
import { ItemViewSchema, RunViewSchema, WorkflowCountsSchema } from "@holdfast/proto";
import type { Holdfast } from "@holdfast/sdk";
import { allItems, allRunIds } from "./run-rules.js";
import { forEachOf } from "./wait.js";

export interface Snapshot {
  /** By run id: the whole view with input, outputs, history and items. */
  readonly runs: Readonly<Record<string, unknown>>;
  readonly counts: unknown;
}

export async function snapshot(client: Holdfast): Promise<Snapshot> {
  const ids = (await allRunIds(client)).toSorted();
  const entries = await forEachOf(ids, 16, async (runId) => {
    const view = await client.get(runId);
    // Which entry it is of grows with everything that happens in the partition.
    view.seq = 0n;
    const ledgers = await forEachOf(
      view.actions.filter(({ items }) => items !== undefined),
      1,
      async ({ name }) => (await allItems(client, runId, name)).map((item) => toJson(ItemViewSchema, item)),
    );
    return [runId, { view: toJson(RunViewSchema, view), ledgers }] as const;
  });
  const { workflows } = await client.counts();
  return {
    runs: Object.fromEntries(entries),
    counts: workflows.map((counts) => toJson(WorkflowCountsSchema, counts)),
  };
}
