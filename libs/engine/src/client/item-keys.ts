/**
 * Which items are meant where they are named by their keys. An index never changes, so what was found is what is retried.
 *
 * 1. A key names the one failed item that has it. Where none has it or several have, that is an error; nothing is sent.
 * 2. The same request again finds its items retried already: a key that no failed item has stands for the first item that has it at all,
 *    for the log to answer. It has kept the answer that it gave, or refuses what is not failed, and then `notFailed` says why.
 */
import { ITEM_KEY_CHARS_MAX, ITEM_KEYS_MAX, RETRY_ITEMS_MAX } from "@holdfast/core";
import { ItemStatus } from "@holdfast/proto";
import { PAGE_SIZE_MAX, type QueryClient, type QueryOptions } from "./query-client.js";
import { QueryFailedError } from "./query-errors.js";

/** Answers that are waited for before looking for keys is given up. */
const LOOKS_MAX = 1_000;
/** Items of one key that an error names. */
const SHOWN_MAX = 5;
/** Keys that an error names. */
const KEYS_SHOWN_MAX = 10;

export interface KeyedItems {
  readonly runId: string;
  readonly action: string;
  /** Named by index, beside those that are named by key. */
  readonly items: readonly number[];
  readonly keys: readonly string[];
}

export interface FoundItems {
  readonly items: number[];
  /** What to say where the log refuses them. */
  readonly notFailed: QueryFailedError | undefined;
}

type Lists = Pick<QueryClient, "listItems">;

export async function itemsOfKeys(
  queries: Lists,
  named: KeyedItems,
  options: () => QueryOptions = () => ({}),
): Promise<FoundItems> {
  if (named.keys.length === 0) return { items: [...named.items], notFailed: undefined };
  checkKeys(named);
  const failed = await holders(queries, named, named.keys, [ItemStatus.FAILED], options);
  const several = named.keys.filter((key) => (failed.get(key)?.length ?? 0) > 1);
  const [shared] = several;
  if (shared !== undefined) throw severalHave(named, several, failed.get(shared) ?? []);
  const missing = named.keys.filter((key) => !failed.has(key));
  const others = missing.length === 0 ? failed : await holders(queries, named, missing, [], options);
  const none = missing.filter((key) => !others.has(key));
  if (none.length > 0) throw noneHas(named, none, undefined);
  const ofKeys = named.keys.flatMap((key) => (failed.get(key) ?? others.get(key) ?? []).slice(0, 1));
  const [first] = missing;
  return {
    items: [...new Set([...named.items, ...ofKeys])],
    notFailed:
      first === undefined
        ? undefined
        : noneHas(named, missing, missing.length === 1 ? others.get(first)?.[0] : undefined),
  };
}

/** The indexes of the items of each key. */
async function holders(
  queries: Lists,
  { runId, action }: KeyedItems,
  keys: readonly string[],
  statuses: readonly ItemStatus[],
  options: () => QueryOptions,
): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  const filter = { action, keys, statuses, pageSize: PAGE_SIZE_MAX };
  let pageToken = "";
  for (let look = 0; look < LOOKS_MAX; look++) {
    const page = await queries.listItems(runId, { ...filter, pageToken }, options());
    for (const { key, index } of page.items) {
      const held = found.get(key);
      if (held === undefined) found.set(key, [index]);
      else if (held.length <= SHOWN_MAX) held.push(index);
    }
    pageToken = page.nextPageToken;
    const isEnough = statuses.length === 0 ? found.size === keys.length : hasTooMany(found);
    if (pageToken === "" || isEnough) return found;
  }
  throw invalid(
    `action ${action} of run ${runId} has too many items to look for keys in: name them by index, as ListItems shows them`,
  );
}

const hasTooMany = (found: ReadonlyMap<string, readonly number[]>): boolean =>
  [...found.values()].some((items) => items.length > SHOWN_MAX);

function checkKeys({ runId, action, items, keys }: KeyedItems): void {
  if (action === "")
    throw invalid(`items of run ${runId} are named by key: name the action that they are of`);
  if (keys.length > ITEM_KEYS_MAX)
    throw invalid(`${keys.length} keys of items are too many: at most ${ITEM_KEYS_MAX} can be given at once`);
  if (items.length + keys.length > RETRY_ITEMS_MAX)
    throw invalid(`${items.length + keys.length} items are too many: at most ${RETRY_ITEMS_MAX}`);
  for (const key of keys)
    if (key === "" || key.length > ITEM_KEY_CHARS_MAX)
      throw invalid(
        `a key of an item has 1 to ${ITEM_KEY_CHARS_MAX} characters: one of ${key.length} names none`,
      );
}

/** `items`: those of the first key. */
function severalHave(
  { runId, action }: KeyedItems,
  [key = "", ...others]: readonly string[],
  items: readonly number[],
): QueryFailedError {
  const also = others.length === 0 ? "" : `, and several have each of: ${keysText(others)}`;
  const shown = items.slice(0, SHOWN_MAX).join(", ") + (items.length > SHOWN_MAX ? " and more" : "");
  return invalid(
    `several failed items of action ${action} of run ${runId} have the key ${JSON.stringify(key)}: ${shown}${also}; name those that you mean by index; nothing was changed`,
  );
}

/** `other`: an item that has the key, where there is one alone. */
function noneHas(
  { runId, action }: KeyedItems,
  keys: readonly string[],
  other: number | undefined,
): QueryFailedError {
  const which = other === undefined ? "" : ` (item ${other} has it, and is not failed)`;
  return new QueryFailedError(
    "NO_SUCH_ITEM",
    `no failed item of action ${action} of run ${runId} has ${keys.length === 1 ? "the key" : `any of ${keys.length} keys:`} ${keysText(keys)}${which}; look at its failed items for theirs; nothing was changed`,
    undefined,
  );
}

/** `"a", "b" and 3 more`. */
function keysText(keys: readonly string[]): string {
  const shown = keys.slice(0, KEYS_SHOWN_MAX).map((key) => JSON.stringify(key));
  const more = keys.length - shown.length;
  return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

const invalid = (message: string): QueryFailedError => new QueryFailedError("INVALID", message, undefined);
