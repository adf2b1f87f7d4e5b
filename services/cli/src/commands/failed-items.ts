/** The first failed items of each action of a run, for its dashboard. */
import { ItemStatus, type RunView } from "@holdfast/proto";
import type { AdminClient } from "../context.js";
import type { FailedItems } from "../render/run.js";

export async function firstFailedItems(
  admin: AdminClient,
  run: RunView,
  limit: number,
): Promise<FailedItems[]> {
  if (limit === 0) return [];
  const found: FailedItems[] = [];
  for (const action of run.actions) {
    const total = action.items?.failed ?? 0;
    if (total === 0) continue;
    const { items } = await admin.listItems({
      runId: run.summary?.runId ?? "",
      action: action.name,
      statuses: [ItemStatus.FAILED],
      pageSize: limit,
    });
    found.push({ action: action.name, items, total });
  }
  return found;
}
