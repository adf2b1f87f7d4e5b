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
        timeout: 10_000,
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

    test("there is nothing to replay under an id that is none", async () => {
      expect(await work.replayRejected(1)).toBe(false);
      expect(await work.replayRejected(0)).toBe(false);
      expect(await work.listRejected({ afterId: 0, limit: 5 })).toEqual({ entries: [], more: false });
    });
  });
}
