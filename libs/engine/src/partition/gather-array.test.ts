/** Arrays that are put together of many elements: the same JSON whatever their size, and never more of it in memory than a piece. */
import { INLINE_PAYLOAD_BYTES_MAX } from "@holdfast/core";
import { describe, expect, test } from "vitest";
import { MemoryPayloads } from "../memory/memory-registry.js";
import { gatherArray } from "./gather-array.js";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
async function* elements(count: number, text: (n: number) => string): AsyncGenerator<Uint8Array[]> {
  // In two pieces each.
  for (let n = 0; n < count; n++) yield [utf8(text(n).slice(0, 1)), utf8(text(n).slice(1))];
}

async function gather(
  count: number,
  text: (n: number) => string,
  payloads = new MemoryPayloads(),
): Promise<unknown> {
  const { body } = await gatherArray(
    { elements: elements(count, text), what: "the outputs of action check" },
    payloads,
  );
  const bytes =
    body.case === "inline"
      ? body.value
      : body.case === "ref"
        ? await payloads.get(body.value)
        : new Uint8Array();
  return { case: body.case, value: JSON.parse(Buffer.from(bytes).toString()) as unknown };
}

describe("an array", () => {
  test.each([0, 1, 2, 2_500])("of %i small elements is inline", async (count) => {
    expect(await gather(count, (n) => `"${n}"`)).toEqual({
      case: "inline",
      value: Array.from({ length: count }, (_, n) => String(n)),
    });
  });

  test("beyond the inline limit is stored, whole", async () => {
    const text = (n: number): string => `"${String(n).padStart(1_000, "x")}"`;
    expect(await gather(5_000, text)).toEqual({
      case: "ref",
      value: Array.from({ length: 5_000 }, (_, n) => String(n).padStart(1_000, "x")),
    });
  });

  test.each([INLINE_PAYLOAD_BYTES_MAX, INLINE_PAYLOAD_BYTES_MAX + 1])(
    "of %i bytes is on its side of the limit",
    async (size) => {
      const found = await gather(1, () => `"${"x".repeat(size - 4)}"`);
      expect(found).toMatchObject({ case: size <= INLINE_PAYLOAD_BYTES_MAX ? "inline" : "ref" });
    },
  );

  test("that no handler could be given says whose it is, and what to do", async () => {
    const payloads = new MemoryPayloads(300_000);
    await expect(gather(400, () => `"${"x".repeat(1_000)}"`, payloads)).rejects.toMatchObject({
      code: "too-large",
      message: expect.stringMatching(
        /^the outputs of action check are more than 300000 bytes together.*a reference/,
      ) as unknown,
    });
  });

  test("is asked for as it is stored", async () => {
    let asked = 0;
    let askedAtFirstPiece = 0;
    class Watching extends MemoryPayloads {
      override async putStream(pieces: AsyncIterable<Uint8Array>) {
        return super.putStream(
          (async function* () {
            for await (const piece of pieces) {
              if (askedAtFirstPiece === 0) askedAtFirstPiece = asked;
              yield piece;
            }
          })(),
        );
      }
    }
    await gather(
      10_000,
      (n) => {
        asked = n;
        return `"${"x".repeat(100)}"`;
      },
      new Watching(),
    );
    expect(askedAtFirstPiece).toBeLessThan(3_000);
  });
});
