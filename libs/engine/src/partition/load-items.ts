/**
 * Brings an action's items, or a child run's input, from where they are kept into the log, in bounded chunks.
 *
 * 1. Chunks come in order; the fold passes over one that it has had.
 * 2. What can't be items fails the action with a reason; what can't be had just now is tried again.
 * 3. Of a chunk that can't be completed no item is begun.
 */
import {
  fromUtf8,
  INLINE_PAYLOAD_BYTES_MAX,
  type Json,
  jsonFault,
  sliceAt,
  sourcePointerOf,
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
import { ListProblem, type LoadRequest, readItems, whereOf } from "./item-sources.js";
import type { EngineLimits } from "./limits.js";

/** The commands that bring the items, in order. Throws only for what may pass: what was yielded before is right. */
export async function* loadItems(
  request: LoadRequest,
  payloads: PayloadStore,
  limits: EngineLimits,
): AsyncGenerator<Command> {
  let firstIndex = request.fromIndex;
  let chunk: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const items of readItems(request, payloads)) {
      for (const item of items) {
        const full = chunk.length >= limits.itemsACommand || bytes + item.length > limits.itemBytesACommand;
        if (full && chunk.length > 0) {
          yield command(request, { firstIndex, items: chunk, last: false });
          firstIndex += chunk.length;
          chunk = [];
          bytes = 0;
        }
        chunk.push(item);
        bytes += item.length;
      }
    }
  } catch (error) {
    if (!(error instanceof ListProblem)) throw error;
    yield failed(request, error.message, error.mode, firstIndex);
    return;
  }
  yield command(request, { firstIndex, items: chunk, last: true });
}

/**
 * The command that brings the input of a child run: what stands at its pointer, byte for byte. `check`: what is wrong with it, undefined
 * where nothing is. Throws only for what may pass.
 */
export async function loadChildInput(
  request: LoadRequest,
  payloads: PayloadStore,
  check?: (input: Json) => Promise<string | undefined>,
): Promise<Command> {
  const pointer = sourcePointerOf(request.action.definition);
  const where = whereOf(request, "the run's input");
  let value: Uint8Array;
  try {
    const body = await bodyOf(request.payload, payloads);
    // No input at all is null to whoever reads it.
    const whole = body.length === 0 ? NULL : body;
    const fault = jsonFault(whole);
    if (fault !== undefined)
      return failed(request, `${where} is not usable JSON (${fault.message}), so the child run has no input`);
    const found = sliceAt(whole, pointer);
    if (found === undefined)
      return failed(request, `there is nothing at ${pointer} in ${where}, so the child run has no input`);
    const wrong = await check?.(JSON.parse(fromUtf8(found)) as Json);
    if (wrong !== undefined) return failed(request, wrong);
    if (pointer === "")
      return command(request, { firstIndex: 0, items: [], last: true, input: request.payload });
    value = found.slice();
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

const NULL = Buffer.from("null");

async function bodyOf(payload: Payload | undefined, payloads: PayloadStore): Promise<Uint8Array> {
  if (payload?.body.case === "inline") return payload.body.value;
  if (payload?.body.case === "ref") return await payloads.get(payload.body.value);
  return new Uint8Array();
}

function command(
  { runId, action, generation }: LoadRequest,
  fields: { firstIndex: number; items: Uint8Array[]; last: boolean; input?: Payload | undefined },
): Command {
  return init(CommandSchema, {
    kind: {
      case: "itemsLoaded",
      value: init(ItemsLoadedSchema, { runId, action: action.index, generation, ...fields }),
    },
  });
}

function failed(
  { runId, action, generation, fromIndex }: LoadRequest,
  message: string,
  mode = FailureMode.VALIDATION,
  firstIndex = fromIndex,
): Command {
  const failure = init(FailureSchema, { mode, message });
  return init(CommandSchema, {
    kind: {
      case: "itemsLoaded",
      value: init(ItemsLoadedSchema, {
        runId,
        action: action.index,
        generation,
        firstIndex,
        items: [],
        failure,
      }),
    },
  });
}
