/** The parts of LevelDB's formats, on known values and on anything at all. */
import { assert as assertProperty, integer, property, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { DamagedBytes } from "./byte-reader.js";
import { crc32c, maskedCrc32c } from "./crc32c.js";
import { readLogRecords } from "./log-records.js";
import { unpackSnappy } from "./snappy.js";

test("CRC-32C has the values of RFC 3720, from any place on", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  expect(crc32c(new Uint8Array(32), 0, 32)).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff), 0, 32)).toBe(0x62a8ab43);
  expect(crc32c(ascending, 0, 32)).toBe(0x46dd794e);
  expect(crc32c(Buffer.concat([Buffer.from("abc"), Buffer.from("123456789")]), 3, 12)).toBe(0xe3069283);
  expect(crc32c(ascending, 5, 5)).toBe(0);
});

test("Snappy: literals and copies, also ones that overlap what they write", () => {
  // "ab", then 7 bytes from 2 back (2-byte offset), then 4 bytes from 3 back (1-byte offset).
  expect(unpackSnappy(Buffer.from([13, 0x04, 0x61, 0x62, (6 << 2) | 2, 2, 0, 1, 3])).toString()).toBe(
    "ababababaabaa",
  );
  expect(unpackSnappy(Buffer.from([0])).length).toBe(0);
});

test("Snappy: anything at all is unpacked or refused, never read beyond its end", () => {
  expect(() => unpackSnappy(Buffer.from([4, 0x0c, 1]))).toThrow(DamagedBytes);
  expect(() => unpackSnappy(Buffer.from([4, 0x01, 9]))).toThrow(DamagedBytes);
  assertProperty(
    property(uint8Array({ maxLength: 60 }), (bytes) => survives(() => unpackSnappy(Buffer.from(bytes)))),
  );
});

test("a log gives its records back; a flip is a gap where an intact record follows, else a torn tail", () => {
  const sizes = [0, 12, 40_000, 5, 100_000, 7];
  const file = logOf(sizes.map((size, i) => Buffer.alloc(size, i)));
  expect(readLogRecords(file)).toMatchObject({
    records: sizes.map((length) => ({ length })),
    damage: undefined,
  });
  assertProperty(
    property(integer({ min: 0, max: file.length - 1 }), integer({ min: 0, max: 7 }), (at, bit) => {
      const damaged = Buffer.from(file);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
      const { records, damage } = readLogRecords(damaged);
      // The last record is a header of 7 bytes and 7 more.
      expect(damage?.validAfter).toBe(at < file.length - 14);
      expect(records.every(({ length }, i) => length === sizes[i])).toBe(true);
    }),
  );
});

function survives(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    return error instanceof DamagedBytes;
  }
}

/** Writes as LevelDB's log writer does. */
function logOf(records: readonly Buffer[]): Buffer {
  const block = 32 * 1024;
  const parts: Buffer[] = [];
  let at = 0;
  const append = (part: Buffer) => {
    parts.push(part);
    at += part.length;
  };
  for (const record of records) {
    let from = 0;
    do {
      const left = block - (at % block);
      if (left < 7) append(Buffer.alloc(left));
      const to = Math.min(record.length, from + block - (at % block) - 7);
      const type = to === record.length ? (from === 0 ? 1 : 4) : from === 0 ? 2 : 3;
      const body = Buffer.concat([Buffer.of(type), record.subarray(from, to)]);
      const header = Buffer.alloc(6);
      header.writeUInt32LE(maskedCrc32c(body, 0, body.length), 0);
      header.writeUInt16LE(to - from, 4);
      append(Buffer.concat([header, body]));
      from = to;
    } while (from < record.length);
  }
  return Buffer.concat(parts);
}
