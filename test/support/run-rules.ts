/**
 * What must hold of any run as its owner shows it, whatever befell the system meanwhile. Each problem is a sentence; none: it holds.
 */
import { isCompleted, isRunTerminal, isTerminal } from "@holdfast/core";
import {
  type ItemCounts,
  type ItemView,
  ItemStatus,
  RunStatus,
  type RunView,
  UndoStatus,
} from "@holdfast/proto";
import type { Holdfast } from "@holdfast/sdk";

const PAGE = 1_000;
/** Runs of a page may be large with their history. */
const RUNS_PAGE = 500;

/** Every run of the cluster, each once. */
export async function allRunIds(client: Holdfast, workflow = ""): Promise<string[]> {
  const ids: string[] = [];
  let pageToken = "";
  do {
    const page = await client.list({ workflow, pageSize: RUNS_PAGE, pageToken });
    ids.push(...page.runs.map((run) => run.runId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return ids;
}

/** Every item of an action, by index. */
export async function allItems(client: Holdfast, runId: string, action: string): Promise<ItemView[]> {
  const items: ItemView[] = [];
  let pageToken = "";
  do {
    const page = await client.items(runId, { action, pageSize: PAGE, pageToken });
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return items;
}

export function countsProblems(what: string, counts: ItemCounts): string[] {
  const { total, pending, running, retrying, succeeded, failed, skipped, cancelled } = counts;
  const sum = pending + running + retrying + succeeded + failed + skipped + cancelled;
  return sum === total
    ? []
    : [`${what}: ${total} items, but their dispositions add up to ${sum}: ${JSON.stringify(counts)}`];
}

const OUTSTANDING: ReadonlySet<UndoStatus> = new Set([
  UndoStatus.PENDING,
  UndoStatus.RUNNING,
  UndoStatus.RETRYING,
]);

/** A run's own view: children and parent end together, events are dense and say so once a generation. */
export function viewProblems(view: RunView): string[] {
  const { summary } = view;
  if (summary === undefined) return ["a view without a summary"];
  const { runId, status, generation } = summary;
  const problems: string[] = [];
  const say = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(`run ${runId}: ${problem}`);
  };
  const ended = isRunTerminal(status);
  const open = view.actions
    .filter((action) => !isTerminal(action.status) || OUTSTANDING.has(action.undo?.status ?? 0))
    .map(({ name }) => name);
  say(
    ended === (open.length === 0),
    `it is ${RunStatus[status]} while these actions are open or to be undone: [${open.join()}]`,
  );
  view.events.forEach((event, index) => {
    say(event.seq === index + 1, `event ${index + 1} of its history is numbered ${event.seq}`);
  });
  for (let of = 1; of <= generation; of++) {
    const ends = view.events.filter((event) => event.type === "run_ended" && event.generation === of);
    const expected = of < generation || ended ? 1 : 0;
    say(ends.length === expected, `generation ${of} ended ${ends.length} times`);
  }
  for (const { name, items, status: actionStatus, detail, failure } of view.actions) {
    if (items !== undefined) problems.push(...countsProblems(`run ${runId}, action ${name}`, items));
    if (items !== undefined && isTerminal(actionStatus))
      say(items.pending + items.running + items.retrying === 0, `action ${name} ended with open items`);
    if (isTerminal(actionStatus) && !isCompleted(actionStatus))
      say(detail !== "" || failure !== undefined, `action ${name} did not succeed and says nothing of why`);
  }
  return problems;
}

/** The ledger of one action: every item once, in as many of each disposition as the counts say; a failed one with reason and input. */
export function ledgerProblems(what: string, items: readonly ItemView[], counts: ItemCounts): string[] {
  const problems: string[] = [];
  const say = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(`${what}: ${problem}`);
  };
  say(items.length === counts.total, `${counts.total} items are counted, ${items.length} are in the ledger`);
  const of = (status: ItemStatus): number => items.filter((item) => item.status === status).length;
  say(of(ItemStatus.SUCCEEDED) === counts.succeeded, `${counts.succeeded} successes are counted`);
  say(of(ItemStatus.FAILED) === counts.failed, `${counts.failed} failures are counted`);
  say(of(ItemStatus.SKIPPED) === counts.skipped, `${counts.skipped} skipped are counted`);
  say(of(ItemStatus.CANCELLED) === counts.cancelled, `${counts.cancelled} cancelled are counted`);
  items.forEach((item, place) => {
    const before = items[place - 1];
    say(
      before === undefined || before.index < item.index,
      `item ${item.index} is out of order or there twice`,
    );
    if (item.status !== ItemStatus.FAILED) return;
    say(item.failure !== undefined && item.failure.message !== "", `failed item ${item.index} has no reason`);
    say(item.inputSnapshot !== "", `failed item ${item.index} has no input`);
  });
  return problems;
}
