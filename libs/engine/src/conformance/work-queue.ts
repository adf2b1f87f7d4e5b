/**
 * What every `WorkQueue` does, as tests. Needs vitest; nothing but tests imports it.
 */
import { RejectCode } from "@holdfast/proto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { WorkMessage, WorkQueue } from "../ports/index.js";

export interface FreshWorkQueue {
  readonly work: WorkQueue;
  /** As any client would; resolves once it is stored. */
  publish(subject: string, data: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<void>;
  cleanUp(): Promise<void>;
}

const bytes = (value: string): Uint8Array => Buffer.from(value, "utf8");
const text = (data: Uint8Array): string => Buffer.from(data).toString("utf8");

export function workQueueConformance(name: string, makeQueue: () => Promise<FreshWorkQueue>): void {
  describe(`work queue conformance: ${name}`, () => {
    let fresh: FreshWorkQueue;
    let work: WorkQueue;
    let stop: AbortController;
    let got: WorkMessage[];

    beforeEach(async () => {
      fresh = await makeQueue();
      ({ work } = fresh);
      stop = new AbortController();
      got = [];
      void (async () => {
        for await (const batch of work.read(stop.signal)) got.push(...batch);
      })();
    });
    afterEach(async () => {
      stop.abort();
      await fresh.cleanUp();
    });

    async function receive(count: number): Promise<WorkMessage[]> {
      await vi.waitFor(() => expect(got.length).toBeGreaterThanOrEqual(count), {
        timeout: 60_000,
        interval: 5,
      });
      return got;
    }

    const settle = (ms = 150): Promise<void> =>
      new Promise((resolve) => {
        setTimeout(resolve, ms);
      });

    test("messages arrive in order with subject, body and headers", async () => {
      await fresh.publish("holdfast.work.orders", bytes("1"), { "Holdfast-Run-Id": "r1", "X-Other": "y" });
      await fresh.publish("holdfast.work.orders", bytes("2"));
      const [first, second] = await receive(2);
      expect(first?.subject).toBe("holdfast.work.orders");
      expect([first, second].map((one) => text(one?.data ?? bytes("none")))).toEqual(["1", "2"]);
      expect(first?.header("holdfast-run-ID")).toBe("r1");
      expect(first?.headerList()).toEqual(
        expect.arrayContaining([
          ["Holdfast-Run-Id", "r1"],
          ["X-Other", "y"],
        ]),
      );
      expect(second?.header("Holdfast-Run-Id")).toBeUndefined();
      expect(second?.headerProblem).toBeUndefined();
      expect((second?.seq ?? 0) - (first?.seq ?? 0)).toBe(1);
      expect(first?.streamCreatedNs).toBeGreaterThan(0n);
    });

    test("one that is given back comes again, as the same message; one acknowledged does not", async () => {
      await fresh.publish("holdfast.work.a", bytes("x"));
      await fresh.publish("holdfast.work.b", bytes("y"));
      const [first, second] = await receive(2);
      first?.retryLater(20);
      second?.ack();
      const again = (await receive(3))[2];
      expect([again?.seq, again?.streamCreatedNs, again?.subject]).toEqual([
        first?.seq,
        first?.streamCreatedNs,
        "holdfast.work.a",
      ]);
      again?.ack();
      await settle();
      expect(got).toHaveLength(3);
    });

    test("a look sees what has not left the queue, newest first, and takes nothing", async () => {
      const seen = async (limit: number): Promise<unknown[]> => {
        const found: unknown[] = [];
        for await (const { message, taken } of work.peek(limit))
          found.push([message.subject, text(message.data), message.header("holdfast-run-id"), taken]);
        return found;
      };
      expect(await seen(10)).toEqual([]);
      await fresh.publish("holdfast.work.a", bytes("1"), { "Holdfast-Run-Id": "r1" });
      await fresh.publish("holdfast.work.b", bytes("2"));
      const [first, second] = await receive(2);
      const one = ["holdfast.work.a", "1", "r1", true];
      const two = ["holdfast.work.b", "2", undefined, true];
      expect(await seen(10)).toEqual([two, one]);
      expect(await seen(1)).toEqual([two]);
      second?.ack();
      await expect.poll(() => seen(10), { timeout: 60_000 }).toEqual([one]);
      first?.ack();
      await expect.poll(() => seen(10), { timeout: 60_000 }).toEqual([]);
      await settle();
      expect(got).toHaveLength(2);
    });

    test("rejected work keeps body, headers and reason, and is there once", async () => {
      await fresh.publish("holdfast.work.orders", bytes("{"), {
        "Content-Type": "application/json",
        "Nats-Msg-Id": "m",
      });
      const [message] = await receive(1);
      if (message === undefined) throw new Error("nothing came");
      await work.reject(message, RejectCode.MALFORMED, "not JSON:\r\nat 1");
      await work.reject(message, RejectCode.MALFORMED, "not JSON:\r\nat 1");
      expect(await work.countRejected()).toBe(1);
      const { entries, more } = await work.listRejected({ afterId: 0, limit: 10 });
      expect(more).toBe(false);
      expect(entries).toHaveLength(1);
      expect(entries[0]).toMatchObject({ subject: "holdfast.work.orders", code: RejectCode.MALFORMED });
      expect(entries[0]?.reason).toMatch(/^not JSON:\s+at 1$/);
      expect(text(entries[0]?.data ?? bytes("none"))).toBe("{");
      expect(entries[0]?.headers).toEqual({ "Content-Type": "application/json", "Nats-Msg-Id": "m" });
      expect(entries[0]?.rejectedAtMs).toBeGreaterThan(0);
    });

    test("rejected work is listed by page, and by workflow", async () => {
      for (const subject of [
        "holdfast.work.a",
        "holdfast.work.b",
        "holdfast.work.a",
        "holdfast.work.bad.name",
      ]) {
        await fresh.publish(subject, bytes(subject));
      }
      for (const message of await receive(4))
        await work.reject(message, RejectCode.UNKNOWN_WORKFLOW, "nobody has it");
      const first = await work.listRejected({ afterId: 0, limit: 3 });
      expect([first.entries.length, first.more]).toEqual([3, true]);
      const rest = await work.listRejected({ afterId: first.entries[2]?.id ?? 0, limit: 3 });
      expect(rest.more).toBe(false);
      expect(rest.entries.map(({ subject }) => subject)).toEqual(["holdfast.work.bad.name"]);
      const ofA = await work.listRejected({ workflow: "a", afterId: 0, limit: 10 });
      expect(ofA.entries.map(({ subject }) => subject)).toEqual(["holdfast.work.a", "holdfast.work.a"]);
    });

    test("replayed work is back in the queue with an id, and its rejected copy gone", async () => {
      await fresh.publish("holdfast.work.orders", bytes("1"), { "Holdfast-Priority": "5" });
      const [message] = await receive(1);
      if (message === undefined) throw new Error("nothing came");
      await work.reject(message, RejectCode.UNKNOWN_WORKFLOW, "nobody has it");
      message.ack();
      const id = (await work.listRejected({ afterId: 0, limit: 1 })).entries[0]?.id ?? 0;
      expect(await work.replayRejected(id)).toBe(true);
      expect(await work.replayRejected(id)).toBe(false);
      expect(await work.countRejected()).toBe(0);
      const back = (await receive(2))[1];
      expect(back?.subject).toBe("holdfast.work.orders");
      expect(text(back?.data ?? bytes("none"))).toBe("1");
      expect(back?.header("Holdfast-Priority")).toBe("5");
      expect(back?.header("Nats-Msg-Id")).toMatch(/^replay-/);
    });

    test("work that came with an id is replayed under it, however soon", async () => {
      await fresh.publish("holdfast.work.orders", bytes("1"), { "Nats-Msg-Id": "mine" });
      const [message] = await receive(1);
      if (message === undefined) throw new Error("nothing came");
      await work.reject(message, RejectCode.UNKNOWN_WORKFLOW, "nobody has it");
      message.ack();
      const id = (await work.listRejected({ afterId: 0, limit: 1 })).entries[0]?.id ?? 0;
      expect(await work.replayRejected(id)).toBe(true);
      expect((await receive(2))[1]?.header("nats-msg-id")).toBe("mine");
    });

    /** One rejected message, by its id. */
    async function oneRejected(body = "1", headers: Readonly<Record<string, string>> = {}): Promise<number> {
      await fresh.publish("holdfast.work.orders", bytes(body), headers);
      const message = (await receive(got.length + 1)).at(-1);
      if (message === undefined) throw new Error("nothing came");
      await work.reject(message, RejectCode.SCHEMA_MISMATCH, "no");
      message.ack();
      return (await work.listRejected({ afterId: 0, limit: 100 })).entries.at(-1)?.id ?? 0;
    }
    const ann = { who: "ann", reason: "because" };
    const changed = (body: string, headers: Readonly<Record<string, string>> = {}) => ({
      subject: "holdfast.work.letters",
      data: bytes(body),
      headers: Object.entries(headers),
    });

    test("one is read whole, and a list cuts bodies where it is asked to", async () => {
      const id = await oneRejected("12345", { "X-Own": "y" });
      expect(await work.getRejected(id)).toMatchObject({ id, bodyBytes: 5, headers: { "X-Own": "y" } });
      expect(text((await work.getRejected(id))?.data ?? bytes(""))).toBe("12345");
      const { entries } = await work.listRejected({ afterId: 0, limit: 5, bodyBytesMax: 2 });
      expect(entries.map(({ data, bodyBytes }) => [text(data), bodyBytes])).toEqual([["12", 5]]);
      expect([await work.getRejected(id + 1), await work.getRejected(0)]).toEqual([undefined, undefined]);
    });

    test("one is replayed as another: its subject, body and headers are those that are given", async () => {
      const id = await oneRejected("{", { "Holdfast-Priority": "high" });
      expect(await work.replayRejected(id, ann, changed("2", { "X-New": "z" }))).toBe(true);
      const back = (await receive(2))[1];
      expect([back?.subject, text(back?.data ?? bytes(""))]).toEqual(["holdfast.work.letters", "2"]);
      expect([back?.header("x-new"), back?.header("holdfast-priority")]).toEqual(["z", undefined]);
      expect(back?.header("nats-msg-id")).toMatch(/^replay-/);
      expect(await work.countRejected()).toBe(0);
      expect(await work.listDecided(10)).toMatchObject([{ id, what: "replay", edited: true, ...ann }]);
    });

    test("one that is discarded is gone, and stays among what was decided, the newest first", async () => {
      const [one, two] = [await oneRejected("1"), await oneRejected("2")];
      expect(await work.discardRejected(one, ann)).toBe(true);
      expect(await work.discardRejected(one, ann)).toBe(false);
      expect(await work.replayRejected(one)).toBe(false);
      expect(await work.replayRejected(two, { who: "bob", reason: "" })).toBe(true);
      expect(await work.countRejected()).toBe(0);
      const decided = await work.listDecided(10);
      expect(decided.map(({ id, what, who }) => [id, what, who])).toEqual([
        [two, "replay", "bob"],
        [one, "discard", "ann"],
      ]);
      expect(await work.listDecided(1)).toHaveLength(1);
    });

    test("of two who decide at once one counts: one message comes back, or none", async () => {
      const id = await oneRejected("1");
      const settled = await Promise.allSettled([
        work.replayRejected(id, ann, changed("2", { "Holdfast-Run-Id": "a" })),
        work.replayRejected(id, ann, changed("3", { "Holdfast-Run-Id": "b" })),
        work.discardRejected(id, ann),
        work.replayRejected(id, ann),
      ]);
      // As it came, or as whoever was first has changed it.
      const [decided] = await work.listDecided(10);
      expect(await work.listDecided(10)).toHaveLength(1);
      expect(await work.countRejected()).toBe(0);
      await settle();
      const runs = new Set(got.slice(1).map((each) => each.header("holdfast-run-id") ?? text(each.data)));
      expect(runs.size).toBe(decided?.what === "discard" ? 0 : 1);
      for (const each of settled)
        if (each.status === "rejected") expect(each.reason).toMatchObject({ code: "conflict" });
    });

    test("two who replay it as it came at once make one message of it", async () => {
      const id = await oneRejected("1");
      const done = await Promise.all(Array.from({ length: 4 }, () => work.replayRejected(id, ann)));
      expect(done).toContain(true);
      await receive(2);
      await settle();
      expect(new Set(got.slice(1).map((each) => each.header("nats-msg-id"))).size).toBe(1);
      expect(await work.countRejected()).toBe(0);
    });

    test("there is nothing to replay under an id that is none", async () => {
      expect(await work.replayRejected(1)).toBe(false);
      expect(await work.replayRejected(0)).toBe(false);
      expect(await work.listRejected({ afterId: 0, limit: 5 })).toEqual({ entries: [], more: false });
    });
  });
}
