/**
 * What every `Bus` does, as tests: each implementation calls `busConformance` from a test file of its own.
 * Needs vitest; nothing but tests imports it.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Bus } from "../ports/index.js";

/** Two processes' ends of one bus. */
export interface FreshBus {
  readonly one: Bus;
  readonly other: Bus;
  cleanUp(): Promise<void>;
}

const bytes = (value: string): Uint8Array => Buffer.from(value, "utf8");
const text = (data: Uint8Array): string => Buffer.from(data).toString("utf8");

export function busConformance(name: string, makeBus: () => Promise<FreshBus>): void {
  describe(`bus conformance: ${name}`, () => {
    let fresh: FreshBus;
    let one: Bus;
    let other: Bus;
    let heard: string[];

    beforeEach(async () => {
      fresh = await makeBus();
      ({ one, other } = fresh);
      heard = [];
    });
    afterEach(() => fresh.cleanUp());

    /** What was published before on either side has been handled on the other. */
    async function settle(): Promise<void> {
      for (let round = 0; round < 3; round++) {
        await one.flush();
        await other.flush();
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
      }
    }

    test("messages of one sender on one subject arrive in order", async () => {
      other.subscribe("a.b", (message) => heard.push(text(message.data)));
      await settle();
      const want = Array.from({ length: 200 }, (_, at) => String(at));
      for (const value of want) one.publish("a.b", bytes(value));
      await settle();
      expect(heard).toEqual(want);
    });

    test("a sender hears itself, and everybody who listens hears it", async () => {
      one.subscribe("a", () => heard.push("one"));
      other.subscribe("a", () => heard.push("other"));
      await settle();
      one.publish("a", bytes("x"));
      await settle();
      expect(heard.toSorted()).toEqual(["one", "other"]);
    });

    test("a star stands for one token, a greater-than sign for the rest", async () => {
      other.subscribe("a.*.c", (message) => heard.push(`star ${message.subject}`));
      other.subscribe("a.>", (message) => heard.push(`rest ${message.subject}`));
      await settle();
      for (const subject of ["a.b.c", "a.b.c.d", "a", "b.b.c"]) one.publish(subject, bytes(""));
      await settle();
      expect(heard.toSorted()).toEqual(["rest a.b.c", "rest a.b.c.d", "star a.b.c"]);
    });

    test("one of a queue group gets each message", async () => {
      one.subscribe("q", (message) => heard.push(text(message.data)), { queue: "g" });
      other.subscribe("q", (message) => heard.push(text(message.data)), { queue: "g" });
      await settle();
      const want = Array.from({ length: 50 }, (_, at) => String(at).padStart(2, "0"));
      for (const value of want) one.publish("q", bytes(value));
      await settle();
      expect(heard.toSorted()).toEqual(want);
    });

    test("after unsubscribing nothing comes", async () => {
      const subscription = other.subscribe("a", () => heard.push("heard"));
      await settle();
      subscription.unsubscribe();
      await settle();
      one.publish("a", bytes("x"));
      await settle();
      expect(heard).toEqual([]);
    });

    test("a handler that throws does not end its subscription", async () => {
      other.subscribe("a", (message) => {
        heard.push(text(message.data));
        throw new Error("a handler's own mistake");
      });
      await settle();
      one.publish("a", bytes("1"));
      one.publish("a", bytes("2"));
      await settle();
      expect(heard).toEqual(["1", "2"]);
    });

    test("a request gets its answer, and answering what is no request does nothing", async () => {
      other.subscribe("ask", (message) => message.respond(bytes(`re: ${text(message.data)}`)));
      await settle();
      expect(text(await one.request("ask", bytes("what"), 1_000))).toBe("re: what");
      one.publish("ask", bytes("no reply wanted"));
      await settle();
    });

    test("a request that nobody listens to fails at once", async () => {
      await expect(one.request("nobody", bytes(""), 5_000)).rejects.toMatchObject({
        code: "no-responders",
        retry: "safe",
      });
    });

    test("a request that nobody answers times out", async () => {
      other.subscribe("silence", () => heard.push("heard"));
      await settle();
      await expect(one.request("silence", bytes(""), 50)).rejects.toMatchObject({
        code: "timeout",
        retry: "unknown-outcome",
      });
      expect(heard).toEqual(["heard"]);
    });

    test("inboxes are never the same", () => {
      const inboxes = new Set(Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? one : other).inbox()));
      expect(inboxes.size).toBe(100);
    });

    test("a message over the limit is refused; one at a quarter of it arrives whole", async () => {
      expect(() => one.publish("a", new Uint8Array(one.maxMessageBytes + 1))).toThrow(
        expect.objectContaining({ code: "too-large" }),
      );
      const large = new Uint8Array(Math.floor(one.maxMessageBytes / 4)).fill(7);
      other.subscribe("a", (message) => heard.push(String(message.data.length)));
      await settle();
      one.publish("a", large);
      await settle();
      expect(heard).toEqual([String(large.length)]);
    });

    test.each(["", "a b", "a\r\nPUB b 0", "tab\there"])("%j is refused as a subject", (subject) => {
      expect(() => one.publish(subject, bytes(""))).toThrow(/no subject/);
    });
  });
}
