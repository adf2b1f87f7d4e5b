import { FailureMode } from "@holdfast/proto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { classifyFailure, MESSAGE_LIMIT_CHARS, STACK_LIMIT_CHARS } from "./classify.js";
import { signatureOf } from "./signature.js";
import { isKnownMode, modeName, modeNamed, traitsOf } from "./modes.js";

const named = (name: string, message = "it broke"): Error => Object.assign(new Error(message), { name });
const coded = (code: unknown, more: object = {}): Error =>
  Object.assign(new Error("it broke"), { code }, more);

describe("what is thrown has a mode", () => {
  const rows: readonly [string, unknown, FailureMode][] = [
    ["a plain error", new Error("it broke"), FailureMode.UNCLASSIFIED],
    [
      "its own mode",
      Object.assign(new Error("no"), { holdfastMode: "POLICY_SECURITY" }),
      FailureMode.POLICY_SECURITY,
    ],
    [
      "a mode of its own making",
      Object.assign(new Error("no"), { holdfastMode: "NO_SUCH" }),
      FailureMode.HANDLER_BUG,
    ],
    [
      "a mode's number for a name",
      Object.assign(new Error("no"), { holdfastMode: "1" }),
      FailureMode.HANDLER_BUG,
    ],
    [
      "what every object has for a name",
      Object.assign(new Error("no"), { holdfastMode: "toString" }),
      FailureMode.HANDLER_BUG,
    ],
    ["a bug", new TypeError("x is not a function"), FailureMode.HANDLER_BUG],
    ["another bug", new RangeError("too deep"), FailureMode.HANDLER_BUG],
    ["a failed assertion", named("AssertionError"), FailureMode.HANDLER_BUG],
    ["a string", "it broke", FailureMode.HANDLER_BUG],
    ["a number", 42, FailureMode.HANDLER_BUG],
    ["null", null, FailureMode.HANDLER_BUG],
    ["undefined", undefined, FailureMode.HANDLER_BUG],
    ["a symbol", Symbol("it"), FailureMode.HANDLER_BUG],
    ["a function", () => 1, FailureMode.HANDLER_BUG],
    ["an object", { some: "thing" }, FailureMode.HANDLER_BUG],
    ["a time-out", named("TimeoutError"), FailureMode.TIMEOUT],
    ["a call that its maker gave up", named("AbortError"), FailureMode.TIMEOUT],
    ["a validation", named("ZodError"), FailureMode.VALIDATION],
    ["a connection refused", coded("ECONNREFUSED"), FailureMode.UNAVAILABLE],
    ["a connection reset", coded("ECONNRESET"), FailureMode.NETWORK],
    ["a connection timed out", coded("ETIMEDOUT"), FailureMode.TIMEOUT],
    ["a full disk", coded("ENOSPC"), FailureMode.RESOURCE_EXHAUSTED],
    ["a missing file", coded("ENOENT"), FailureMode.NOT_FOUND],
    ["a forbidden file", coded("EACCES"), FailureMode.PERMISSION],
    ["a code of no meaning", coded("E_WHAT"), FailureMode.UNCLASSIFIED],
    ["a code that every object has", coded("constructor"), FailureMode.UNCLASSIFIED],
    ["gRPC: deadline exceeded", coded(4, { details: "late" }), FailureMode.TIMEOUT],
    ["gRPC: unauthenticated", coded(16, { metadata: {} }), FailureMode.PERMISSION],
    ["a number that is not gRPC's", coded(4), FailureMode.UNCLASSIFIED],
    ["HTTP 429", Object.assign(new Error("slow"), { status: 429 }), FailureMode.RATE_LIMITED],
    ["HTTP 503", Object.assign(new Error("down"), { statusCode: 503 }), FailureMode.UNAVAILABLE],
    ["HTTP 504", Object.assign(new Error("late"), { response: { status: 504 } }), FailureMode.TIMEOUT],
    ["HTTP 404", Object.assign(new Error("gone"), { status: 404 }), FailureMode.NOT_FOUND],
    ["HTTP 422", Object.assign(new Error("bad"), { status: 422 }), FailureMode.VALIDATION],
    ["HTTP 200", Object.assign(new Error("odd"), { status: 200 }), FailureMode.UNCLASSIFIED],
    ["what its cause says", new Error("call failed", { cause: coded("ECONNRESET") }), FailureMode.NETWORK],
    [
      "what says something itself, whatever its cause",
      coded("ENOENT", { cause: coded("ECONNRESET") }),
      FailureMode.NOT_FOUND,
    ],
    [
      "a bug with a cause",
      new TypeError("fetch failed", { cause: coded("ECONNREFUSED") }),
      FailureMode.UNAVAILABLE,
    ],
  ];
  test.each(rows)("%s", (_, thrown, mode) => {
    const failure = classifyFailure(thrown);
    expect(modeName(failure.mode)).toBe(modeName(mode));
    expect(failure.message).not.toBe("");
    expect(failure.rawClass).not.toBe("");
  });
});

/** Every code and status that has a meaning here, and neighbours that have none: these are UNCLASSIFIED, and retried. */
describe("the corpus", () => {
  const { TIMEOUT, NETWORK, UNAVAILABLE, RESOURCE_EXHAUSTED, PERMISSION, NOT_FOUND, CONFLICT } = FailureMode;
  const { UNCLASSIFIED, VALIDATION, RATE_LIMITED } = FailureMode;
  const CODES: readonly (readonly [FailureMode, string])[] = [
    [
      TIMEOUT,
      "ETIMEDOUT ESOCKETTIMEDOUT UND_ERR_CONNECT_TIMEOUT UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT ABORT_ERR ERR_CANCELED",
    ],
    [
      NETWORK,
      "ECONNRESET ECONNABORTED EPIPE ENETUNREACH ENETDOWN EHOSTUNREACH ENOTFOUND EAI_AGAIN UND_ERR_SOCKET",
    ],
    [UNAVAILABLE, "ECONNREFUSED EBUSY ERR_HTTP2_STREAM_ERROR CERT_HAS_EXPIRED"],
    [UNCLASSIFIED, "EWHATEVER P2025"],
    [RESOURCE_EXHAUSTED, "EMFILE ENFILE ENOMEM ENOSPC EDQUOT"],
    [PERMISSION, "EACCES EPERM"],
    [NOT_FOUND, "ENOENT"],
    [CONFLICT, "EEXIST"],
    [VALIDATION, "ERR_INVALID_ARG_VALUE"],
  ];
  const codes = CODES.flatMap(([mode, names]) =>
    names.split(" ").map((code) => [code, modeName(mode)] as const),
  );
  test.each(codes)("Node: %s is %s", (code, mode) => {
    expect(modeName(classifyFailure(coded(code)).mode)).toBe(mode);
    // As fetch throws it, and as a client library wraps that.
    expect(modeName(classifyFailure(new TypeError("it failed", { cause: coded(code) })).mode)).toBe(mode);
    expect(classifyFailure(coded(code)).code).toBe(code);
  });

  // The order is that of gRPC's codes, from 0 (OK) to 16.
  const GRPC = [UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, VALIDATION, TIMEOUT, NOT_FOUND, CONFLICT, PERMISSION]
    .concat([RESOURCE_EXHAUSTED, CONFLICT, CONFLICT, VALIDATION, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE])
    .concat([UNAVAILABLE, PERMISSION, UNCLASSIFIED]);
  test.each(GRPC.map((mode, code) => [code, modeName(mode)] as const))("gRPC: %i is %s", (code, mode) => {
    expect(modeName(classifyFailure(coded(code, { details: "" })).mode)).toBe(mode);
    expect(modeName(classifyFailure(coded(code, { metadata: {} })).mode)).toBe(mode);
  });

  const STATUSES: readonly (readonly [number, FailureMode])[] = [
    ...[400, 402, 405, 406, 411, 413, 415, 418, 422, 451, 499].map((status) => [status, VALIDATION] as const),
    ...[401, 403].map((status) => [status, PERMISSION] as const),
    ...[404, 410].map((status) => [status, NOT_FOUND] as const),
    ...[409, 412].map((status) => [status, CONFLICT] as const),
    ...[408, 504].map((status) => [status, TIMEOUT] as const),
    [429, RATE_LIMITED],
    [507, RESOURCE_EXHAUSTED],
    ...[500, 501, 502, 503, 505, 599].map((status) => [status, UNAVAILABLE] as const),
    ...[0, 100, 200, 302, 399, 600, 42_900].map((status) => [status, UNCLASSIFIED] as const),
  ];
  test.each(STATUSES.map(([status, mode]) => [status, modeName(mode)] as const))(
    "HTTP: %i is %s",
    (status, mode) => {
      for (const more of [{ status }, { statusCode: status }, { response: { status } }])
        expect(modeName(classifyFailure(Object.assign(new Error("it broke"), more)).mode)).toBe(mode);
    },
  );

  test("what the platform itself throws where a call is aborted, or out of time", () => {
    const reasonOf = (abort: (controller: AbortController) => void): unknown => {
      const controller = new AbortController();
      abort(controller);
      return controller.signal.reason;
    };
    expect(classifyFailure(reasonOf((controller) => controller.abort()))).toMatchObject({
      mode: TIMEOUT,
      rawClass: "AbortError",
    });
    const late = new DOMException("The operation was aborted due to timeout", "TimeoutError");
    expect(classifyFailure(reasonOf((controller) => controller.abort(late)))).toMatchObject({
      mode: TIMEOUT,
      rawClass: "TimeoutError",
    });
    // Whoever aborts with something that is no error gets that.
    expect(classifyFailure(reasonOf((controller) => controller.abort("enough"))).mode).toBe(
      FailureMode.HANDLER_BUG,
    );
  });

  test("causes are asked outermost first, and not without end", () => {
    const chain = (depth: number): Error =>
      depth === 0 ? coded("ECONNRESET") : new Error(`wrapped ${depth}`, { cause: chain(depth - 1) });
    expect(classifyFailure(chain(7)).mode).toBe(NETWORK);
    expect(classifyFailure(chain(8)).mode).toBe(UNCLASSIFIED);
    const several = new AggregateError([coded("ECONNREFUSED")], "all failed");
    expect(classifyFailure(several).mode).toBe(UNAVAILABLE);
  });
});

describe("where neither type nor code says anything", () => {
  const rows: readonly [FailureMode, string][] = [
    [FailureMode.TIMEOUT, "the request timed out after 30 s"],
    [FailureMode.TIMEOUT, "Query timeout"],
    [FailureMode.RATE_LIMITED, "Rate limit exceeded, slow down"],
    [FailureMode.RATE_LIMITED, "429: Too Many Requests"],
    [FailureMode.UNAVAILABLE, "Service Unavailable"],
    [FailureMode.UNAVAILABLE, "Request failed with status code 503"],
    [FailureMode.UNAVAILABLE, "connect ECONNREFUSED 127.0.0.1:80"],
    [FailureMode.NETWORK, "socket hang up"],
    [FailureMode.NETWORK, "the connection was reset by the peer"],
    [FailureMode.PERMISSION, "Access denied for user 'app'"],
    [FailureMode.PERMISSION, "permission denied (publickey)"],
    [FailureMode.NOT_FOUND, "customer 7 not found"],
    [FailureMode.NOT_FOUND, "no such table: films"],
    [FailureMode.VALIDATION, "invalid e-mail address"],
    [FailureMode.VALIDATION, "age must be a number"],
    [FailureMode.UNCLASSIFIED, "the answer made no sense"],
    [FailureMode.UNCLASSIFIED, "invalid response from the shop"],
    [FailureMode.UNCLASSIFIED, "sold 404 tickets"],
    [FailureMode.UNCLASSIFIED, "ENOSUCHCODE"],
  ];
  test.each(rows)("the words decide: %i, %s", (mode, message) => {
    const failure = classifyFailure(new Error(message));
    expect(modeName(failure.mode)).toBe(modeName(mode));
    expect(failure.classifiedBy).toBe(mode === FailureMode.UNCLASSIFIED ? "" : "message");
    // Those of a cause do, too; those of a bug do not.
    expect(classifyFailure(new Error("it broke", { cause: new Error(message) })).mode).toBe(mode);
    expect(classifyFailure(new TypeError(message)).mode).toBe(FailureMode.HANDLER_BUG);
  });

  test("and where one does, they don't", () => {
    for (const [thrown, by, mode] of [
      [Object.assign(new Error("timed out"), { holdfastMode: "VALIDATION" }), "mode", "VALIDATION"],
      [named("ValidationError", "timed out"), "type", "VALIDATION"],
      [Object.assign(new Error("timed out"), { code: "ENOENT" }), "code", "NOT_FOUND"],
      [Object.assign(new Error("timed out"), { status: 403 }), "status", "PERMISSION"],
      [new TypeError("timed out"), "type", "HANDLER_BUG"],
      [new Error("not found", { cause: coded("ECONNRESET") }), "code", "NETWORK"],
    ] as const) {
      const failure = classifyFailure(thrown);
      expect([failure.classifiedBy, modeName(failure.mode)]).toEqual([by, mode]);
    }
  });

  test("any message takes linear time", () => {
    for (const word of ["time ", "not ", "E", "status ", "connection was ", "invalid ", "http/1."]) {
      const startedMs = performance.now();
      classifyFailure(new Error(word.repeat(500_000)));
      expect(performance.now() - startedMs).toBeLessThan(2_000);
    }
  });
});

describe("causes", () => {
  test("are told with the message, each once, with their codes", () => {
    const refused = Object.assign(new Error("connect ECONNREFUSED 10.0.0.7:5432"), { code: "ECONNREFUSED" });
    const failure = classifyFailure(new TypeError("fetch failed", { cause: refused }));
    expect(failure).toMatchObject({
      message: "fetch failed; caused by connect ECONNREFUSED 10.0.0.7:5432",
      code: "ECONNREFUSED",
      rawClass: "TypeError",
    });
    const deep = new Error("import", { cause: new Error("load", { cause: coded("EPIPE") }) });
    expect(classifyFailure(deep).message).toBe("import; caused by load; caused by it broke (EPIPE)");
    // Whoever wraps an error may have said it already.
    const said = new Error("import: load", { cause: new Error("load") });
    expect(classifyFailure(said).message).toBe("import: load");
    expect(classifyFailure(new Error("a", { cause: "a word" })).message).toBe("a; caused by a word");
    expect(classifyFailure(new Error("a", { cause: { odd: 1 } })).message).toBe('a; caused by {"odd":1}');
  });

  test("that are several are all told, as far as there is room", () => {
    const several = new AggregateError([coded("ECONNREFUSED"), new Error("no route")], "all failed");
    expect(classifyFailure(several)).toMatchObject({
      message: "all failed; one of them: it broke (ECONNREFUSED); one of them: no route",
      mode: FailureMode.UNAVAILABLE,
      code: "ECONNREFUSED",
    });
    const many = new AggregateError(
      Array.from({ length: 10_000 }, (_, at) => new Error(`${at} ${"x".repeat(10_000)}`)),
      "all failed",
    );
    expect(classifyFailure(many).message.length).toBeLessThanOrEqual(MESSAGE_LIMIT_CHARS);
  });

  test("of which one must not be tried again decide", () => {
    const forbidden = Object.assign(new Error("forbidden"), { holdfastMode: "POLICY_SECURITY" });
    const several = new AggregateError([coded("ETIMEDOUT"), forbidden], "all failed");
    expect(classifyFailure(several).mode).toBe(FailureMode.POLICY_SECURITY);
  });

  test("make failures of their own", () => {
    const failed = (host: string, code: string) =>
      classifyFailure(
        new TypeError("fetch failed", {
          cause: Object.assign(new Error(`getaddrinfo ${code} ${host}`), { code }),
        }),
      );
    const ids = [
      failed("a.example", "ENOTFOUND"),
      failed("b.example", "ENOTFOUND"),
      failed("a.example", "EAI_AGAIN"),
    ].map((failure) => signatureOf("w", "a", failure).id);
    expect(new Set(ids).size).toBe(3);
  });
});

test("a mode that does not exist is told with the words", () => {
  const failure = classifyFailure(Object.assign(new Error("card declined"), { holdfastMode: "DECLINED" }));
  expect(failure).toMatchObject({
    mode: FailureMode.HANDLER_BUG,
    message: 'card declined; its mode is given as "DECLINED", which does not exist',
  });
});

describe("it never throws, and keeps what it says within bounds", () => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const own = new Error("round");
  own.cause = own;
  const hostile: readonly [string, unknown][] = [
    ["cyclic", cyclic],
    ["a cause of itself", own],
    ["without a prototype", Object.create(null)],
    ["a big number", { n: 1n }],
    [
      "throws when read",
      new Proxy(
        {},
        {
          get: () => {
            throw new Error("no");
          },
        },
      ),
    ],
    [
      "throws when written",
      {
        toJSON: () => {
          throw new Error("no");
        },
      },
    ],
    ["huge", new Error("x".repeat(1_000_000))],
    [
      "odd fields",
      Object.assign(new Error("m"), { name: 5, code: {}, stack: 7, retryAfterMs: Number.NaN, status: "404" }),
    ],
    ["an odd pause", Object.assign(new Error("m"), { retryAfterMs: -1 })],
  ];
  test.each(hostile)("%s", (_, thrown) => {
    const failure = classifyFailure(thrown);
    expect(isKnownMode(failure.mode)).toBe(true);
    expect(failure.message.length).toBeLessThanOrEqual(MESSAGE_LIMIT_CHARS);
    expect(failure.stack.length).toBeLessThanOrEqual(STACK_LIMIT_CHARS);
    expect(failure.retryAfterMs).toBe(0);
  });
  test("anything at all", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true }),
        (thrown) => {
          const failure = classifyFailure(thrown);
          expect(isKnownMode(failure.mode)).toBe(true);
          expect(failure.message.length).toBeLessThanOrEqual(MESSAGE_LIMIT_CHARS);
        },
      ),
      { numRuns: 500 },
    );
  });
});

test("the raw text, class and code are kept beside the mode", () => {
  const failure = classifyFailure(
    Object.assign(new RangeError("row 7"), { code: "E_ROW", retryAfterMs: 1500.7 }),
  );
  expect(failure).toMatchObject({
    message: "row 7",
    rawClass: "RangeError",
    code: "E_ROW",
    retryAfterMs: 1500,
  });
  expect(failure.stack).toContain("row 7");
});

describe("the failure table", () => {
  const retryable = [
    "TIMEOUT",
    "NETWORK",
    "RATE_LIMITED",
    "UNAVAILABLE",
    "WORKER_LOST",
    "RESOURCE_EXHAUSTED",
    "PARTIAL_STEP_FAILURES",
    "PARTIAL_TOOL_FAILURES",
    "UNCLASSIFIED",
  ];
  const final = ["VALIDATION", "NOT_FOUND", "PERMISSION", "CONFLICT", "STUCK", "HANDLER_BUG", "CANCELLED"];
  const terminal = ["POLICY_SECURITY", "POLICY_BUDGET", "SYSTEM_CRASH"];
  test.each([...retryable, ...final, ...terminal])("%s", (name) => {
    const mode = modeNamed(name) as FailureMode;
    expect(traitsOf(mode)).toEqual({
      name,
      retryable: retryable.includes(name),
      terminal: terminal.includes(name),
    });
    expect(modeName(mode)).toBe(name);
  });
  test("has a row for every mode, and no others", () => {
    const modes = Object.values(FailureMode).filter((value) => typeof value === "number");
    expect(modes).toHaveLength(1 + retryable.length + final.length + terminal.length);
    expect(traitsOf(99 as FailureMode)).toEqual({ name: "UNSPECIFIED", retryable: false, terminal: false });
    for (const name of ["", "UNSPECIFIED", "1", "toString", "__proto__", "timeout"])
      expect(modeNamed(name)).toBeUndefined();
  });
});
