/** What becomes of an action's items as they are brought into the log: their chunks, and what is said where they can't be. */
import { ITEM_BYTES_MAX, ITEMS_MAX, type Json, JSON_DEPTH_MAX, planOf, utf8 } from "@holdfast/core";
import { create } from "@bufbuild/protobuf";
import {
  type Command,
  FailureMode,
  type ForEach,
  ForEachSchema,
  type ItemsLoaded,
  type Payload,
  PayloadSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { MemoryPayloads } from "../memory/memory-registry.js";
import { PortError } from "../ports/errors.js";
import type { LoadRequest } from "./item-sources.js";
import { DEFAULT_ENGINE_LIMITS } from "./limits.js";
import { loadChildInput, loadItems } from "./load-items.js";

let payloads: MemoryPayloads;
beforeEach(() => {
  payloads = new MemoryPayloads();
});

const overInput = (value = ""): ForEach => create(ForEachSchema, { source: { case: "inputPointer", value } });
const overOutputOf = (action: string, pointer = ""): ForEach =>
  create(ForEachSchema, { source: { case: "outputOf", value: { action, pointer } } });
const overLines = (value = ""): ForEach => create(ForEachSchema, { source: { case: "linesOfInput", value } });
const overLinesOf = (action: string, pointer = ""): ForEach =>
  create(ForEachSchema, { source: { case: "linesOfOutput", value: { action, pointer } } });
const inline = (value: Json): Payload =>
  init(PayloadSchema, { body: { case: "inline", value: utf8(JSON.stringify(value)) } });

function request(forEach: ForEach, value: Json, fromIndex = 0): LoadRequest {
  const definition = create(WorkflowDefinitionSchema, {
    name: "w",
    actions: [{ name: "extract" }, { name: "check", forEach }],
  });
  const plan = planOf(definition).actions[1];
  if (plan === undefined) throw new Error("the plan has no second action");
  return { runId: "r", action: plan, generation: 1, fromIndex, payload: inline(value) };
}

async function load(from: LoadRequest, limits = DEFAULT_ENGINE_LIMITS): Promise<ItemsLoaded[]> {
  const commands: Command[] = [];
  for await (const command of loadItems(from, payloads, limits)) commands.push(command);
  return commands.map(({ kind }) => {
    if (kind.case !== "itemsLoaded") throw new Error(`a load gave ${kind.case}`);
    return kind.value;
  });
}

async function artifact(text: string | Uint8Array, size = 7): Promise<Json> {
  const bytes = typeof text === "string" ? utf8(text) : text;
  const ref = await payloads.putStream(
    (async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })(),
  );
  const sha256 = Buffer.from(ref.sha256).toString("hex");
  return {
    $artifact: { name: "rows.jsonl", size: bytes.length, sha256, contentType: "application/x-ndjson" },
  };
}

const texts = (loaded: readonly ItemsLoaded[]): string[] =>
  loaded.flatMap(({ items }) => items.map((item) => Buffer.from(item).toString()));

describe("an array", () => {
  test.each([
    [overInput(), [1, "two"]],
    [overInput("/rows"), { rows: [1, "two"] }],
    [overOutputOf("extract", "/a/rows"), { a: { rows: [1, "two"] } }],
  ])("is taken from where it stands: %#", async (forEach, value) => {
    expect(texts(await load(request(forEach, value)))).toEqual(["1", '"two"']);
  });

  test("comes in chunks, of which only the last says so; a load goes on where it broke off", async () => {
    const limits = { ...DEFAULT_ENGINE_LIMITS, itemsACommand: 2 };
    const chunks = async (from: number): Promise<unknown[]> =>
      (await load(request(overInput(), [0, 1, 2, 3, 4], from), limits)).map(({ firstIndex, items, last }) => [
        firstIndex,
        items.length,
        last,
      ]);
    expect(await chunks(0)).toEqual([
      [0, 2, false],
      [2, 2, false],
      [4, 1, true],
    ]);
    expect(await chunks(4)).toEqual([[4, 1, true]]);
    expect(await chunks(5)).toEqual([[5, 0, true]]);
  });

  test.each<[ForEach, Json, RegExp]>([
    [
      overInput("/rows"),
      { rows: 7 },
      /^the input of run r at \/rows is a number, not an array, so action check has/,
    ],
    [overInput("/rows"), {}, /at \/rows is nothing, not an array/],
    [overOutputOf("extract"), "text", /^the output of extract is a string, not an array/],
  ])("that is none fails the action: %#", async (forEach, value, message) => {
    const [only, ...more] = await load(request(forEach, value));
    expect(more).toEqual([]);
    expect(only?.failure).toMatchObject({ mode: FailureMode.VALIDATION });
    expect(only?.failure?.message).toMatch(message);
  });
});

/** An array in an array and so on, as text: written as a value it would be too deep for `JSON.stringify`. */
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

describe("an item that is nested deeply", () => {
  const bytes = (text: string): Payload =>
    init(PayloadSchema, { body: { case: "inline", value: utf8(text) } });
  const sources: Record<string, (item: string) => Promise<LoadRequest>> = {
    "an array in the input": async (item) => ({
      ...request(overInput(), null),
      payload: bytes(`[1,${item}]`),
    }),
    "an array in the store": async (item) => {
      const value = await payloads.put(utf8(`[1,${item}]`));
      return {
        ...request(overInput(), null),
        payload: init(PayloadSchema, { body: { case: "ref", value } }),
      };
    },
    "lines of an artifact": async (item) => request(overLines(), await artifact(`1\n${item}\n`, 100_000)),
  };

  test.each(Object.keys(sources))(
    "fails the action beyond the limit, and is never tried again: %s",
    async (name) => {
      for (const levels of [JSON_DEPTH_MAX + 1, 100_000]) {
        const [only, ...more] = await load(await (sources[name] as (typeof sources)[string])(nested(levels)));
        expect(more).toEqual([]);
        expect(only?.failure).toMatchObject({ mode: FailureMode.VALIDATION });
        expect(only?.failure?.message).toContain(`is nested more than ${JSON_DEPTH_MAX} levels deep`);
        expect(only?.failure?.message).toMatch(/item 1|line 2|\(line 1, column 20[123]\)/);
      }
    },
  );

  test.each(Object.keys(sources))("is an item up to the limit: %s", async (name) => {
    // An array that is held is a text of its own, and one level of it.
    const levels = name === "an array in the input" ? JSON_DEPTH_MAX - 1 : JSON_DEPTH_MAX;
    const loaded = await load(await (sources[name] as (typeof sources)[string])(nested(levels)));
    expect(texts(loaded)).toEqual(["1", nested(levels)]);
  });
});

describe("the input of a child run", () => {
  const from = (pointer: string, text: string): LoadRequest => {
    const definition = create(WorkflowDefinitionSchema, {
      name: "w",
      actions: [{ name: "sub", child: { workflow: "c", input: { case: "inputPointer", value: pointer } } }],
    });
    const action = planOf(definition).actions[0];
    if (action === undefined) throw new Error("the plan has no action");
    const payload = init(PayloadSchema, { body: { case: "inline", value: utf8(text) } });
    return { runId: "r", action, generation: 3, fromIndex: 0, payload };
  };
  const bring = async (...args: Parameters<typeof loadChildInput>): Promise<ItemsLoaded> => {
    const { kind } = await loadChildInput(...args);
    if (kind.case !== "itemsLoaded") throw new Error(`a load gave ${kind.case}`);
    return kind.value;
  };
  const bodyOf = ({ input }: ItemsLoaded): string =>
    input?.body.case === "inline" ? Buffer.from(input.body.value).toString() : `${input?.body.case}`;

  test("is what stands at its pointer; the whole of it is passed on as it is", async () => {
    expect(bodyOf(await bring(from("/a", '{"a": [1, 2.50 ] }'), payloads))).toBe("[1, 2.50 ]");
    expect(bodyOf(await bring(from("", '{"a": [1, 2]}'), payloads))).toBe('{"a": [1, 2]}');
    expect(await bring(from("", "1"), payloads)).toMatchObject({ generation: 3, last: true });
  });

  test("is checked as it is, and fails the action with what is wrong", async () => {
    const seen: Json[] = [];
    const check = (input: Json): Promise<string> => {
      seen.push(input);
      return Promise.resolve("must be number");
    };
    const brought = await bring(from("/a", '{"a":"x"}'), payloads, check);
    expect(brought.failure).toMatchObject({ mode: FailureMode.VALIDATION, message: "must be number" });
    await bring(from("", '"whole"'), payloads, check);
    await bring(from("", ""), payloads, check);
    expect(seen).toEqual(["x", "whole", null]);
  });

  test.each([
    ["/a/b", '{"a":1}', /there is nothing at \/a\/b in the run's input, so the child run has no input/],
    ["/a", "", /there is nothing at \/a/],
    ["/a", '{"a"', /^the run's input is not usable JSON \(it ends in the middle .*\), so the child run has/],
    ["", '{"a":1,"a":2}', /^the run's input is not usable JSON \(the name "a" stands twice/],
    ["/a", `{"a":${nested(JSON_DEPTH_MAX + 1)}}`, /is nested more than 200 levels deep/],
    ["/a", `{"a":${nested(100_000)}}`, /is nested more than 200 levels deep/],
  ])("that can't be had fails the action: %s of %.20s", async (pointer, text, why) => {
    const { failure, input } = await bring(from(pointer, text), payloads);
    expect(failure).toMatchObject({ mode: FailureMode.VALIDATION, message: expect.stringMatching(why) });
    expect(input).toBeUndefined();
  });

  test("that is away is tried again", async () => {
    const value = await payloads.put(utf8("1"));
    const payload = init(PayloadSchema, { body: { case: "ref", value } });
    payloads.get = () => Promise.reject(new PortError("timeout", "NATS is slow"));
    await expect(bring({ ...from("", ""), payload }, payloads)).rejects.toMatchObject({ code: "timeout" });
  });
});

describe("an array in a payload of the store", () => {
  /** The value as a payload by reference, as large ones are. */
  const stored = async (text: string): Promise<Payload> =>
    init(PayloadSchema, { body: { case: "ref", value: await payloads.put(utf8(text)) } });
  const from = async (forEach: ForEach, text: string, fromIndex = 0): Promise<LoadRequest> => ({
    ...request(forEach, null, fromIndex),
    payload: await stored(text),
  });

  test("is read as it comes: the same items, byte for byte, from where a load broke off", async () => {
    const text = '{"a":[9],"rows":[ {"b": 1.0, "a":"\\u00e4"},\n1e400 ,[3]] }';
    const loaded = await load(await from(overInput("/rows"), text));
    expect(texts(loaded)).toEqual(['{"b": 1.0, "a":"\\u00e4"}', "1e400", "[3]"]);
    expect(loaded.at(-1)).toMatchObject({ firstIndex: 0, last: true });
    expect(await load(await from(overInput("/rows"), text, 2))).toMatchObject([
      { firstIndex: 2, last: true },
    ]);
    expect(texts(await load(await from(overOutputOf("extract", "/rows"), text, 2)))).toEqual(["[3]"]);
  });

  test.each<[ForEach, string, RegExp]>([
    [
      overInput("/rows"),
      '{"rows":7}',
      /^the input of run r at \/rows is a number, not an array, so action check has/,
    ],
    [overInput("/rows"), "{}", /at \/rows is nothing, not an array/],
    [
      overOutputOf("extract"),
      "[1,2",
      /^the output of extract is not JSON \(it ends in the middle\), so action check/,
    ],
    [
      overInput(),
      "[1,nope,3]",
      /^item 1 in the input of run r \(items of action check\) is not usable JSON: /,
    ],
    [overInput(), `["${"x".repeat(ITEM_BYTES_MAX)}"]`, /^item 0 in .* is 262146 bytes, and/],
    [overInput(), '[1,{"a":1,"a":2}]', /^item 1 in .* the name "a" stands twice/],
    [
      overInput(),
      `[1,"${"x".repeat(5 * ITEM_BYTES_MAX)}"]`,
      /^in the input .* item 1 is more than 1048576 bytes: pass/,
    ],
  ])("that is none, or holds what is no item, fails the action: %#", async (forEach, text, message) => {
    const [only, ...more] = await load(await from(forEach, text));
    expect(more).toEqual([]);
    expect(only?.failure).toMatchObject({ mode: FailureMode.VALIDATION });
    expect(only?.failure?.message).toMatch(message);
  });

  test("that is gone fails it with NOT_FOUND; one that is away is tried again", async () => {
    const wanted = await from(overInput(), "[1]");
    payloads = new MemoryPayloads();
    expect((await load(wanted))[0]?.failure).toMatchObject({ mode: FailureMode.NOT_FOUND });
    payloads.getStream = () => {
      throw new PortError("timeout", "NATS is slow");
    };
    await expect(load(wanted)).rejects.toMatchObject({ code: "timeout" });
  });
});

describe("lines of an artifact", () => {
  test.each([1, 2, 3, 7, 1_000])("are items, whatever its pieces: %i bytes", async (size) => {
    const text = '{"b":1,"a":"ä€😀"}\r\n\n  [1, 2]\n"x"';
    const loaded = await load(request(overLines("/file"), { file: await artifact(text, size) }));
    expect(texts(loaded)).toEqual(['{"b":1,"a":"ä€😀"}', "[1, 2]", '"x"']);
    expect(loaded.at(-1)?.last).toBe(true);
  });

  test("are found in an output too, and may be none", async () => {
    const from = request(overLinesOf("extract"), await artifact("1\n2\n"));
    expect(texts(await load(from))).toEqual(["1", "2"]);
    expect(await load(request(overLines(), await artifact("")))).toMatchObject([{ items: [], last: true }]);
  });

  test("go on where a load broke off: what was loaded is passed over, empty lines or not", async () => {
    const file = await artifact("0\n\n1\n2\n\n3\n");
    const loaded = await load(request(overLines(), file, 2));
    expect(loaded).toMatchObject([{ firstIndex: 2, last: true }]);
    expect(texts(loaded)).toEqual(["2", "3"]);
  });

  test("come in chunks bounded by number and by bytes", async () => {
    const rows = Array.from({ length: 10 }, (_, i) => `"${String(i).repeat(50)}"`).join("\n");
    const file = await artifact(rows);
    const sizes = async (limits: object): Promise<number[]> =>
      (await load(request(overLines(), file), { ...DEFAULT_ENGINE_LIMITS, ...limits })).map(
        ({ items }) => items.length,
      );
    expect(await sizes({ itemsACommand: 4 })).toEqual([4, 4, 2]);
    expect(await sizes({ itemBytesACommand: 110 })).toEqual([2, 2, 2, 2, 2]);
    expect(await sizes({ itemBytesACommand: 10 })).toEqual(Array.from({ length: 10 }, () => 1));
  });

  const long = "x".repeat(ITEM_BYTES_MAX);
  test.each<[string, string | Uint8Array, RegExp]>([
    [
      "not JSON",
      "1\n\n{bad}\n4",
      /^line 3 of artifact rows\.jsonl is not usable JSON: .* \(items of action check\)$/,
    ],
    ["cut off", '{"a":1}\n{"a":', /^line 2 of artifact rows\.jsonl is not usable JSON/],
    [
      "not UTF-8",
      Uint8Array.of(0x31, 0x0a, 0x22, 0xff, 0x22),
      /^line 2 of artifact rows\.jsonl is not usable JSON: it is not UTF-8 \(byte 2/,
    ],
    ["too long", `1\n2\n"${long}"\n`, /^line 3 of artifact rows\.jsonl is longer than the 262144 bytes/],
    ["twice of a name", '1\n{"a":1,"a":2}', /^line 2 .* is not usable JSON: the name "a" stands twice/],
  ])("one of which is %s fail the action, by name, line and reason", async (_, text, message) => {
    const loaded = await load(request(overLines(), await artifact(text, 100_000)));
    expect(loaded).toHaveLength(1);
    expect(loaded[0]).toMatchObject({ firstIndex: 0, items: [], last: false });
    expect(loaded[0]?.failure).toMatchObject({ mode: FailureMode.VALIDATION });
    expect(loaded[0]?.failure?.message).toMatch(message);
  });

  test("that break off later fail it after the chunks that were whole", async () => {
    const limits = { ...DEFAULT_ENGINE_LIMITS, itemsACommand: 2 };
    const loaded = await load(request(overLines(), await artifact("0\n1\n2\n3\n4\n?\n")), limits);
    expect(loaded.map(({ firstIndex, items, failure }) => [firstIndex, items.length, failure?.mode])).toEqual(
      [
        [0, 2, undefined],
        [2, 2, undefined],
        [4, 0, FailureMode.VALIDATION],
      ],
    );
  });

  test("of which there are more than an action may have fail it, by the first that is too many", async () => {
    const file = await artifact("7\n".repeat(ITEMS_MAX + 1), 1_000_000);
    const [only, ...more] = await load(request(overLines(), file, ITEMS_MAX - 1));
    expect(more).toEqual([]);
    expect(only?.failure?.message).toMatch(
      /^line 1000001 of artifact rows\.jsonl is one more than the 1000000 items/,
    );
  });

  test.each<[Json, RegExp]>([
    [
      { rows: [] },
      /^the input of run r is an object, not the reference of an artifact, so action check has no lines/,
    ],
    [null, /is null, not the reference/],
    [{ $artifact: { name: "a", size: 1, sha256: "00" } }, /broken reference of an artifact \(its sha256/],
  ])("of what is no reference fail the action: %#", async (value, message) => {
    const [only] = await load(request(overLines(), value));
    expect(only?.failure?.message).toMatch(message);
  });

  test("of an artifact that is not there: NOT_FOUND, by name", async () => {
    const [only] = await load(
      request(overLines(), { $artifact: { name: "gone.jsonl", size: 1, sha256: "00".repeat(32) } }),
    );
    expect(only?.failure?.mode).toBe(FailureMode.NOT_FOUND);
    expect(only?.failure?.message).toMatch(
      /^artifact gone\.jsonl can't be the items of action check: .*not in the object store/,
    );
  });

  test("of an artifact with another size or digest than was said", async () => {
    const { $artifact: facts } = (await artifact("1\n2\n")) as { $artifact: { size: number } };
    const [only, ...more] = await load(
      request(overLines(), { $artifact: { ...facts, size: facts.size + 1 } }),
    );
    expect(more).toEqual([]);
    expect(only?.failure?.message).toMatch(/artifact rows\.jsonl can't be .* not what its reference says/);
  });

  test("that can't be had just now are asked for again: nothing is failed", async () => {
    const from = request(overLines(), await artifact("1\n2\n"));
    payloads.getStream = () => {
      throw new PortError("unavailable", "NATS is away");
    };
    await expect(load(from)).rejects.toMatchObject({ code: "unavailable" });
  });
});
