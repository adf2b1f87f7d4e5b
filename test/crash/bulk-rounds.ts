/**
 * What each round of the test of bulk operations asks for, and what must have become of it.
 *
 * 1. What kinds of operations there are is dealt, so that every test has all of them; the rest is drawn.
 * 2. What a round has done to which run follows from the operations' results alone; it must be possible, and is held against the runs later.
 */
import {
  BulkKind,
  type BulkOperationView,
  type BulkResult,
  BulkResultKind,
  type BulkSpec,
  BulkSpecSchema,
  BulkStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { Random } from "../support/random.js";

/** More than one step of each partition. */
const RUNS_MANY = 240;
const RUNS_FEW = 40;
const CANARY_FIRST = 5;

export type Workflow = "mendable" | "stubborn" | "waiting";

export interface Planned {
  readonly operationId: string;
  readonly spec: BulkSpec;
  readonly runIds: readonly string[];
  readonly aborted: boolean;
}

export interface Round {
  readonly workflow: Workflow;
  /** To be started first; none where it is about runs of earlier rounds. */
  readonly fresh: readonly string[];
  /** That its operations are for; by workflow they come to others, too. */
  readonly runIds: readonly string[];
  readonly operations: readonly Planned[];
}

export interface Ended {
  readonly planned: Planned;
  readonly view: BulkOperationView;
  readonly results: readonly BulkResult[];
}

const { RETRY, CANCEL, DISCARD, MOVE_TO_DEAD_LETTERS: MOVE } = BulkKind;

interface Dealt {
  readonly workflow: Workflow;
  /** Of the first operation, and of the second where there is one. */
  readonly kinds: readonly [BulkKind, BulkKind];
  /** Its retries meet what is not mended. */
  readonly halts?: boolean;
}

const MOVES: Dealt = { workflow: "mendable", kinds: [MOVE, MOVE] };
const RETRIES: Dealt = { workflow: "mendable", kinds: [RETRY, RETRY] };
const DISCARDS: Dealt = { workflow: "mendable", kinds: [DISCARD, DISCARD] };
const DECK: readonly Dealt[] = [
  RETRIES,
  MOVES,
  { workflow: "waiting", kinds: [CANCEL, CANCEL] },
  { workflow: "mendable", kinds: [MOVE, RETRY] },
  DISCARDS,
  { workflow: "stubborn", kinds: [RETRY, RETRY], halts: true },
  RETRIES,
  MOVES,
  DISCARDS,
  RETRIES,
];
/** Of these rounds one each has an operation with a limit, or a dry one. Coprime to the deck's length, so that every kind gets both. */
const LIMITED_EACH = 7;
const DRY_EACH = 9;

/** What has become of each run so far, by the results of the operations that came to it. */
export class Fates {
  private readonly fates = new Map<string, "failed" | "dead" | "retried" | "waiting" | "cancelled">();
  private readonly retries = new Map<string, number>();

  started({ workflow, fresh }: Round): void {
    for (const runId of fresh) this.fates.set(runId, workflow === "waiting" ? "waiting" : "failed");
  }

  /** In the dead-letter set. */
  dead(): string[] {
    return [...this.fates].flatMap(([runId, fate]) => (fate === "dead" ? [runId] : [])).toSorted();
  }

  /** Of all runs. */
  retriesInAll(): number {
    return [...this.retries.values()].reduce((sum, retries) => sum + retries, 0);
  }

  generation(runId: string): number {
    return 1 + (this.retries.get(runId) ?? 0);
  }

  /** Takes a round's results in, and says which of them can't be. */
  ended({ workflow }: Pick<Round, "workflow">, ended: readonly Ended[]): string[] {
    const problems: string[] = [];
    // A run that was put aside can be retried after that in the same round; what was retried is not put aside any more.
    const inOrder = ended.toSorted((a, b) => orderOf(a) - orderOf(b));
    for (const { planned, results } of inOrder) {
      if (planned.spec.dryRun) continue;
      for (const { runId } of ofKind(results, BulkResultKind.DONE)) {
        const found = this.fates.get(runId);
        const kind = planned.spec.kind;
        if (found === undefined || !TAKES[kind]?.includes(found))
          problems.push(
            `${planned.operationId} says ${BulkKind[kind]} was done to ${runId}, which is ${found}`,
          );
        if (kind === RETRY) this.retries.set(runId, (this.retries.get(runId) ?? 0) + 1);
        this.fates.set(
          runId,
          kind === RETRY && workflow === "stubborn" ? "failed" : (LEAVES[kind] ?? "failed"),
        );
      }
    }
    return problems;
  }
}

const TAKES: Readonly<Partial<Record<BulkKind, readonly string[]>>> = {
  [RETRY]: ["failed", "dead"],
  [CANCEL]: ["waiting"],
  [MOVE]: ["failed"],
  [DISCARD]: ["dead"],
};
const LEAVES = {
  [BulkKind.UNSPECIFIED]: undefined,
  [RETRY]: "retried",
  [CANCEL]: "cancelled",
  [MOVE]: "dead",
  [DISCARD]: "failed",
} as const;
const orderOf = ({ planned }: Ended): number => (planned.spec.kind === RETRY ? 1 : 0);

export function roundOf(round: number, random: Random, fates: Fates): Round {
  const dead = fates.dead();
  const drawn = DECK[round % DECK.length] as Dealt;
  const { workflow, kinds, halts = false } = drawn === DISCARDS && dead.length === 0 ? MOVES : drawn;
  const runs = !halts && random.next() < 0.15 ? RUNS_MANY : RUNS_FEW;
  const isOfDead = kinds[0] === DISCARD;
  const fresh = isOfDead ? [] : Array.from({ length: runs }, (_, n) => `run-${round}-${n}`);
  const runIds = isOfDead ? dead.slice(0, runs) : fresh;
  const operations = kinds.slice(0, halts ? 1 : random.between(1, 2)).map((kind, n): Planned => {
    const dryRun = n === 0 && round % DRY_EACH === 4;
    const limit = n === 0 && !halts && round % LIMITED_EACH === 2 ? runIds.length >> 1 : 0;
    const byIds = halts || random.next() < 0.3;
    const waves =
      kind === RETRY && !dryRun && (halts || random.next() < 0.5)
        ? { canaryFirst: CANARY_FIRST, canaryThen: runs / 4 }
        : {};
    const selector = byIds ? { byIds } : { workflow };
    const spec = init(BulkSpecSchema, {
      ...{ kind, ...selector, ...waves, dryRun, limit },
      ...{ who: "a test", reason: "mended" },
    });
    const aborted = random.next() < 0.25 && !halts;
    return { operationId: `op-${round}-${n}`, spec, runIds: byIds ? runIds : [], aborted };
  });
  return { workflow, fresh, runIds, operations };
}

export const ofKind = (results: readonly BulkResult[], kind: BulkResultKind): BulkResult[] =>
  results.filter((result) => result.kind === kind);

/** What an operation says of itself must agree with the results of its runs. */
export function operationProblems(workflow: Workflow, { planned, view, results }: Ended): string[] {
  const problems: string[] = [];
  const say = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(`${planned.operationId}, ${BulkStatus[view.status]}: ${problem}`);
  };
  const { spec, aborted } = planned;
  const counts = view.counts ?? { done: 0n, raced: 0n, refused: 0n, pruned: 0n };
  const { done, raced, refused, pruned } = counts;
  const cameTo = done + raced + refused + pruned;
  const { status, total, found, left, ends } = view;
  const isMended = workflow !== "stubborn";
  const meant = isMended || spec.dryRun ? BulkStatus.COMPLETED : BulkStatus.HALTED;
  say(
    status === meant || (aborted && status === BulkStatus.ABORTED),
    `that is not how it was to end: ${view.detail}`,
  );
  if (status === BulkStatus.COMPLETED) say(cameTo === total, `it came to ${cameTo} of ${total}`);
  else if (total > 0n) say(cameTo + left === total, `it came to ${cameTo} of ${total}, and ${left} are left`);
  if (status === BulkStatus.HALTED) say(cameTo === BigInt(CANARY_FIRST), `it halted after ${cameTo}`);
  if (status !== BulkStatus.ABORTED) {
    const most = spec.limit > 0 && spec.limit < found ? BigInt(spec.limit) : found;
    say(total === most, `it found ${found} and was to come to ${total}`);
  }
  say(refused + pruned === 0n, `${refused} were refused, ${pruned} pruned`);
  say(new Set(results.map(({ runId }) => runId)).size === results.length, "a run has two results");
  say(BigInt(results.length) === cameTo, `it came to ${cameTo}, and has ${results.length} results`);
  say(BigInt(ofKind(results, BulkResultKind.DONE).length) === done, `${done} are counted as done`);
  say(BigInt(ofKind(results, BulkResultKind.RACED).length) === raced, `${raced} are counted as raced`);
  const setOff = spec.kind === RETRY && !spec.dryRun ? done : 0n;
  const ended = (isMended ? ends?.completed : ends?.failed) ?? 0n;
  say(ended === setOff, `it set ${setOff} off, of which ${ended} ended as they must`);
  return problems;
}

/** Each run that a round is for was come to, unless everything that was for all of them was aborted, or halted. */
export function roundProblems({ workflow, runIds, operations }: Round, ended: readonly Ended[]): string[] {
  const isSure = operations.some(({ aborted, spec }) => !aborted && !spec.dryRun && spec.limit === 0);
  if (!isSure || workflow === "stubborn") return [];
  const done = new Set(
    ended
      .filter(({ planned }) => !planned.spec.dryRun)
      .flatMap(({ results }) => ofKind(results, BulkResultKind.DONE).map(({ runId }) => runId)),
  );
  const missed = runIds.filter((runId) => !done.has(runId));
  return missed.length === 0 ? [] : [`nothing was done to ${missed.length} of ${runIds.length} runs`];
}
