/**
 * What people are shown of a failure: the step's message, else the action's, with its placeholders filled from what the handler was given. The run's
 * input is fetched where a placeholder is about it and the task came without; where that can't be had, the owner fills in what it knows.
 */
import { bindMessage, pathsIn } from "@holdfast/core";
import type { Failure } from "@holdfast/proto";
import type { HeldTask } from "./held-task.js";

/** Empty: the raw text, or whatever the owner makes of the action's message. */
export function shownOf(
  held: HeldTask,
  { step }: Failure,
  runInput: (held: HeldTask) => Promise<unknown>,
): string | Promise<string> {
  const { failedStep, args } = held;
  const ofStep = failedStep !== undefined && failedStep.name === step ? failedStep.failureMessage : "";
  const template = ofStep || held.failureMessage;
  if (template === "") return "";
  const isKnown = ([name = ""]: readonly string[]): boolean => Object.hasOwn(args, name);
  if (Object.hasOwn(args, "input") || pathsIn(template).every(isKnown)) return bindMessage(template, args);
  return runInput(held).then(
    (input) => bindMessage(template, { ...args, input }),
    () => (ofStep === "" ? "" : bindMessage(template, args)),
  );
}
