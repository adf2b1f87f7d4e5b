/** What an attempt may be said to have ended with: every kind, also what can't be kept. */
import {
  Effect,
  FailureMode,
  FailureSchema,
  PayloadSchema,
  type TaskReport,
  TaskSuccessSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { failed, failure, skipped, succeeded } from "./build.js";

export const OUTCOMES: readonly (() => TaskReport["outcome"])[] = [
  () => succeeded({ list: [1, 2] }),
  () => succeeded("x".repeat(2000)),
  () => succeeded(null, Effect.SILENT),
  () => ({
    case: "success",
    value: init(TaskSuccessSchema, { effect: Effect.NONE_WITH_REASON, reason: "nothing to do" }),
  }),
  () => ({ case: "success", value: init(TaskSuccessSchema, { effect: 77 as Effect }) }),
  () => failed(FailureMode.VALIDATION),
  () => failed(FailureMode.NETWORK),
  () => failed(FailureMode.TIMEOUT, ""),
  () => failed(FailureMode.POLICY_SECURITY),
  () => failed(99 as FailureMode),
  () => ({ case: "failure", value: init(FailureSchema) }),
  () => ({
    case: "failure",
    value: failure(FailureMode.RATE_LIMITED, "slow", { retryAfterMs: 40, modes: [] }),
  }),
  () => failed(FailureMode.VALIDATION, "row 7 of '/tmp/a.csv' is not valid"),
  () => failed(FailureMode.VALIDATION, "row 1204 of '/tmp/b.csv' is not valid"),
  () => failed(FailureMode.NOT_FOUND, "nobody at ann@example.com"),
  () => skipped(""),
  () => ({ case: undefined }),
  () => ({
    case: "success",
    value: init(TaskSuccessSchema, { output: init(PayloadSchema, { body: { case: "stored", value: 7 } }) }),
  }),
];
