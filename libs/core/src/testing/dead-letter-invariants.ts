/**
 * What must hold of the dead-letter set after every entry, and of what one entry may do to it, written from the rules and not from the
 * fold's code.
 *
 * Every dead letter failed, is listed once, and is counted. Nothing takes one away but a retry, a discard with its event, or a sweep
 * once its time is over by what was promised and by the policy of the moment (I6).
 */
import { type CountsRecord, ItemStatus, RunEventType, type RunRecord } from "@holdfast/proto";
import { STATUS_MASK } from "../actor/items.js";
import type { Effect } from "../effects.js";
import { countsKey, readDeadLetterKey } from "../state/tables.js";
import { isRunRetryable, isRunTerminal } from "../status.js";
import { must, type RunUnderTest } from "./must.js";
import { itemBytes } from "./item-invariants.js";
import type { MemoryView } from "./memory-view.js";

/** One dead letter: `action/item`, or `run`. */
const nameOf = (action: number, item: number): string => (action < 0 ? "run" : `${action}/${item}`);

function lettersIn({ deadLetters }: RunRecord): Map<string, bigint> {
  const letters = new Map<string, bigint>();
  if (deadLetters === undefined) return letters;
  if (deadLetters.runAtNs > 0n) letters.set("run", deadLetters.runAtNs);
  for (const { action, atNs, items } of deadLetters.items)
    for (const item of items) {
      must(!letters.has(nameOf(action, item)), "an item is in the dead letters once");
      letters.set(nameOf(action, item), atNs);
    }
  return letters;
}

export function checkDeadLetters(view: MemoryView, runs: readonly RunUnderTest[]): void {
  const rows = view.keysOf("D").map(readDeadLetterKey);
  let known = 0;
  for (const at of runs) {
    const { run, runId, plan } = at;
    const letters = lettersIn(run);
    known += letters.size;
    must(run.deadLetters === undefined || letters.size > 0, `run ${runId}: no empty set is kept`);
    if (run.discarded !== undefined)
      must(
        isRunTerminal(run.status) && run.deadLetters === undefined && run.discarded.reason !== "",
        `run ${runId}: what was discarded has ended, is out of the set, and there is a reason`,
      );
    for (const row of rows.filter((each) => each.runId === runId)) {
      must(row.workflow === run.workflow, "a row stands under its workflow");
      must(
        letters.get(nameOf(row.action, row.item)) === row.atNs,
        `run ${runId} knows its row ${nameOf(row.action, row.item)}`,
      );
    }
    if (letters.has("run"))
      must(
        isRunRetryable(run.status) && run.recoverAtNs === 0n,
        `run ${runId} is in the dead letters: it has failed for good`,
      );
    for (const action of plan.actions) {
      const items = [...letters.keys()].filter((name) => name.startsWith(`${action.index}/`));
      if (items.length === 0) continue;
      const bytes = itemBytes(at, action);
      for (const name of items) {
        const byte = bytes[Number(name.split("/")[1])] ?? 0;
        must(
          (byte & STATUS_MASK) === ItemStatus.FAILED,
          `item ${name} of run ${runId} is in the dead letters: it failed`,
        );
      }
    }
    if (run.deadLetters === undefined) continue;
    const lastNs = [...letters.values()].reduce((last, atNs) => (atNs > last ? atNs : last), 0n);
    must(run.deadLetters.lastAtNs >= lastNs && run.deadLetters.untilNs > lastNs, "it is kept for a while");
    if (isRunTerminal(run.status))
      must(run.expiryNs >= run.deadLetters.untilNs, `run ${runId} is kept as long as its dead letters are`);
  }
  must(known === rows.length, "every dead letter is listed, and nothing else");
  for (const workflow of new Set(runs.map(({ run }) => run.workflow))) {
    const counts = view.get(countsKey(workflow)) as CountsRecord;
    const own = rows.filter((row) => row.workflow === workflow).length;
    must(counts.deadLetters === BigInt(own), "counts: dead letters");
  }
}

/** What became of a run's dead letters in one entry. `after` undefined: it was pruned. */
export function checkLettersStep(
  runId: string,
  before: RunRecord,
  after: RunRecord | undefined,
  effects: readonly Effect[],
): void {
  if (after === undefined) return;
  const old = lettersIn(before);
  const now = lettersIn(after);
  const types = new Set(
    effects.flatMap((effect) =>
      effect.kind === "event" && effect.runId === runId ? [effect.event.type] : [],
    ),
  );
  const fresh = [...now].filter(([name, atNs]) => old.get(name) !== atNs).map(([name]) => name);
  const told = effects.flatMap((effect) => {
    if (effect.kind !== "dead-letter" || effect.letter.runId !== runId) return [];
    return effect.letter.action === "" ? ["run"] : effect.letter.items.map(String);
  });
  must(fresh.length === 0 || types.has(RunEventType.DEAD_LETTERED), "a move is in the run's history");
  must(
    fresh.every((name) => told.includes(name === "run" ? name : (name.split("/")[1] ?? ""))),
    "a move is announced",
  );
  const gone = [...old.keys()].filter((name) => !now.has(name));
  if (gone.length === 0) return;
  must(
    types.has(RunEventType.DISCARDED) ||
      after.generation > before.generation ||
      !isRunTerminal(before.status),
    `dead letters of run ${runId} are taken out by a retry or a discard alone`,
  );
}

/** I6: a sweep takes no run away whose dead letters are to be kept, by promise or by policy. */
export function checkLettersPruned(runId: string, before: RunRecord, nowNs: bigint): void {
  if (before.deadLetters === undefined) return;
  must(
    before.deadLetters.untilNs <= nowNs,
    `I6: the dead letters of run ${runId} are kept as long as was promised`,
  );
}
