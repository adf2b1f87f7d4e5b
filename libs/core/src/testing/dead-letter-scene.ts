/** A partition with workflows that fail in each way that matters to the dead-letter set, and short ways to fail, move, discard and sweep. */
import {
  type Command,
  type DeadLetter,
  DiscardDeadLettersSchema,
  FailureMode,
  MoveToDeadLettersSchema,
  type Outcome,
  PruneKind,
  type RunEvent,
  type WorkflowDefinition,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { readDeadLetterKey } from "../state/tables.js";
import {
  action,
  batch,
  define,
  failed,
  inline,
  json,
  ONE_ATTEMPT,
  overInput,
  pruning,
  retryPolicy,
  start,
  succeeded,
  tolerateCount,
  UNDO,
  workflow,
} from "./build.js";
import { MS, TestPartition } from "./partition.js";

const EVER = 2n ** 64n - 1n;
type Answer = Outcome["result"];

const recovery = (fields: { auto: boolean; deadLetter: boolean }): WorkflowDefinition["recovery"] => ({
  $typeName: "holdfast.v1.RecoveryPolicy",
  maxAttempts: 1,
  backoff: retryPolicy({ initialBackoffMs: 1_000, maxBackoffMs: 1_000, jitterMilli: 0 }),
  ...fields,
});

const only = [action("only", { retry: ONE_ATTEMPT })];
const rows = action("rows", { retry: ONE_ATTEMPT, forEach: overInput() });
const WORKFLOWS: readonly WorkflowDefinition[] = [
  workflow("plain", only, { queue: "mail" }),
  workflow("listed", [rows, action("done", { after: ["rows"] })]),
  workflow("policed", only, { recovery: recovery({ auto: false, deadLetter: true }) }),
  workflow("recovering", only, { recovery: recovery({ auto: true, deadLetter: true }) }),
  workflow("patient", only, { recovery: recovery({ auto: true, deadLetter: false }) }),
  workflow("patient-rows", [rows], { recovery: recovery({ auto: true, deadLetter: false }) }),
  workflow(
    "undoing",
    [action("first", { undo: UNDO }), action("only", { after: ["first"], retry: ONE_ATTEMPT })],
    { recovery: recovery({ auto: true, deadLetter: false }) },
  ),
  workflow("tolerant", [action("rows", { ...rows, tolerate: tolerateCount(2) })]),
];

export const moveOf = (runId: string, name = "", items: number[] = [], who = "ann"): Command["kind"] => ({
  case: "moveToDeadLetters",
  value: init(MoveToDeadLettersSchema, { runId, action: name, items, who, reason: "poison" }),
});

export class DeadLetterScene {
  readonly partition = new TestPartition();

  constructor() {
    this.partition.announce();
    this.partition.append(batch(WORKFLOWS.map((definition) => define(definition))));
  }

  failRun(runId = "r", workflowName = "plain", mode = FailureMode.NETWORK): void {
    this.partition.send(start(runId, workflowName));
    this.partition.finish(runId, "only", failed(mode, "no answer"));
  }

  /** Of four rows of run "r", 1 and 3 fail. */
  failItems(workflowName = "listed", modes = [FailureMode.NETWORK, FailureMode.VALIDATION]): void {
    const { partition } = this;
    partition.send(start("r", workflowName, { input: inline([0, 1, 2, 3]) }));
    partition.load("r", "rows", [0, 1, 2, 3].map(json));
    for (const item of [0, 1, 2, 3]) {
      const outcome = item % 2 === 0 ? succeeded() : failed(modes[(item - 1) / 2], `row ${item}`);
      partition.finish("r", "rows", outcome, item);
    }
    if (workflowName === "listed") partition.finish("r", "done", succeeded());
  }

  move(runId = "r", name = "", items: number[] = []): Answer {
    return this.partition.control(moveOf(runId, name, items));
  }

  /** Of run "r". */
  discard(name = "", items: number[] = [], reason = "of no use"): Answer {
    const value = init(DiscardDeadLettersSchema, { runId: "r", action: name, items, who: "bob", reason });
    return this.partition.control({ case: "discardDeadLetters", value });
  }

  /** All that has not completed and may go. */
  sweep(workflowName = "plain"): void {
    for (const kind of [PruneKind.FAILED, PruneKind.DEAD_LETTERS])
      this.partition.asOwner(pruning({ kind, workflow: workflowName, sweepNs: 1n, upToNs: EVER }));
  }

  wait(ms: number): void {
    this.partition.nowNs += BigInt(ms) * MS;
  }

  exists(runId = "r"): boolean {
    return this.partition.view.keysOf("r").includes(`r${runId}`);
  }

  /** The dead letters that a list would show, oldest first: `run`, or `run/action#item`. */
  listed(): string[] {
    return this.partition.view.keysOf("D").map((key) => {
      const { runId, action: index, item } = readDeadLetterKey(key);
      return index < 0 ? runId : `${runId}/${index}#${item}`;
    });
  }

  /** That the last entry announced. */
  announced(): DeadLetter[] {
    return this.partition.effects.flatMap((effect) => (effect.kind === "dead-letter" ? [effect.letter] : []));
  }

  lastEvent(runId = "r"): RunEvent | undefined {
    return this.partition.events.get(runId)?.at(-1);
  }
}
