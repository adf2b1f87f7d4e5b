/**
 * What every `CommandLog` does, as tests: each implementation calls `commandLogConformance` from a test file of its own.
 * Needs vitest; nothing but tests imports it.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommandLog, LogEntry } from "../ports/index.js";

/** A log with at least two empty partitions, and the ways to damage it. */
export interface FreshCommandLog {
  readonly log: CommandLog;
  /** Removes what is before `firstSeq`. */
  trim(partition: number, firstSeq: number): Promise<void>;
  /** Deletes the partition's log and makes it anew, empty. */
  recreate(partition: number): Promise<void>;
  cleanUp(): Promise<void>;
}

const text = (entry: LogEntry): string => Buffer.from(entry.data).toString("utf8");
const bytes = (value: string): Uint8Array => Buffer.from(value, "utf8");
const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export function commandLogConformance(name: string, makeLog: () => Promise<FreshCommandLog>): void {
  describe(`command log conformance: ${name}`, () => {
    let fresh: FreshCommandLog;
    let log: CommandLog;

    beforeEach(async () => {
      fresh = await makeLog();
      log = fresh.log;
    });
    afterEach(() => fresh.cleanUp());

    async function appendAll(partition: number, values: readonly string[]): Promise<number[]> {
      return await Promise.all(values.map((value) => log.append(partition, bytes(value))));
    }

    /** Reads until `count` entries came. */
    async function readSome(partition: number, fromSeq: number, count: number): Promise<LogEntry[]> {
      const read: LogEntry[] = [];
      for await (const batch of log.read(partition, fromSeq, new AbortController().signal)) {
        read.push(...batch);
        if (read.length >= count) break;
      }
      return read;
    }

    async function readError(partition: number, fromSeq: number): Promise<unknown> {
      return await readSome(partition, fromSeq, 1).catch((error: unknown) => error);
    }

    test("sequences are dense from 1 in the order of the calls, for each partition apart", async () => {
      expect(await appendAll(0, ["a", "b", "c"])).toEqual([1, 2, 3]);
      expect(await appendAll(1, ["x"])).toEqual([1]);
      expect((await readSome(0, 1, 3)).map(text)).toEqual(["a", "b", "c"]);
    });

    test("an empty log says so", async () => {
      const info = await log.info(0);
      expect([info.firstSeq, info.lastSeq, info.bytes]).toEqual([1, 0, 0]);
      expect(info.createdNs).toBeGreaterThan(0n);
    });

    test("info tells the ends and the size, and keeps telling the same creation", async () => {
      const before = await log.info(0);
      await appendAll(0, ["a", "b"]);
      const after = await log.info(0);
      expect([after.firstSeq, after.lastSeq]).toEqual([1, 2]);
      expect(after.bytes).toBeGreaterThan(0);
      expect(after.createdNs).toBe(before.createdNs);
    });

    test("an entry can be looked at alone, and is what read delivers", async () => {
      await appendAll(0, ["a", "b"]);
      const [, second] = await readSome(0, 1, 2);
      expect(await log.entry(0, 2)).toEqual(second);
      expect(await log.entry(0, 3)).toBeUndefined();
      expect(await log.entry(0, 0)).toBeUndefined();
    });

    test("an empty entry and one of the largest size come back as they were", async () => {
      const largest = new Uint8Array(log.maxEntryBytes).map((_, at) => (at * 31) & 0xff);
      await log.append(0, new Uint8Array(0));
      await log.append(0, largest);
      const [empty, full] = await readSome(0, 1, 2);
      expect(empty?.data.length).toBe(0);
      expect(Buffer.from(full?.data ?? []).equals(largest)).toBe(true);
    });

    test("an entry over the largest size is refused and not stored", async () => {
      const over = new Uint8Array(log.maxEntryBytes + 1);
      await expect(log.append(0, over)).rejects.toMatchObject({ code: "too-large", retry: "never" });
      expect((await log.info(0)).lastSeq).toBe(0);
    });

    test("read begins exactly where it is told", async () => {
      await appendAll(0, ["a", "b", "c", "d"]);
      expect((await readSome(0, 3, 2)).map(text)).toEqual(["c", "d"]);
    });

    test("read delivers what is there, then what comes, without gap or duplicate", async () => {
      const want = Array.from({ length: 300 }, (_, at) => `entry ${at}`);
      await appendAll(0, want.slice(0, 100));
      const reading = readSome(0, 1, want.length);
      await appendAll(0, want.slice(100, 200));
      await sleep(20);
      await appendAll(0, want.slice(200));
      const got = await reading;
      expect(got.map(text)).toEqual(want);
      expect(got.map(({ seq }) => seq)).toEqual(want.map((_, at) => at + 1));
    });

    test("two readers of one partition each get everything", async () => {
      const both = Promise.all([readSome(0, 1, 3), readSome(0, 1, 3)]);
      await appendAll(0, ["a", "b", "c"]);
      const [one, other] = await both;
      expect(one.map(text)).toEqual(["a", "b", "c"]);
      expect(other.map(text)).toEqual(["a", "b", "c"]);
    });

    test("a reader that is slow gets all of it in the end", async () => {
      const value = "v".repeat(10_000);
      const count = 1_200;
      const reading = (async () => {
        let seen = 0;
        for await (const batch of log.read(0, 1, new AbortController().signal)) {
          for (const entry of batch) expect(entry.seq).toBe(++seen);
          if (seen >= count) break;
          await sleep(1);
        }
        return seen;
      })();
      for (let at = 0; at < count; at += 100)
        await appendAll(
          0,
          Array.from({ length: 100 }, () => value),
        );
      expect(await reading).toBe(count);
    });

    test("aborting ends the iteration, whether something comes or not", async () => {
      await appendAll(0, ["a"]);
      const stop = new AbortController();
      const seen: string[] = [];
      for await (const batch of log.read(0, 1, stop.signal)) {
        seen.push(...batch.map(text));
        setTimeout(() => stop.abort(), 20);
      }
      expect(seen).toEqual(["a"]);
      for await (const batch of log.read(0, 1, AbortSignal.abort())) seen.push(...batch.map(text));
      expect(seen).toEqual(["a"]);
    });

    test("reading right after the end waits for the next entry", async () => {
      await appendAll(0, ["a"]);
      const reading = readSome(0, 2, 1);
      await sleep(50);
      await appendAll(0, ["b"]);
      expect((await reading).map(text)).toEqual(["b"]);
    });

    test("reading from before the first kept entry is a gap, never a silent jump", async () => {
      await appendAll(0, ["a", "b", "c"]);
      await fresh.trim(0, 3);
      expect(await log.info(0)).toMatchObject({ firstSeq: 3, lastSeq: 3 });
      expect(await readError(0, 2)).toMatchObject({ code: "log-gap" });
      expect((await readSome(0, 3, 1)).map(text)).toEqual(["c"]);
    });

    test("a log trimmed to nothing still knows where it stands", async () => {
      await appendAll(0, ["a", "b"]);
      await fresh.trim(0, 3);
      expect(await log.info(0)).toMatchObject({ firstSeq: 3, lastSeq: 2 });
      const reading = readSome(0, 3, 1);
      expect(await log.append(0, bytes("c"))).toBe(3);
      expect((await reading).map(text)).toEqual(["c"]);
    });

    test("reading from beyond the end is a gap, never a silent wait", async () => {
      await appendAll(0, ["a"]);
      expect(await readError(0, 3)).toMatchObject({ code: "log-gap" });
    });

    test("a log recreated under a reader is a gap for it", async () => {
      await appendAll(0, ["a", "b"]);
      const before = await log.info(0);
      const seen: string[] = [];
      const reading = (async () => {
        for await (const batch of log.read(0, 1, new AbortController().signal)) seen.push(...batch.map(text));
      })().catch((error: unknown) => error);
      while (seen.length < 2) await sleep(5);
      await fresh.recreate(0);
      await appendAll(0, ["other", "entries", "here"]);
      expect(await reading).toMatchObject({ code: "log-gap" });
      expect(seen).toEqual(["a", "b"]);
      expect((await log.info(0)).createdNs).not.toBe(before.createdNs);
    });

    test("a partition that is none is a mistake of the caller's", async () => {
      await expect(log.append(log.partitions, bytes("a"))).rejects.toThrow(RangeError);
      await expect(log.info(-1)).rejects.toThrow(RangeError);
    });
  });
}
