/** Facts about a run for the demo's claims: asked over gRPC, compared with the rows themselves. */
import { ItemStatus, type ItemView, type Payload, type RunView } from "@holdfast/proto";
import type { AdminClient } from "../context.js";

const PAGE_SIZE = 500;

/** Every failed item of an action, over all pages. */
export async function allFailedItems(admin: AdminClient, runId: string, action: string): Promise<ItemView[]> {
  const items: ItemView[] = [];
  let pageToken = "";
  do {
    const page = await admin.listItems({
      runId,
      action,
      statuses: [ItemStatus.FAILED],
      pageSize: PAGE_SIZE,
      pageToken,
    });
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return items;
}

/** A value that travelled inline; undefined where it did not. */
export function inlineValue(payload: Payload | undefined): unknown {
  if (payload?.body.case !== "inline") return undefined;
  return JSON.parse(new TextDecoder().decode(payload.body.value));
}

/** How the items of an action ended, as `[total, succeeded, failed]`. */
export function itemsOf(
  run: RunView,
  action: string,
): readonly [total: number, succeeded: number, failed: number] {
  const counts = run.actions.find(({ name }) => name === action)?.items;
  return [counts?.total ?? 0, counts?.succeeded ?? 0, counts?.failed ?? 0];
}
