/** What comes from servers and from anybody who publishes, read without surprises. */
import { assert as assertProperty, property, string, uint8Array } from "fast-check";
import { describe, expect, test } from "vitest";
import { versionProblem } from "./connection.js";
import { ackSubject } from "./delivery.js";
import { HEADERS_MAX, headerIn, parseHeaderBlock } from "./header-block.js";
import { parseTimeNs } from "./js-time.js";

describe("a server's version", () => {
  test.each(["2.10.0", "2.10.27", "2.11.0-RC.1", "2.15.1", "3.0.0", "10.1.2"])("%s will do", (version) => {
    expect(versionProblem(version)).toBeUndefined();
  });
  test.each(["2.9.25", "1.99.0", "0.0.0", "", "next"])("%j is refused with what to do", (version) => {
    expect(versionProblem(version)).toMatch(/needs 2\.10 or newer.*upgrade nats-server/);
  });
});

describe("a time", () => {
  test.each([
    ["1970-01-01T00:00:00Z", 0n],
    ["2026-11-21T03:41:10.123456789Z", 1_795_232_470_123_456_789n],
    ["2026-11-21T03:41:10.1Z", 1_795_232_470_100_000_000n],
    ["2026-11-21T05:41:10.000000001+02:00", 1_795_232_470_000_000_001n],
  ])("%s is exact to the nanosecond", (text, ns) => expect(parseTimeNs(text)).toBe(ns));

  test.each(["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-21T03:41:10.1234567890Z", "2026-11-21"])(
    "%j is none",
    (text) => expect(parseTimeNs(text)).toBeUndefined(),
  );
});

describe("a delivery", () => {
  test("is read from the short and the long form", () => {
    const place = { streamSeq: 42, atNs: 1_795_232_470_123_456_789n, delivered: 3 };
    expect(ackSubject("$JS.ACK.S.c.3.42.7.1795232470123456789.0")).toEqual(place);
    expect(ackSubject("$JS.ACK._.acc.S.c.3.42.7.1795232470123456789.0.tok")).toEqual(place);
  });

  test.each(["", "_INBOX.x", "$JS.ACK.S.c.1", "$JS.ACK.S.c.1.x.1.2.0", "$JS.ACK.S.c.1.2.1.x.0"])(
    "%j is none",
    (text) => expect(ackSubject(text)).toBeUndefined(),
  );
});

describe("headers", () => {
  const parse = (text: string) => parseHeaderBlock(Buffer.from(text, "utf8"));

  test("keep their order, values trimmed, found whatever their case", () => {
    const parsed = parse("NATS/1.0\r\nA: 1\r\nb-C:  two \r\na: 3\r\n\r\n");
    expect(parsed).toEqual({
      all: [
        ["A", "1"],
        ["b-C", "two"],
        ["a", "3"],
      ],
    });
    expect(headerIn(parsed, "B-c")).toBe("two");
    expect(headerIn(parsed, "a")).toBe("1");
    expect(headerIn(parsed, "none")).toBeUndefined();
  });

  test("up to the limit are taken, one more is a problem", () => {
    const many = (count: number) => `NATS/1.0\r\n${"h: x\r\n".repeat(count)}\r\n`;
    expect(parse(many(HEADERS_MAX)).problem).toBeUndefined();
    expect(parse(many(HEADERS_MAX + 1)).problem).toContain("more than");
  });

  test("of any bytes are read or refused, never thrown at", () => {
    assertProperty(
      property(uint8Array({ maxLength: 200 }), (block) => {
        const { all, problem } = parseHeaderBlock(block);
        expect(problem === undefined || all.length === 0).toBe(true);
      }),
    );
    assertProperty(
      property(string(), (text) => {
        for (const [name] of parse(`NATS/1.0\r\n${text}\r\n\r\n`).all) expect(name).toMatch(/^[\x21-\x7e]+$/);
      }),
    );
  });
});
