/**
 * What must hold of a run's compensation: never before all is over; last things first; one at a time; an action once a generation;
 * a run with an undo outstanding has not ended, and one that ended for good has none left out.
 */
import {
  type ActionState,
  ActionStatus,
  type RunEvent,
  RunEventType,
  RunStatus,
  UndoStatus,
} from "@holdfast/proto";
import { isCompleted, isRunLive, isRunTerminal, isTerminal } from "../status.js";
import { must, type RunUnderTest } from "./must.js";

const OVER: readonly UndoStatus[] = [UndoStatus.DONE, UndoStatus.FAILED];
const ACTIVE: readonly UndoStatus[] = [UndoStatus.RUNNING, UndoStatus.RETRYING];

/** Of the present generation; UNSPECIFIED: none. */
export const undoStatusOf = ({ generation }: { generation: number }, state: ActionState): UndoStatus =>
  state.undo?.generation === generation ? state.undo.status : UndoStatus.UNSPECIFIED;

export function checkUndo(at: RunUnderTest, events: readonly RunEvent[]): void {
  const { run, plan, runId } = at;
  const statusAt = (index: number): UndoStatus => undoStatusOf(run, run.actions[index] as ActionState);
  const all = plan.actions.map(({ index }) => statusAt(index));
  const count = (wanted: readonly UndoStatus[]): number =>
    all.filter((status) => wanted.includes(status)).length;
  const outstanding = count([...ACTIVE, UndoStatus.PENDING]);
  must(
    (run.undo !== undefined) === outstanding > 0,
    `run ${runId} is undone as long as an undo is outstanding`,
  );
  if (run.undo !== undefined) {
    must(isRunLive(run.status), `run ${runId} has not ended while it is undone`);
    must(
      run.actions.every(({ status }) => isTerminal(status)),
      "nothing is undone before all is over",
    );
    must(count(ACTIVE) === 1, "one undo is under way at a time");
    must(run.undo.total === outstanding + count(OVER), "the undos are counted");
    must(run.undo.ended === count(OVER), "the undos that are over are counted");
    must((run.undo.cause?.message ?? "") !== "", "it is known what a run is undone for");
    const detail = run.detail?.text ?? "";
    must(
      run.status === RunStatus.PAUSED || detail.startsWith(`undoing: ${count(OVER)} of ${run.undo.total}`),
      "its detail says how far",
    );
  }
  for (const action of plan.actions) {
    const state = run.actions[action.index] as ActionState;
    const status = statusAt(action.index);
    const what = `the undo of ${action.name} (${UndoStatus[status]})`;
    if (status !== UndoStatus.UNSPECIFIED) {
      must(action.definition.undo !== undefined, `${what}: only what can be undone is`);
      must(isCompleted(state.status), `${what}: only what completed is`);
    }
    if (status !== UndoStatus.PENDING && status !== UndoStatus.UNSPECIFIED) {
      const after = plan.actions.filter(({ ancestors }) => ancestors.includes(action.index));
      must(
        after.every(({ index }) => [...OVER, UndoStatus.UNSPECIFIED].includes(statusAt(index))),
        `${what}: what comes after it is undone before it`,
      );
      must(state.attempt > (state.undo?.attemptBase ?? 0), `${what}: has an attempt of its own`);
    }
    if (OVER.includes(status))
      must(
        (state.undo?.detail?.text ?? "") !== "" && (state.undo?.endedAtNs ?? 0n) > 0n,
        `I8: ${what} says how it ended`,
      );
    if (status === UndoStatus.FAILED || status === UndoStatus.RETRYING)
      must((state.undo?.failure?.message ?? "") !== "", `I8: ${what} keeps its failure`);
    if (status === UndoStatus.FAILED && isRunTerminal(run.status)) {
      must(run.failure?.message.includes(action.name) === true, `${what}: the run's failure names it`);
    }
    const undone = events.filter(
      (event) =>
        event.type === RunEventType.ACTION_UNDONE &&
        event.action === action.index &&
        event.generation === run.generation,
    );
    must(undone.length === (status === UndoStatus.DONE ? 1 : 0), `${what}: undone once a generation`);
    if (isCompleted(state.status) && action.definition.undo !== undefined && isRunTerminal(run.status))
      must(
        OVER.includes(status) === isUndoneEnd(at),
        `${what}: is over exactly when the run ended for good without success`,
      );
    if (state.undo?.status === UndoStatus.DONE)
      must(
        state.undo.generation === run.generation && state.status !== ActionStatus.PENDING,
        `${what}: is over with its generation`,
      );
  }
}

/** It failed or was cancelled, and no recovery is to come. */
const isUndoneEnd = ({ run }: RunUnderTest): boolean =>
  (run.status === RunStatus.FAILED || run.status === RunStatus.CANCELLED) && run.recoverAtNs === 0n;
