/**
 * What every `DefinitionRegistry` and `PayloadStore` does, as tests. Needs vitest; nothing but tests imports it.
 */
import { createHash } from "node:crypto";
import { hashDefinition } from "@holdfast/core";
import { type PayloadRef, PayloadRefSchema, WorkflowDefinitionSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { DefinitionRegistry, PayloadStore, RegisteredDefinition } from "../ports/index.js";

export interface FreshRegistry {
  readonly definitions: DefinitionRegistry;
  readonly payloads: PayloadStore;
  cleanUp(): Promise<void>;
}

/** A definition that differs with its queue. */
function registered(name: string, queue = ""): RegisteredDefinition {
  const definition = init(WorkflowDefinitionSchema, { name, queue });
  return { definition, hash: hashDefinition(definition) };
}

export function registryConformance(name: string, makeRegistry: () => Promise<FreshRegistry>): void {
  describe(`registry conformance: ${name}`, () => {
    let fresh: FreshRegistry;
    let definitions: DefinitionRegistry;
    let payloads: PayloadStore;

    beforeEach(async () => {
      fresh = await makeRegistry();
      ({ definitions, payloads } = fresh);
    });
    afterEach(() => fresh.cleanUp());

    test("nothing is registered at first", async () => {
      expect(await definitions.list()).toEqual([]);
      expect(await definitions.latest("orders")).toBeUndefined();
    });

    test("the latest definition of a name is the last put", async () => {
      const [first, second] = [registered("orders", "a"), registered("orders", "b")];
      await definitions.put(first);
      await definitions.put(second);
      await definitions.put(second);
      expect((await definitions.latest("orders"))?.hash).toBe(second.hash);
      expect((await definitions.latest("orders"))?.definition.queue).toBe("b");
      await definitions.put(first);
      expect((await definitions.latest("orders"))?.hash).toBe(first.hash);
    });

    test("the list has the latest of every name", async () => {
      const entries = ["c", "a", "b"].map((one) => registered(one));
      for (const entry of entries) await definitions.put(entry);
      await definitions.put(registered("a", "other"));
      const listed = await definitions.list();
      expect(listed.map(({ definition }) => `${definition.name}/${definition.queue}`).toSorted()).toEqual([
        "a/other",
        "b/",
        "c/",
      ]);
    });

    test.each(["", ".", "*", ">", "/", "..", "a.b", "x".repeat(10_000), "a\0b", "bücher"])(
      "the name %j is nobody's, and can't be registered",
      async (bad) => {
        expect(await definitions.latest(bad)).toBeUndefined();
        await expect(definitions.put(registered(bad))).rejects.toMatchObject({ code: "schema" });
      },
    );

    test("a watch tells what is there before it resolves, then each change, until it is aborted", async () => {
      await definitions.put(registered("a"));
      const stop = new AbortController();
      const seen: string[] = [];
      await definitions.watch(
        ({ definition }) => seen.push(`${definition.name}/${definition.queue}`),
        stop.signal,
      );
      expect(seen).toEqual(["a/"]);
      await definitions.put(registered("b"));
      await definitions.put(registered("a", "new"));
      await vi.waitFor(() => expect(seen).toEqual(["a/", "b/", "a/new"]), { timeout: 60_000 });
      stop.abort();
      await definitions.put(registered("c"));
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
      expect(seen).toHaveLength(3);
    });

    test.each([0, 1, 1_000, 700_000])("a payload of %i bytes comes back as it was", async (size) => {
      const body = new Uint8Array(size).map((_, at) => (at * 17) & 0xff);
      const ref = await payloads.put(body);
      expect(ref.size).toBe(BigInt(size));
      expect(Buffer.from(await payloads.get(ref)).equals(body)).toBe(true);
    });

    test("equal payloads have one reference, and others have others", async () => {
      const body = Buffer.from("the same");
      const [one, two, third] = [
        await payloads.put(body),
        await payloads.put(body),
        await payloads.put(Buffer.from("x")),
      ];
      expect(two).toEqual(one);
      expect(third?.name).not.toBe(one?.name);
    });

    test("a payload over the limit is refused", async () => {
      const body = new Uint8Array(payloads.maxBytes + 1);
      await expect(payloads.put(body)).rejects.toMatchObject({ code: "too-large" });
    });

    test("a payload that is not there is not found, whatever its name", async () => {
      const ref = await payloads.put(Buffer.from("here"));
      for (const missing of ["0".repeat(64), "", "..", "a b", "x".repeat(5_000)]) {
        const other = init(PayloadRefSchema, { ...ref, name: missing });
        await expect(payloads.get(other)).rejects.toMatchObject({ code: "not-found" });
      }
    });

    test("a payload that is not what its reference says is never returned", async () => {
      const ref = await payloads.put(Buffer.from("here"));
      const otherSize = init(PayloadRefSchema, { ...ref, size: ref.size + 1n });
      const otherDigest = init(PayloadRefSchema, { ...ref, sha256: new Uint8Array(32) });
      await expect(payloads.get(otherSize)).rejects.toMatchObject({ code: "corrupt" });
      await expect(payloads.get(otherDigest)).rejects.toMatchObject({ code: "corrupt" });
    });

    test.each([
      { pieces: [] },
      { pieces: [0, 0] },
      { pieces: [1] },
      { pieces: [262_144] },
      { pieces: [100_000, 0, 700_000, 1, 262_143] },
      { pieces: [2_000_000] },
    ])("an artifact that comes in pieces of $pieces bytes comes back as it was", async ({ pieces }) => {
      const whole = new Uint8Array(pieces.reduce((sum, size) => sum + size, 0)).map(
        (_, at) => (at * 31) & 0xff,
      );
      const ref = await payloads.putStream(piecesOf(whole, pieces));
      expect(ref.size).toBe(BigInt(whole.length));
      expect((await read(payloads, ref)).equals(whole)).toBe(true);
      expect(Buffer.from(await payloads.get(ref)).equals(whole)).toBe(true);
    });

    const soon = (): number => Date.now() + 3_600_000;
    const unused = async (): Promise<string[]> =>
      (await payloads.listUnused(soon(), 100, 0)).map(({ name: listed }) => listed);

    test("what is stored is listed by its last use, a page at a time, and nothing that was used since", async () => {
      const refs = [
        await payloads.put(Buffer.from("a")),
        await payloads.putStream(piecesOf(Buffer.from("bb"), [1, 1])),
        await payloads.put(Buffer.from("ccc")),
      ];
      const [a = "", b = "", c = ""] = refs.map((ref) => ref.name);
      expect(await unused()).toEqual([a, b, c]);
      await payloads.touch(a);
      expect(await unused()).toEqual([b, c, a]);
      const [first] = await payloads.listUnused(soon(), 1, 0);
      expect(first).toMatchObject({ name: b, bytes: 2 });
      const rest = await payloads.listUnused(soon(), 100, first?.revision ?? 0);
      expect(rest.map(({ name: listed }) => listed)).toEqual([c, a]);
      expect(await payloads.listUnused(Date.now() - 60_000, 100, 0)).toEqual([]);
      await payloads.touch("0".repeat(64));
      expect(Buffer.from(await payloads.get(refs[0] as PayloadRef)).toString()).toBe("a");
    });

    test("what is removed is gone, and can be stored again", async () => {
      const body = new Uint8Array(600_000).fill(7);
      const refs = [await payloads.put(body), await payloads.putStream(piecesOf(Buffer.from("lines"), [5]))];
      for (const object of await payloads.listUnused(soon(), 100, 0))
        expect(await payloads.remove(object)).toBe(true);
      expect(await unused()).toEqual([]);
      for (const ref of refs) await expect(payloads.get(ref)).rejects.toMatchObject({ code: "not-found" });
      expect(await payloads.put(body)).toEqual(refs[0]);
      expect(Buffer.from(await payloads.get(refs[0] as PayloadRef)).equals(body)).toBe(true);
      expect(await payloads.putStream(piecesOf(Buffer.from("lines"), [2, 3]))).toEqual(refs[1]);
      expect((await read(payloads, refs[1] as PayloadRef)).toString()).toBe("lines");
    });

    test("what was used, removed or stored anew since it was listed is not removed", async () => {
      const ref = await payloads.put(Buffer.from("wanted"));
      const [listed] = await payloads.listUnused(soon(), 1, 0);
      if (listed === undefined) throw new Error("it is not listed");
      await payloads.touch(ref.name);
      expect(await payloads.remove(listed)).toBe(false);
      const [again] = await payloads.listUnused(soon(), 1, 0);
      if (again === undefined) throw new Error("it is not listed");
      expect(await payloads.remove(again)).toBe(true);
      expect(await payloads.remove(again)).toBe(false);
      await payloads.put(Buffer.from("wanted"));
      expect(await payloads.remove(again)).toBe(false);
      expect(Buffer.from(await payloads.get(ref)).toString()).toBe("wanted");
    });

    test("two that remove the same object: one does, and uses win or lose whole", async () => {
      const bodies = Array.from({ length: 20 }, (_, at) => Buffer.from(`body ${at}`));
      for (const body of bodies) await payloads.put(body);
      const objects = await payloads.listUnused(soon(), 100, 0);
      const removals = objects.flatMap((object) => [payloads.remove(object), payloads.remove(object)]);
      const done = (await Promise.all(removals)).filter((removed) => removed);
      expect(done).toHaveLength(objects.length);
      const put = await Promise.all(bodies.map((body) => payloads.put(body)));
      const relisted = await payloads.listUnused(soon(), 100, 0);
      await Promise.all([
        ...relisted.map((object) => payloads.touch(object.name)),
        ...relisted.map((object) => payloads.remove(object)),
      ]);
      for (const ref of put) {
        if ((await unused()).includes(ref.name)) await payloads.get(ref);
        else await expect(payloads.get(ref)).rejects.toMatchObject({ code: "not-found" });
      }
    });

    test("the same content has one reference, streamed or not", async () => {
      const body = Buffer.from("the same, whatever way it comes");
      const streamed = await payloads.putStream(piecesOf(body, [3, 5]));
      expect(await payloads.put(body)).toEqual(streamed);
      expect(await payloads.putStream(piecesOf(body, [1]))).toEqual(streamed);
      expect(await read(payloads, streamed)).toEqual(body);
      expect(await read(payloads, await payloads.put(Buffer.from("not streamed")))).toEqual(
        Buffer.from("not streamed"),
      );
    });

    test("an artifact that breaks off as it comes is not kept, and the error is its source's", async () => {
      const broken = (async function* () {
        yield Buffer.from("half of it");
        throw new Error("the disk was pulled out");
      })();
      await expect(payloads.putStream(broken)).rejects.toThrow("the disk was pulled out");
      const half = await payloads.put(Buffer.from("another"));
      const part = createHash("sha256").update("half of it").digest("hex");
      await expect(read(payloads, init(PayloadRefSchema, { ...half, name: part }))).rejects.toMatchObject({
        code: "not-found",
      });
    });

    test("an artifact that is not there is not found before its first piece, whatever its name", async () => {
      const ref = await payloads.putStream(piecesOf(Buffer.from("here"), [4]));
      for (const missing of ["0".repeat(64), "", "..", "a b", "x".repeat(5_000)]) {
        const other = init(PayloadRefSchema, { ...ref, name: missing });
        await expect(read(payloads, other)).rejects.toMatchObject({ code: "not-found" });
      }
    });

    test("an artifact that is not what its reference says never ends without an error", async () => {
      const ref = await payloads.putStream(piecesOf(Buffer.from("here"), [2, 2]));
      const otherSize = init(PayloadRefSchema, { ...ref, size: ref.size + 1n });
      const otherDigest = init(PayloadRefSchema, { ...ref, sha256: new Uint8Array(32) });
      await expect(read(payloads, otherSize)).rejects.toMatchObject({ code: "corrupt" });
      await expect(read(payloads, otherDigest)).rejects.toMatchObject({ code: "corrupt" });
    });

    test("a large artifact is read piece by piece, and may be left in the middle", async () => {
      let given = 0;
      const seen: number[] = [];
      const source = (async function* () {
        for (; given < 64; given++) yield new Uint8Array(256 * 1024).fill(given);
      })();
      const ref = await payloads.putStream(source);
      for await (const piece of payloads.getStream(ref)) {
        for (let at = 0; at < piece.length; at += 256 * 1024) seen.push(piece[at] as number);
        if (seen.length === 8) break;
      }
      expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    });
  });
}

/** A body in pieces of the given sizes, and the rest of it in one. */
async function* piecesOf(body: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    yield body.subarray(at, at + size);
    at += size;
  }
  if (at < body.length) yield body.subarray(at);
}

async function read(payloads: PayloadStore, ref: PayloadRef): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of payloads.getStream(ref)) pieces.push(piece);
  return Buffer.concat(pieces);
}
