/**
 * What every `DefinitionRegistry` and `PayloadStore` does, as tests. Needs vitest; nothing but tests imports it.
 */
import { hashDefinition } from "@holdfast/core";
import { PayloadRefSchema, WorkflowDefinitionSchema } from "@holdfast/proto";
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
      await vi.waitFor(() => expect(seen).toEqual(["a/", "b/", "a/new"]), { timeout: 5_000 });
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
  });
}
