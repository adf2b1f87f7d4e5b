/**
 * What must hold of recoveries, of what was spent, and of guardrails: a recovery is tried once and before anything fails for good; all
 * sums add up; nothing goes on beyond a guardrail, and a generation that may last only so long has its timer.
 */
import {
  ActionStatus,
  type ActionState,
  FailureMode,
  ItemStatus,
  type RecoverState,
  type Usage,
} from "@holdfast/proto";
import { STATUS_MASK } from "../actor/items.js";
import type { ActionPlan } from "../definition/plan.js";
import { USAGE_NAMES_MAX } from "../limits.js";
import { itemKey } from "../state/tables.js";
import { isRunRetryable, isRunTerminal } from "../status.js";
import { must, type RunUnderTest } from "./must.js";
import { isStopped, itemBytes } from "./item-invariants.js";

export function checkGuardrails(at: RunUnderTest): void {
  const { run, plan, runId } = at;
  for (const action of plan.actions) checkRecovery(at, action);
  checkUsage(at);
  const { guardrails: state } = run;
  const { guardrails } = plan;
  if (guardrails === undefined || state === undefined) {
    must(state === undefined, `run ${runId}: guards nothing that is not declared`);
    must(guardrails === undefined || run.startedAtNs === 0n, `run ${runId} is guarded once it has begun`);
    return;
  }
  const isOpen = !isRunTerminal(run.status) && run.undo === undefined;
  must(
    state.deadlineNs > 0n === (isOpen && run.cancel === undefined && guardrails.maxDurationMs > 0n),
    `run ${runId} has a deadline exactly while it may last only so long`,
  );
  if (state.exceeded !== undefined) {
    must(!isOpen, `nothing of run ${runId} goes on beyond a guardrail`);
    must(isRunTerminal(run.status) ? isRunRetryable(run.status) : true, `run ${runId}, stopped, has failed`);
    must(
      run.actions.some(
        ({ failure, detail }) =>
          failure?.mode === FailureMode.POLICY_BUDGET || detail?.text.includes("; its retry was stopped: "),
      ),
      `something of run ${runId} was stopped`,
    );
    if (run.failure !== undefined)
      must(
        run.failure.mode === FailureMode.POLICY_BUDGET &&
          run.failure.message.includes(state.exceeded.message),
        `run ${runId} says which guardrail stopped it`,
      );
  }
  if (!isOpen || run.cancel !== undefined) return;
  must(
    guardrails.maxSteps === 0 || state.steps - state.stepsBefore <= guardrails.maxSteps,
    `run ${runId} takes no more steps than allowed`,
  );
  for (const { name, limitMicro } of guardrails.budgets) {
    const counted = amountOf(run.usage, name) - amountOf({ counts: state.usageBefore }, name);
    must(counted <= limitMicro, `run ${runId} goes on only within its budget of ${name}`);
  }
}

/** The timer that must be there, and no other of its kind. */
export const guardrailTimers = ({ run, runId }: RunUnderTest): string[] =>
  run.guardrails === undefined || run.guardrails.deadlineNs === 0n
    ? []
    : [`GUARDRAIL ${runId}/0/-1/${run.generation}@${run.guardrails.deadlineNs}`];

const amountOf = (usage: Pick<Usage, "counts"> | undefined, name: string): bigint =>
  usage?.counts.find((count) => count.name === name)?.amountMicro ?? 0n;

const AMOUNT_MAX = 2n ** 63n - 1n;

function checkUsage({ run, runId, plan }: RunUnderTest): void {
  const total = new Map<string, bigint>();
  let uncounted = 0;
  for (const { usage } of run.actions) {
    uncounted += usage?.uncounted ?? 0;
    for (const { name, amountMicro } of usage?.counts ?? [])
      total.set(name, (total.get(name) ?? 0n) + amountMicro);
  }
  const counts = run.usage?.counts ?? [];
  must(counts.length <= USAGE_NAMES_MAX && counts.length === total.size, `names of run ${runId} are bounded`);
  must(new Set(counts.map(({ name }) => name)).size === counts.length, "a name is counted once");
  for (const { name, amountMicro } of counts) {
    const sum = total.get(name) ?? 0n;
    must(
      amountMicro > 0n && amountMicro === (sum > AMOUNT_MAX ? AMOUNT_MAX : sum),
      `${name} of run ${runId} adds up`,
    );
  }
  must((run.usage?.uncounted ?? 0) === uncounted, `what run ${runId} did not count adds up`);
  const reserved = plan.guardrails?.budgets.filter(({ name }) => !total.has(name)).length ?? 0;
  must(counts.length + reserved <= USAGE_NAMES_MAX, `names with a budget find room in run ${runId}`);
}

function checkRecovery(at: RunUnderTest, action: ActionPlan): void {
  const { run, runId, view } = at;
  const state = run.actions[action.index] as ActionState;
  const what = `recovery of ${action.name} (${ActionStatus[state.status]})`;
  if (action.forEach !== undefined) {
    must(state.recover === undefined, `${what}: items are recovered, not their action`);
    itemBytes(at, action).forEach((byte, item) => {
      const record = view.get(itemKey(runId, action.index, item));
      const status: ItemStatus = byte & STATUS_MASK;
      if (status === ItemStatus.UNSPECIFIED) return;
      const name = `${what}, item ${item} (${ItemStatus[status]})`;
      const detail = record?.detail?.text ?? "";
      checkState(name, record?.recover, action, { ...PHASES[status], failure: record?.failure, detail });
    });
    return;
  }
  const { failure, detail } = state;
  const phase = isStopped(state) ? {} : ACTION_PHASES[state.status];
  checkState(what, state.recover, action, { ...phase, failure, detail: detail?.text ?? "" });
}

interface Ended {
  readonly succeeded?: boolean;
  readonly failed?: boolean;
  readonly pausing?: boolean;
}

const PHASES: Readonly<Partial<Record<ItemStatus, Ended>>> = {
  [ItemStatus.RETRYING]: { pausing: true },
  [ItemStatus.SUCCEEDED]: { succeeded: true },
  [ItemStatus.SKIPPED]: { succeeded: true },
  [ItemStatus.FAILED]: { failed: true },
};
const ACTION_PHASES: Readonly<Partial<Record<ActionStatus, Ended>>> = {
  [ActionStatus.RETRYING]: { pausing: true },
  [ActionStatus.COMPLETED]: { succeeded: true },
  [ActionStatus.FAILED]: { failed: true },
};

function checkState(
  what: string,
  recover: RecoverState | undefined,
  { definition }: ActionPlan,
  ended: Ended & { readonly failure: Reason; readonly detail: string },
): void {
  if (recover === undefined) {
    const isFinal = ended.failed === true && ended.failure?.mode !== FailureMode.CANCELLED;
    must(!definition.recover || !isFinal, `${what}: is tried before it fails for good`);
    return;
  }
  const { original, failed } = recover;
  must(definition.recover, `${what}: is declared`);
  must(
    original !== undefined && original.mode !== FailureMode.CANCELLED,
    `${what}: knows what it is to mend`,
  );
  must(ended.pausing !== true, `${what}: is not tried again`);
  if (ended.succeeded === true)
    must(
      ended.detail.startsWith("recovered from ") && failed === undefined,
      `${what}: says what it recovered from`,
    );
  if (ended.failed !== true) return;
  must(failed !== undefined, `${what}: keeps why it failed`);
  must(ended.failure?.mode === original.mode, `${what}: leaves the mode of the first failure`);
  must(
    ended.failure.message.includes("; recovery failed: ") && failed.message !== "",
    `${what}: leaves both reasons`,
  );
}

type Reason = ActionState["failure"];
