/** Values in and out of payloads. */
import { JSON_DEPTH_MAX, jsonFault } from "@holdfast/core";
import { Encoding, type Payload } from "@holdfast/proto";
import { anything, assert, asyncProperty, jsonValue, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryPayloads } from "../memory/memory-registry.js";
import { inlinePayload } from "./commands.js";
import { INLINE_BYTES_MAX, jsonBytes, PayloadCodec, PayloadError } from "./payloads.js";

const MIB = 1024 * 1024;

const caught = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe("a value", () => {
  it("comes back as it was, at once while it is small", async () => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    await assert(
      asyncProperty(jsonValue(), async (value) => {
        const payload = codec.encode(value, "it");
        expect(payload).not.toBeInstanceOf(Promise);
        expect(codec.decode(await payload, "it")).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("goes to the store beyond the inline limit, and comes back", async () => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    const inline = "x".repeat(INLINE_BYTES_MAX - 2);
    expect((await codec.encode(inline, "it")).body.case).toBe("inline");
    const payload = await codec.encode(`${inline}x`, "it");
    expect(payload.body.case).toBe("ref");
    expect(await codec.decode(payload, "it")).toBe(`${inline}x`);
  });

  it.each([
    [undefined, "$", "undefined"],
    [() => 1, "$", "a function"],
    [Symbol("s"), "$", "a symbol"],
    [{ rows: [{ total: 1n }] }, "$.rows[0].total", "bigint"],
    [{ "a b": 1n }, '$["a b"]', "bigint"],
    [{ when: { toJSON: () => 3n } }, "$.when", "bigint"],
  ])("that JSON can't carry is an error that names the place: %#", (value, path, what) => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    const error = caught(() => codec.encode(value, "the output"));
    expect(error).toBeInstanceOf(PayloadError);
    expect(error).toMatchObject({ code: "unserialisable", details: { path } });
    expect(String(error)).toContain(what);
    expect(String(error)).toContain("the output");
  });

  it.each([
    [Number.NaN, "$", "NaN"],
    [{ rows: [{}, {}, {}, { price: Number.NaN }] }, "$.rows[3].price", "out.rows[3].price is NaN"],
    [[Number.POSITIVE_INFINITY], "$[0]", "Infinity"],
    [{ a: new Map([[1, 2]]) }, "$.a", "a Map"],
    [new Set([1]), "$", "a Set"],
    [{ a: [/x/] }, "$.a[0]", "a RegExp"],
    [{ error: new TypeError("no") }, "$.error", "an Error"],
    [{ error: new DOMException("no") }, "$.error", "a DOMException"],
    [{ a: () => 1 }, "$.a", "a function"],
    [{ a: Symbol("s") }, "$.a", "a symbol"],
    [[Symbol("s")], "$[0]", "a symbol"],
    [{ a: Promise.resolve(1) }, "$.a", "a Promise"],
    [{ a: Uint8Array.of(1) }, "$.a", "bytes"],
    [{ a: Buffer.from("a") }, "$.a", "bytes"],
    [{ a: new ArrayBuffer(1) }, "$.a", "bytes"],
    [{ a: new Date(Number.NaN) }, "$.a", "an invalid Date"],
    [{ a: Object(Number.NaN) as unknown }, "$.a", "NaN"],
    [{ a: { toJSON: () => ({ b: [Number.NaN] }) } }, "$.a.b[0]", "NaN"],
    [
      new (class Row {
        price = Number.NaN;
      })(),
      "$.price",
      "NaN",
    ],
    [
      {
        a: (function* () {
          yield 1;
        })(),
      },
      "$.a",
      "a generator",
    ],
    [{ a: new URLSearchParams("a=1") }, "$.a", "a URLSearchParams"],
  ])(
    "of which JSON would lose something in silence is an error that names the place: %#",
    (value, path, what) => {
      const codec = new PayloadCodec(new MemoryPayloads(MIB));
      const error = caught(() => codec.encode(value, "the output", "out"));
      expect(error).toBeInstanceOf(PayloadError);
      expect(error).toMatchObject({ code: "unserialisable", details: { path } });
      expect(String(error)).toContain(what);
    },
  );

  it("may leave out what is undefined, and be what its toJSON says", () => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    class Money {
      #cents = 5;
      toJSON(): string {
        return `${this.#cents} ct`;
      }
    }
    const plain: object = Object.assign(Object.create(null) as object, { a: 1 });
    const value = {
      at: new Date(0),
      gone: undefined,
      list: [1, undefined],
      url: new URL("http://a.example/"),
      money: new Money(),
      plain,
      boxed: [Object(1), Object("a"), Object(true)] as unknown[],
      named: new (class Row {
        readonly [Symbol.toStringTag] = "Row";
        readonly id = 7;
      })(),
    };
    expect(codec.decode(codec.encode(value, "it") as Payload, "it")).toEqual(
      JSON.parse(JSON.stringify(value)),
    );
  });

  it("of any kind is carried as JSON.stringify does, or refused", () => {
    assert(
      property(
        anything({
          withDate: true,
          withMap: true,
          withSet: true,
          withTypedArray: true,
          withNullPrototype: true,
          withSparseArray: true,
        }),
        (value) => {
          const found = caught(() => jsonBytes(value, "it"));
          if (found instanceof Uint8Array) expect(Buffer.from(found).toString()).toBe(JSON.stringify(value));
          else expect(found).toBeInstanceOf(PayloadError);
        },
      ),
    );
  });

  it("with a cycle, a throwing getter or too many levels is an error too", () => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    const cycle: Record<string, unknown> = { inner: {} };
    cycle["inner"] = { back: cycle };
    expect(caught(() => codec.encode(cycle, "it"))).toMatchObject({ details: { path: "$.inner.back" } });
    const thrower = {
      get bad() {
        throw new Error("no");
      },
    };
    expect(caught(() => codec.encode(thrower, "it"))).toMatchObject({ code: "unserialisable" });
    let deep: unknown = 1;
    for (let i = 0; i < 50_000; i++) deep = [deep];
    expect(caught(() => codec.encode(deep, "it"))).toMatchObject({ code: "unserialisable" });
  });

  it.each([
    ["arrays", (inner: unknown) => [inner]],
    ["objects", (inner: unknown) => ({ a: inner })],
  ])(
    "goes as deep in %s as every other door lets in, and what is deeper is refused with its place",
    (_, wrap) => {
      const nested = (levels: number): unknown => {
        let value: unknown = 1;
        for (let i = 0; i < levels; i++) value = wrap(value);
        return value;
      };
      const codec = new PayloadCodec(new MemoryPayloads());
      const { body } = codec.encode(nested(JSON_DEPTH_MAX), "it") as Payload;
      expect(jsonFault(body.value as Uint8Array)).toBeUndefined();
      for (const levels of [JSON_DEPTH_MAX + 1, 2_000, 100_000]) {
        const message = (caught(() => codec.encode(nested(levels), "it")) as Error).message;
        expect(message).toMatch(
          /^it can't be JSON: \$….*(a|\[0\]) is nested more than 200 levels deep; flatten it/,
        );
      }
    },
  );

  it("that is too large says how large it is and may be", () => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    expect(caught(() => codec.encode("x".repeat(2 * 1024 * 1024), "it"))).toMatchObject({
      code: "too-large",
      details: { bytes: 2 * 1024 * 1024 + 2, maxBytes: 1024 * 1024 },
    });
  });
});

describe("a payload", () => {
  it("that is absent is null", () => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    expect(codec.decode(undefined, "it")).toBeNull();
    const empty: Payload = {
      $typeName: "holdfast.v1.Payload",
      body: { case: undefined },
      encoding: Encoding.UNSPECIFIED,
    };
    expect(codec.decode(empty, "it")).toBeNull();
  });

  it("kept in state is fetched, or an error where nobody can", async () => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    const stored: Payload = {
      $typeName: "holdfast.v1.Payload",
      body: { case: "stored", value: 5 },
      encoding: Encoding.UNSPECIFIED,
    };
    const inline = inlinePayload(Buffer.from("[1,2]"));
    expect(await codec.decode(stored, "it", () => Promise.resolve(inline))).toEqual([1, 2]);
    await expect(codec.decode(stored, "it")).rejects.toMatchObject({ code: "unavailable" });
    await expect(codec.decode(stored, "it", () => Promise.resolve(stored))).rejects.toMatchObject({
      code: "unavailable",
    });
  });

  it("that is not JSON, or whose body is gone, is an error", async () => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    const broken = inlinePayload(Buffer.from("{"));
    expect(caught(() => codec.decode(broken, "the input"))).toMatchObject({ code: "malformed" });
    const lost: Payload = {
      $typeName: "holdfast.v1.Payload",
      body: {
        case: "ref",
        value: { $typeName: "holdfast.v1.PayloadRef", name: "gone", size: 1n, sha256: new Uint8Array() },
      },
      encoding: Encoding.UNSPECIFIED,
    };
    await expect(codec.decode(lost, "the input")).rejects.toMatchObject({ code: "unavailable" });
  });

  it("of another encoding comes as bytes", () => {
    const codec = new PayloadCodec(new MemoryPayloads(MIB));
    const raw: Payload = { ...inlinePayload(Uint8Array.of(1, 2)), encoding: Encoding.BYTES };
    expect(codec.decode(raw, "it")).toEqual(Uint8Array.of(1, 2));
  });
});
