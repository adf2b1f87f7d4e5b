/** What an action waits for, while it does: time, a signal, or somebody's decision. Reads only. */
import {
  type ActionState,
  ActionStatus,
  ApprovalTimeout,
  type RunRecord,
  type WaitView,
  WaitViewSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { ActionPlan, DefinitionPlan } from "../definition/plan.js";
import { timestamp } from "./timestamp.js";

export function waitView(
  { definition }: ActionPlan,
  { status, retryAtNs }: ActionState,
): WaitView | undefined {
  const wait = definition.wait?.for;
  if (wait?.case === undefined || status !== ActionStatus.WAITING) return undefined;
  const until = timestamp(retryAtNs);
  if (wait.case === "sleepMs") return init(WaitViewSchema, { kind: "sleep", until, onTimeout: "it goes on" });
  if (wait.case === "signal")
    return init(WaitViewSchema, { kind: "signal", text: wait.value.name, until, onTimeout: "it fails" });
  const { prompt, onTimeout: policy } = wait.value;
  const onTimeout =
    policy === ApprovalTimeout.APPROVE
      ? "it is approved"
      : policy === ApprovalTimeout.REJECT
        ? "it is rejected"
        : "it fails";
  return init(WaitViewSchema, { kind: "approval", text: prompt, until, onTimeout });
}

const ASKED = new Set(["approval", "signal"]);

/** What of a run waits for a person or another system, an approval or a signal: "ok waits for an approval: pay?". Empty: nothing does. */
export const waitingText = (plan: DefinitionPlan, run: RunRecord): string =>
  plan.actions
    .filter(
      ({ index, definition }) =>
        run.actions[index]?.status === ActionStatus.WAITING && ASKED.has(definition.wait?.for.case ?? ""),
    )
    .map(({ index, name }) => `${name} ${run.actions[index]?.detail?.text ?? "waits"}`)
    .join("; ");
