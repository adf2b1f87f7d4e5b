/** SetRetention: an operator says how long runs are kept. Counts at once, for runs that have ended too; cuts no floor already promised. */
import {
  type Command,
  type Outcome,
  RejectCode,
  RetentionRecordSchema,
  type SetRetention,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { WHO_CHARS_MAX } from "../../limits.js";
import { nameProblem } from "../../names.js";
import { retentionProblem } from "../../policy/retention.js";
import { retentionKey } from "../../state/tables.js";
import { cutText } from "../../text.js";
import type { FoldContext } from "../context.js";

export function setRetention(ctx: FoldContext, command: Command, set: SetRetention): Outcome {
  const { workflow, policy } = set;
  const badName = workflow === "" ? undefined : nameProblem("workflow", workflow);
  if (badName !== undefined) return ctx.reject(command, RejectCode.INVALID_NAME, badName);
  const problem = policy === undefined ? undefined : retentionProblem(policy);
  if (problem !== undefined)
    return ctx.reject(command, RejectCode.MALFORMED, `the retention can't be set: ${problem}`);
  if (policy === undefined) ctx.view.del(retentionKey(workflow));
  else {
    const record = init(RetentionRecordSchema, {
      policy,
      who: cutText(set.who, WHO_CHARS_MAX),
      reason: cutText(set.reason, 512),
      changedAtNs: ctx.atNs,
    });
    ctx.view.put(retentionKey(workflow), record);
  }
  ctx.emit({ kind: "sweep" });
  return ctx.accept(command, {});
}
