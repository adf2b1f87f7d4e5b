/** ChangeBreaker: an operator opens a breaker, or resets one. Who and why is kept with the transition. */
import { BreakerStatus, type ChangeBreaker, type Command, type Outcome, RejectCode } from "@holdfast/proto";
import {
  findBreaker,
  makeBreaker,
  type Name,
  open,
  recovered,
  saveBreaker,
  type OpenBreaker,
} from "../../breaker/breaker.js";
import { type ActionPlan, planOf } from "../../definition/plan.js";
import { BREAKER_KEY_CHARS_MAX, BREAKER_OPEN_MS_MAX, WHO_CHARS_MAX } from "../../limits.js";
import { nameProblem } from "../../names.js";
import { definitionKey, latestKey } from "../../state/tables.js";
import { cutText, timeText } from "../../text.js";
import type { FoldContext } from "../context.js";

const MS = 1_000_000n;

export function changeBreaker(ctx: FoldContext, command: Command, wish: ChangeBreaker): Outcome {
  const { workflow, action, key, change } = wish;
  const badName = nameProblem("workflow", workflow) ?? nameProblem("action", action);
  if (badName !== undefined) return ctx.reject(command, RejectCode.INVALID_NAME, badName);
  if (key.length > BREAKER_KEY_CHARS_MAX) {
    const message = `the key has ${key.length} characters: keys of breakers have at most ${BREAKER_KEY_CHARS_MAX}, longer ones are listed by their head and a hash: name it as it is listed`;
    return ctx.reject(command, RejectCode.MALFORMED, message);
  }
  const name: Name = { workflow, action, key };
  const what = `breaker of ${workflow}/${action}${key === "" ? "" : ` for "${key}"`}`;
  const who = cutText(wish.who, WHO_CHARS_MAX) || "an operator";
  const reason = wish.reason || "no reason given";
  switch (change.case) {
    case "open": {
      const { untilNs } = change.value;
      if (untilNs > 0n && (untilNs <= ctx.atNs || untilNs > ctx.atNs + BigInt(BREAKER_OPEN_MS_MAX) * MS)) {
        const message = `the ${what} can't be opened until ${timeText(untilNs)}: it must be in the future and within 7 days; leave it out to open it until it is reset`;
        return ctx.reject(command, RejectCode.MALFORMED, message);
      }
      const breaker = findBreaker(ctx, name) ?? newBreaker(ctx, name);
      if (breaker === undefined) return noSuch(ctx, command, what);
      open(breaker, `opened: ${reason}`, who, untilNs);
      saveBreaker(breaker);
      return ctx.accept(command, {});
    }
    case "reset": {
      const breaker = findBreaker(ctx, name);
      if (breaker === undefined)
        return actionOf(ctx, name) === undefined ? noSuch(ctx, command, what) : closed(ctx, command, what);
      if (breaker.record.status === BreakerStatus.CLOSED) return closed(ctx, command, what);
      breaker.record.opened = 0;
      recovered(breaker, `reset: ${reason}`, who);
      saveBreaker(breaker);
      ctx.touchBreaker(name);
      return ctx.accept(command, {});
    }
    default:
      return ctx.reject(
        command,
        RejectCode.MALFORMED,
        `nothing is said of what is to become of the ${what}: open or reset it`,
      );
  }
}

const closed = (ctx: FoldContext, command: Command, what: string): Outcome =>
  ctx.reject(command, RejectCode.BREAKER_CLOSED, `the ${what} is closed: there is nothing to reset`);

function noSuch(ctx: FoldContext, command: Command, what: string): Outcome {
  const message = `there is no ${what}: the workflow is not registered, or its latest definition declares none for that action`;
  return ctx.reject(command, RejectCode.NO_SUCH_BREAKER, message);
}

/** The action as the workflow's latest definition has it, if it declares a breaker. */
function actionOf(ctx: FoldContext, { workflow, action }: Name): ActionPlan | undefined {
  const hash = ctx.view.get(latestKey(workflow))?.hash;
  const definition = hash === undefined ? undefined : ctx.view.get(definitionKey(hash))?.definition;
  const found =
    definition === undefined ? undefined : planOf(definition).actions.find(({ name }) => name === action);
  return found?.breaker === undefined ? undefined : found;
}

function newBreaker(ctx: FoldContext, name: Name): OpenBreaker | undefined {
  const policy = actionOf(ctx, name)?.breaker;
  return policy === undefined ? undefined : makeBreaker(ctx, name, policy);
}
