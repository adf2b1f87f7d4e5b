/** From what users declare of actions that wait to what the definition says. */
import {
  ApprovalTimeout,
  ApprovalWaitSchema,
  SignalWaitSchema,
  type Wait,
  WaitSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type Duration, waitMs } from "../duration.js";
import { HoldfastError } from "../errors.js";
import type { ApprovalOptions, SignalOptions, SleepOptions, Trigger } from "./options.js";

const wait = (value: Wait["for"]): Wait => init(WaitSchema, { for: value });

const timeoutMs = (name: string, timeout: Duration | undefined): bigint =>
  timeout === undefined ? 0n : waitMs(timeout, `timeout of action ${name}`);

export const sleepWait = (name: string, options: SleepOptions<string, Trigger>): Wait =>
  wait({ case: "sleepMs", value: waitMs(options.for, `for of action ${name}`) });

export const signalWait = (name: string, options: SignalOptions<string, Trigger>): Wait =>
  wait({
    case: "signal",
    value: init(SignalWaitSchema, {
      name: options.signal ?? name,
      timeoutMs: timeoutMs(name, options.timeout),
    }),
  });

const ON_TIMEOUT = {
  fail: ApprovalTimeout.UNSPECIFIED,
  approve: ApprovalTimeout.APPROVE,
  reject: ApprovalTimeout.REJECT,
} as const;

export function approvalWait(name: string, options: ApprovalOptions<string, Trigger>): Wait {
  const given = options.onTimeout ?? "fail";
  const onTimeout = Object.hasOwn(ON_TIMEOUT, given) ? ON_TIMEOUT[given] : undefined;
  if (onTimeout === undefined) {
    throw new HoldfastError(
      "INVALID_DEFINITION",
      `onTimeout of action ${name} is ${JSON.stringify(options.onTimeout)}: use ${Object.keys(ON_TIMEOUT).join(", ")}`,
    );
  }
  const value = init(ApprovalWaitSchema, {
    prompt: options.prompt ?? "",
    timeoutMs: timeoutMs(name, options.timeout),
    onTimeout,
  });
  return wait({ case: "approval", value });
}
