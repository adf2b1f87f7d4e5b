/** What a recovery handler is given of the failure that it is to mend. */
import { modeName } from "@holdfast/core";
import type { Failure } from "@holdfast/proto";
import { ActionError, type FailureModeName } from "../action-error.js";

/** The failure as an error: with `mode`, `message`, `code`, and the attempt that it ended. Thrown again, it is the same failure. */
export interface RecoveredError extends ActionError {
  readonly mode: FailureModeName;
  /** What people are shown in place of the message; empty: the message itself. */
  readonly shown: string;
  /** The step that failed; empty: none. */
  readonly step: string;
  readonly attempt: number;
}

class HandlerFailure extends ActionError implements RecoveredError {
  readonly shown: string;
  readonly step: string;
  readonly attempt: number;

  constructor(failure: Failure) {
    const { message, code, shown, step, attempt } = failure;
    super(modeName(failure.mode) as FailureModeName, message, code === "" ? {} : { code });
    this.shown = shown;
    this.step = step;
    this.attempt = attempt;
  }

  get mode(): FailureModeName {
    return this.holdfastMode;
  }
}

export const recoveredError = (failure: Failure): RecoveredError => new HandlerFailure(failure);
