/** Messages as real systems write them: which are alike, which are not, and what always holds. */
import * as fc from "fast-check";
import { describe, expect, inject, test } from "vitest";
import { NORMAL_CHARS_MAX, normaliseMessage } from "./normalise.js";

/** Each row is one signature. */
const ALIKE: readonly (readonly [reads: string, ...messages: string[]])[] = [
  [
    "row <n> is not valid",
    "row 1 is not valid",
    "row 99182 is not valid",
    "row -7 is not valid",
    "row 1,204.50 is not valid",
  ],
  ["timed out after <n>ms", "timed out after 30000ms", "timed out after 5ms"],
  [
    "connect ECONNREFUSED <ip>",
    "connect ECONNREFUSED 127.0.0.1:5432",
    "connect ECONNREFUSED 10.0.14.2:5432",
    "connect ECONNREFUSED ::1:6379",
    "connect ECONNREFUSED fe80::1ff:fe23:4567:890a",
  ],
  [
    "order <id> not found",
    "order 6f1c24a0-0f6b-4c0e-9a3b-1d2e3f405162 not found",
    "order 6F1C24A0-0F6B-4C0E-9A3B-1D2E3F405162 not found",
    "order 01ARZ3NDEKTSV4RRFFQ69G5FAV not found",
    "order 0x7ffee3b2 not found",
    "order 5f3c9a1be2d44c0012ab34cd not found",
    "order V1StGXR8_Z5jdHi6B-myT not found",
  ],
  ["no such user: <email>", "no such user: ann@example.com", "no such user: j.r+test@mail.example.co.uk"],
  [
    "GET <url> answered with status 503",
    "GET https://api.example.com/v1/orders/12?x=1 answered with status 503",
    "GET http://localhost:8080/ answered with status 503",
  ],
  [
    "Unexpected token '*' in JSON at position <n>",
    "Unexpected token 'a' in JSON at position 12",
    "Unexpected token '}' in JSON at position 0",
  ],
  [
    "ENOENT: no such file or directory, open '*'",
    "ENOENT: no such file or directory, open '/var/data/in/7.csv'",
    "ENOENT: no such file or directory, open 'C:\\data\\it is.csv'",
  ],
  [
    "could not read /srv/import/<file>.csv: permission denied",
    "could not read /srv/import/customers.csv: permission denied",
    "could not read /srv/import/2024-05-orders.csv: permission denied",
  ],
  [
    "token expired at <time>",
    "token expired at 2026-03-01T12:00:00.123Z",
    "token expired at 2026-03-01 12:00:00",
    "token expired at 2025-11-30",
  ],
  [
    'duplicate key value violates unique constraint "*" Key (email)=(<email>) already exists',
    'duplicate key value violates unique constraint "users_email_key" Key (email)=(a@b.c) already exists',
    'duplicate key value violates unique constraint "users_email_key" Key (email)=(long.name@example.org) already exists',
  ],
  ["missing ids: <n>", "missing ids: 4", "missing ids: 4, 5, 6", "missing ids: 4,5"],
  ["unknown columns `*`", "unknown columns `a`", "unknown columns `a`, `b`, `c`"],
  ["can't load user's profile <n>", "can't load user's profile 7", "can't load user's profile 12"],
  ["shard node<n> is down", "shard node1 is down", "shard node17 is down"],
  [
    "at handler (/app/src/<file>.js:<n>:<n>)",
    "at handler (/app/src/load.js:10:4)",
    "at handler (/app/src/save.js:1:99)",
  ],
  ["第<n>行无效", "第5行无效", "第1024行无效"],
  ["two words", "two   words", " two\n\twords "],
  ["see <url>, then try again", "see https://example.com/a?b=c#d, then try again"],
];

const APART: readonly (readonly string[])[] = [
  ["connect ECONNREFUSED 10.0.0.1:80", "connect ETIMEDOUT 10.0.0.1:80", "getaddrinfo ENOTFOUND db"],
  ["Request failed with status code 404", "Request failed with status code 500", "HTTP 429"],
  ["ORA-00942: table does not exist", "ORA-00001: table does not exist"],
  ["process exited with code 1", "process exited with code 137"],
  ["POST /api/orders failed", "POST /api/customers failed"],
  ["name is required", "email is required"],
  ["timed out after 30s", "timed out after 30ms"],
  ["value too long", "value too short"],
];

describe("messages that differ in what varies alone", () => {
  test.each(ALIKE.flatMap(([reads, ...messages]) => messages.map((message) => [message, reads] as const)))(
    "%j reads %j",
    (message, reads) => expect(normaliseMessage(message)).toBe(reads),
  );
});

test.each(APART)("%j and what is like it stay apart", (...messages) => {
  expect(new Set(messages.map(normaliseMessage)).size).toBe(messages.length);
});

/** What rules of all kinds meet in. */
const PIECES = [
  ...Array.from("<>\"'`“”‘’«»()[]{}.,:;/\\-_+@=%#!?|*… \n"),
  "<n>",
  "<id>",
  "<time>",
  "<file>",
  "<url>",
  "'*'",
  "1",
  "42",
  "404",
  "code",
  "status ",
  "sqlstate",
  "ORA",
  "Mon",
  "a",
  "abcdefabcdef",
  "x1",
  "ab",
  "ext.js",
  "a/b.csv",
  "://",
  "::1",
  "10.0.0.1",
  "2026-03-01",
  "12:30",
  "0f8f",
  "user",
  "node",
  "Z9",
  "AB",
  "é",
  "語",
  "😀",
  "\ud83d",
  "6f1c24a0-0f6b-4c0e-9a3b-1d2e3f405162",
];
const text = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((drawn) => drawn.join("")),
  fc.array(fc.constantFrom(...PIECES), { minLength: 80, maxLength: 200 }).map((drawn) => drawn.join("")),
  fc.string({ unit: "binary", maxLength: 600 }),
);
const RUNS = inject("sequences");

describe("whatever the message is", () => {
  test("it is normal once it was made so", () => {
    fc.assert(
      fc.property(text, (message) => {
        const once = normaliseMessage(message);
        expect(normaliseMessage(once)).toBe(once);
      }),
      { numRuns: RUNS },
    );
  });

  test("it stays within its length, and no character is halved", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 100, maxLength: 3000 }), (message) => {
        const normal = normaliseMessage(message);
        expect(normal.length).toBeLessThanOrEqual(NORMAL_CHARS_MAX);
        expect(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(normal)).toBe(
          false,
        );
      }),
    );
    expect(normaliseMessage(`${"x ".repeat(125)}ab😀😀😀`)).toMatch(/😀…$/u);
  });

  test.each(["'", '"', "a.", "1:", "/a", "-", "@", "<", "::", "é1", "a'", "0-0"])(
    "%j, over and over, is read in one pass",
    (piece) => {
      const normal = normaliseMessage(piece.repeat(1_000_000));
      expect(normal.length).toBeLessThanOrEqual(NORMAL_CHARS_MAX);
    },
  );
});
