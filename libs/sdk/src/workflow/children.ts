/** From what users declare of child runs to what the definition says. */
import { type ChildRun, ChildRunSchema, OutputSourceSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { HoldfastError } from "../errors.js";
import { toPointer } from "./compile.js";
import type { ChildOptions, Trigger } from "./options.js";

export function childRun(name: string, options: ChildOptions<unknown, string, string, Trigger>): ChildRun {
  const { workflow: other, pinned = false, input, outputOf } = options;
  const invalid = (message: string): HoldfastError => new HoldfastError("INVALID_DEFINITION", message);
  if (typeof other !== "string" && typeof (other as { name?: unknown } | undefined)?.name !== "string")
    throw invalid(`action ${name} is a child run: give the workflow that it is of, or that one's name`);
  if (pinned && typeof other === "string")
    throw invalid(`action ${name}: only a workflow can be pinned, not a name: give the workflow itself`);
  if (input !== undefined && outputOf !== undefined)
    throw invalid(`action ${name}: its input is a part of the run's input or an action's output, not both`);
  const source: ChildRun["input"] =
    outputOf !== undefined
      ? {
          case: "outputOf",
          value: init(OutputSourceSchema, {
            action: outputOf.action,
            pointer: toPointer(outputOf.path ?? ""),
          }),
        }
      : input === undefined
        ? { case: undefined }
        : { case: "inputPointer", value: toPointer(input) };
  return init(ChildRunSchema, {
    workflow: typeof other === "string" ? other : (other as { name: string }).name,
    definitionHash: pinned ? (other as { hash: string }).hash : "",
    input: source,
    checkInput: true,
  });
}
