/** A person's no: a failure that no machine tries to undo. */
import { type Failure, Source } from "@holdfast/proto";

/** Of the failure of an approval that was rejected, and of a run whose approval was. */
export const REJECTION = "Rejection";

/** Whether a failure is a rejection, or that of a run with one in it. A handler's own error of that name is not. */
export const isRejection = (failure: Failure | undefined): boolean =>
  failure !== undefined && failure.rawClass === REJECTION && failure.source !== Source.WORKER;
