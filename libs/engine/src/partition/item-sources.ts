/**
 * Where an action's items are read from: an array in a JSON value, or the lines of an artifact that such a value refers to.
 *
 * 1. Items come byte for byte as they stand there, without the white space around them, from `fromIndex` on; what is before it is passed
 *    over, so that a load can go on where it broke off.
 * 2. What is in the object store is never held whole: of it there are a few pieces and one item in memory.
 * 3. What is wrong with a list is a `ListProblem` that names the place; whatever else is thrown may pass.
 */
import {
  type ActionPlan,
  type ArtifactFacts,
  elementsOf,
  fromUtf8,
  ITEM_BYTES_MAX,
  ITEMS_MAX,
  type Json,
  jsonFault,
  kindOfSlice,
  readArtifact,
  sliceAt,
  sourcePointerOf,
} from "@holdfast/core";
import { FailureMode, type Payload, type PayloadRef, PayloadRefSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { PortError } from "../ports/errors.js";
import type { PayloadStore } from "../ports/registry.js";
import { ArrayProblem, ArrayScanner } from "./json-array.js";
import { type Line, LineProblem, LineSplitter } from "./json-lines.js";

export interface LoadRequest {
  readonly runId: string;
  readonly action: ActionPlan;
  readonly generation: number;
  readonly fromIndex: number;
  /** Where the items, or the reference to them, are in; stored bodies brought inline. */
  readonly payload: Payload | undefined;
}

/** Why a list can't be an action's items (any further). */
export class ListProblem extends Error {
  override readonly name = "ListProblem";

  constructor(
    /** What is wrong, where, and with which action. */
    message: string,
    readonly mode = FailureMode.VALIDATION,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Of one element as it stands in an array, with the white space around it. */
const ELEMENT_BYTES_MAX = 4 * ITEM_BYTES_MAX;

/** Whether an action's items are the lines of an artifact. */
export function readsLines({ forEach }: ActionPlan): boolean {
  return forEach?.source.case === "linesOfInput" || forEach?.source.case === "linesOfOutput";
}

/** In words: the output of an action, or the run's input as `input` names it. */
export function whereOf({ action }: LoadRequest, input: string): string {
  const source = action.definition.child?.input ?? action.forEach?.source;
  return source?.case === "outputOf" || source?.case === "linesOfOutput"
    ? `the output of ${source.value.action}`
    : input;
}

/** The items in order, some at a time; to be taken before more are asked for. */
export async function* readItems(
  request: LoadRequest,
  payloads: PayloadStore,
): AsyncGenerator<Iterable<Uint8Array>> {
  const { action, payload, fromIndex } = request;
  const where = whereOf(request, `the input of run ${request.runId}`);
  if (payload?.body.case === "ref" && !readsLines(action)) {
    yield* storedItems(request, payload.body.value, where, payloads);
    return;
  }
  const found = sliceAt(await readText(request, where, payloads), sourcePointerOf(action.definition));
  if (readsLines(action)) {
    const artifact = readArtifact(found === undefined ? found : (JSON.parse(fromUtf8(found)) as Json));
    if (typeof artifact === "string")
      throw new ListProblem(
        `${placeOf(action, where)} is ${artifact}, so action ${action.name} has no lines to work on`,
      );
    yield* lineItems(request, artifact, payloads);
    return;
  }
  const kind = kindOfSlice(found);
  if (found === undefined || kind !== "an array") throw noArray(action, where, kind);
  yield (function* () {
    let index = 0;
    // A copy: the items outlive the text that they stand in.
    for (const element of elementsOf(found)) if (index++ >= fromIndex) yield element.slice();
  })();
}

function placeOf(action: ActionPlan, where: string): string {
  const pointer = sourcePointerOf(action.definition);
  return pointer === "" ? where : `${where} at ${pointer}`;
}

const noArray = (action: ActionPlan, where: string, what: string): ListProblem =>
  new ListProblem(
    `${placeOf(action, where)} is ${what}, not an array, so action ${action.name} has no items to work on`,
  );

/** Items of an array that is too large to be held: read as it comes. */
async function* storedItems(
  { action, fromIndex }: LoadRequest,
  ref: PayloadRef,
  where: string,
  payloads: PayloadStore,
): AsyncGenerator<Iterable<Uint8Array>> {
  const scanner = new ArrayScanner(sourcePointerOf(action.definition), ELEMENT_BYTES_MAX);
  const of = `${placeOf(action, where)} (items of action ${action.name})`;
  let index = 0;
  const itemsOf = function* (elements: readonly Uint8Array[]): Generator<Uint8Array> {
    for (const element of elements) {
      const at = index++;
      if (at >= fromIndex) yield itemOf(element, (why) => new ListProblem(`item ${at} in ${of} ${why}`));
    }
  };
  try {
    for await (const piece of payloads.getStream(ref)) yield itemsOf(scanner.push(piece));
    scanner.end();
  } catch (error) {
    if (!(error instanceof ArrayProblem)) throw gone(error, (why) => `${where} could not be read: ${why}`);
    if (error.problem === "kind") throw noArray(action, where, error.what);
    if (error.problem === "size")
      throw new ListProblem(`in ${of} ${error.what}: pass a reference to large data`);
    throw new ListProblem(
      `${where} is not JSON (${error.what}), so action ${action.name} has no items to work on`,
    );
  }
}

/** The JSON that the list is in, held against what every JSON must be. */
async function readText(
  { action, payload }: LoadRequest,
  where: string,
  payloads: PayloadStore,
): Promise<Uint8Array> {
  let body: Uint8Array = new Uint8Array();
  try {
    if (payload?.body.case === "inline") body = payload.body.value;
    else if (payload?.body.case === "ref") body = await payloads.get(payload.body.value);
  } catch (error) {
    throw gone(error, (why) => `${where} could not be read: ${why}`);
  }
  if (body.length === 0) return NULL;
  const fault = jsonFault(body);
  if (fault === undefined) return body;
  throw new ListProblem(
    `${where} is not usable JSON (${fault.message}), so action ${action.name} has no items to work on`,
  );
}

const NULL = Buffer.from("null");

/** A failure of the store as a problem of the list, where the store says that trying again won't help. */
function gone(error: unknown, told: (why: string) => string): unknown {
  if (!(error instanceof PortError) || error.retry !== "never" || error.code === "closed") return error;
  const mode = error.code === "not-found" ? FailureMode.NOT_FOUND : FailureMode.VALIDATION;
  return new ListProblem(told(error.message), mode, { cause: error });
}

async function* lineItems(
  { action, fromIndex }: LoadRequest,
  artifact: ArtifactFacts,
  payloads: PayloadStore,
): AsyncGenerator<Iterable<Uint8Array>> {
  const { name } = artifact;
  const problem = (line: number, why: string): ListProblem =>
    new ListProblem(`line ${line} of artifact ${name} ${why} (items of action ${action.name})`);
  const splitter = new LineSplitter(ITEM_BYTES_MAX);
  let index = 0;
  const itemsOf = function* (lines: readonly Line[]): Generator<Uint8Array> {
    for (const { number, bytes } of lines) {
      if (index >= ITEMS_MAX)
        throw problem(number, `is one more than the ${ITEMS_MAX} items that an action may have`);
      // What was loaded before was read before: it was right then and is the same now.
      if (index++ >= fromIndex) yield itemOf(bytes, (why) => problem(number, why));
    }
  };
  try {
    for await (const piece of payloads.getStream(referenceOf(artifact))) yield itemsOf(splitter.push(piece));
    yield itemsOf(splitter.end());
  } catch (error) {
    if (error instanceof LineProblem) throw problem(error.line, error.why);
    throw gone(error, (why) => `artifact ${name} can't be the items of action ${action.name}: ${why}`);
  }
}

const referenceOf = ({ size, sha256 }: ArtifactFacts): PayloadRef =>
  init(PayloadRefSchema, {
    name: sha256,
    size: BigInt(size),
    sha256: new Uint8Array(Buffer.from(sha256, "hex")),
  });

function itemOf(text: Uint8Array, problem: (why: string) => ListProblem): Uint8Array {
  const fault = jsonFault(text);
  if (fault !== undefined) throw problem(`is not usable JSON: ${fault.message}`);
  const item = sliceAt(text, "") as Uint8Array;
  if (item.length <= ITEM_BYTES_MAX) return item;
  throw problem(
    `is ${item.length} bytes, and an item has at most ${ITEM_BYTES_MAX}: pass a reference to large data`,
  );
}
