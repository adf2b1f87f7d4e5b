/**
 * Brings an action's items, or a child run's input, from where they are kept into the log, in bounded chunks.
 *
 * 1. Chunks come in order; the fold passes over one that it has had.
 * 2. What can't be items fails the action with a reason; what can't be had just now is tried again.
 */
import {
  type ActionPlan,
  atPointer,
  canonicalJson,
  fromUtf8,
  INLINE_PAYLOAD_BYTES_MAX,
  type Json,
  jsonKind,
  utf8,
} from "@holdfast/core";
import {
  type Command,
  CommandSchema,
  FailureMode,
  FailureSchema,
  ItemsLoadedSchema,
  type Payload,
  PayloadSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { PortError } from "../ports/errors.js";
import type { PayloadStore } from "../ports/registry.js";
import type { EngineLimits } from "./limits.js";

export interface LoadRequest {
  readonly runId: string;
  readonly action: ActionPlan;
  readonly generation: number;
  readonly fromIndex: number;
  /** Where the items are in, stored bodies brought inline. */
  readonly payload: Payload | undefined;
}

/** The commands that bring the items, in order. Throws only for what may pass: then nothing was yielded. */
export async function* loadItems(
  request: LoadRequest,
  payloads: PayloadStore,
  limits: EngineLimits,
): AsyncGenerator<Command> {
  const items = await readItems(request, payloads);
  if (typeof items === "string") {
    yield failed(request, items);
    return;
  }
  let at = request.fromIndex;
  do {
    const chunk: Uint8Array[] = [];
    let bytes = 0;
    while (at + chunk.length < items.length && chunk.length < limits.itemsACommand) {
      const item = utf8(canonicalJson(items[at + chunk.length] as Json));
      if (chunk.length > 0 && bytes + item.length > limits.itemBytesACommand) break;
      bytes += item.length;
      chunk.push(item);
    }
    const firstIndex = at;
    at += chunk.length;
    yield command(request, { firstIndex, items: chunk, last: at >= items.length });
  } while (at < items.length);
}

/** The items, or a sentence that says why there are none. */
async function readItems(
  { action, payload, runId }: LoadRequest,
  payloads: PayloadStore,
): Promise<readonly Json[] | string> {
  const source = action.forEach?.source;
  const pointer =
    source?.case === "inputPointer" ? source.value : source?.case === "outputOf" ? source.value.pointer : "";
  const where =
    source?.case === "outputOf" ? `the output of ${source.value.action}` : `the input of run ${runId}`;
  const place = pointer === "" ? where : `${where} at ${pointer}`;
  let body: Uint8Array;
  try {
    body = await bodyOf(payload, payloads);
  } catch (error) {
    if (error instanceof PortError && error.retry !== "never") throw error;
    return `${where} could not be read: ${error instanceof Error ? error.message : String(error)}`;
  }
  let value: Json;
  try {
    value = body.length === 0 ? null : (JSON.parse(fromUtf8(body)) as Json);
  } catch {
    return `${where} is not JSON, so action ${action.name} has no items to work on`;
  }
  const found = atPointer(value, pointer);
  if (Array.isArray(found)) return found as readonly Json[];
  return `${place} is ${jsonKind(found)}, not an array, so action ${action.name} has no items to work on`;
}

/** The command that brings the input of a child run: what stands at its pointer. Throws only for what may pass. */
export async function loadChildInput(request: LoadRequest, payloads: PayloadStore): Promise<Command> {
  const source = request.action.definition.child?.input;
  const pointer = source?.case === "outputOf" ? source.value.pointer : (source?.value ?? "");
  const where = source?.case === "outputOf" ? `the output of ${source.value.action}` : "the run's input";
  let value: Uint8Array;
  try {
    const body = await bodyOf(request.payload, payloads);
    const found = body.length === 0 ? undefined : atPointer(JSON.parse(fromUtf8(body)) as Json, pointer);
    if (found === undefined)
      return failed(request, `there is nothing at ${pointer} in ${where}, so the child run has no input`);
    value = utf8(canonicalJson(found));
  } catch (error) {
    if (error instanceof PortError && error.retry !== "never") throw error;
    const why = error instanceof Error ? error.message : String(error);
    return failed(request, `what stands at ${pointer} in ${where} could not be read: ${why}`);
  }
  const input =
    value.length <= INLINE_PAYLOAD_BYTES_MAX
      ? init(PayloadSchema, { body: { case: "inline", value } })
      : init(PayloadSchema, { body: { case: "ref", value: await payloads.put(value) } });
  return command(request, { firstIndex: 0, items: [], last: true, input });
}

async function bodyOf(payload: Payload | undefined, payloads: PayloadStore): Promise<Uint8Array> {
  if (payload?.body.case === "inline") return payload.body.value;
  if (payload?.body.case === "ref") return await payloads.get(payload.body.value);
  return new Uint8Array();
}

function command(
  request: LoadRequest,
  fields: { firstIndex: number; items: Uint8Array[]; last: boolean; input?: Payload },
): Command {
  const { runId, action, generation } = request;
  return init(CommandSchema, {
    kind: {
      case: "itemsLoaded",
      value: init(ItemsLoadedSchema, { runId, action: action.index, generation, ...fields }),
    },
  });
}

function failed(request: LoadRequest, message: string): Command {
  const { runId, action, generation, fromIndex } = request;
  const failure = init(FailureSchema, { mode: FailureMode.VALIDATION, message });
  return init(CommandSchema, {
    kind: {
      case: "itemsLoaded",
      value: init(ItemsLoadedSchema, {
        runId,
        action: action.index,
        generation,
        firstIndex: fromIndex,
        items: [],
        failure,
      }),
    },
  });
}
