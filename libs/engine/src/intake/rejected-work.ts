/**
 * Rejected work by an operator's hand: replayed as it came or changed, or discarded.
 *
 * 1. A change that would be rejected again is refused before anything happens.
 * 2. The first decision about a message counts (the queue sees to it): two operators at once, or one twice, make one run.
 */
import { fromUtf8 } from "@holdfast/core";
import { RejectCode } from "@holdfast/proto";
import type {
  Decider,
  DefinitionRegistry,
  PublishedMessage,
  RejectedWorkEntry,
  ReplayedAs,
  WorkQueue,
} from "../ports/index.js";
import { editedWork, type WorkEdit } from "./edit-work.js";
import type { InputValidator } from "./ports.js";
import { parseWork, type WorkRefusal } from "./work-request.js";

export interface RejectedWorkDeps {
  readonly work: WorkQueue;
  readonly definitions: DefinitionRegistry;
  readonly validator: InputValidator;
}

export type Replayed =
  | { readonly kind: "replayed"; readonly runId: string; readonly workflow: string }
  | { readonly kind: "absent" }
  /** As it is to be now it would be rejected, too. */
  | ({ readonly kind: "refused" } & WorkRefusal);

/** One message, changed. Throws a `PortError`: `conflict` where somebody decided otherwise. */
export async function replayEdited(
  { work, definitions, validator }: RejectedWorkDeps,
  id: number,
  edit: WorkEdit,
  by: Decider,
): Promise<Replayed> {
  const entry = await work.getRejected(id);
  if (entry === undefined) return { kind: "absent" };
  if (entry.bodyProblem !== undefined && edit.input === undefined)
    return { kind: "refused", code: RejectCode.MALFORMED, reason: `${entry.bodyProblem}: give an input` };
  const as = editedWork(entry, edit);
  const parsed = parseWork(messageOf(entry, as));
  if (!parsed.ok) return { kind: "refused", ...parsed.refusal };
  const { workflow, runId, inputBytes } = parsed.request;
  const definition = await definitions.latest(workflow);
  if (definition === undefined) {
    const reason = `workflow "${workflow}" is not registered: start a worker that has it, or name another`;
    return { kind: "refused", code: RejectCode.UNKNOWN_WORKFLOW, reason };
  }
  if (definition.definition.inputSchema !== "") {
    const value: unknown = inputBytes.length === 0 ? null : JSON.parse(fromUtf8(inputBytes));
    const verdict = await validator.validate(definition, value);
    if (!verdict.ok) {
      const reason = `the input does not match the schema of workflow "${workflow}": ${verdict.message}`;
      return { kind: "refused", code: RejectCode.SCHEMA_MISMATCH, reason };
    }
  }
  return (await work.replayRejected(id, by, as)) ? { kind: "replayed", runId, workflow } : { kind: "absent" };
}

/** As the intake will see it. */
function messageOf(
  { replayId, id }: RejectedWorkEntry,
  { subject, data, headers }: ReplayedAs,
): PublishedMessage {
  const isNamed = headers.some(([name]) => /^(nats-msg-id|holdfast-run-id)$/i.test(name));
  const given = isNamed ? headers : [...headers, ["Nats-Msg-Id", replayId] as const];
  return {
    subject,
    data,
    seq: id,
    streamCreatedNs: 0n,
    atNs: 0n,
    header: (wanted) => given.find(([name]) => name.toLowerCase() === wanted.toLowerCase())?.[1],
    headerList: () => given,
  };
}
