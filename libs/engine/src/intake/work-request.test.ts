/** What a published message asks for, and each way it can't be a run. */
import { OnConflict, RejectCode, StartRunRequestSchema } from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import type { WorkMessage } from "../ports/index.js";
import { JSON_DEPTH_MAX } from "@holdfast/core";
import { parseWork, type WorkRequest } from "./work-request.js";

type Headers = Readonly<Record<string, string>>;

function message(subject: string, body: string | Uint8Array, headers: Headers = {}, seq = 7): WorkMessage {
  return {
    subject,
    seq,
    streamCreatedNs: 1_700_000_000_000_000_000n,
    atNs: 1n,
    data: typeof body === "string" ? Buffer.from(body, "utf8") : body,
    header: (name) => Object.entries(headers).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1],
    headerList: () => Object.entries(headers),
    ack: () => undefined,
    retryLater: () => undefined,
  };
}

function accepted(body: string | Uint8Array, headers: Headers = {}, seq?: number): WorkRequest {
  const parsed = parseWork(message("holdfast.work.orders", body, headers, seq));
  if (!parsed.ok) throw new Error(parsed.refusal.reason);
  return parsed.request;
}

function refused(subject: string, body: string | Uint8Array, headers: Headers = {}) {
  const parsed = parseWork(message(subject, body, headers));
  if (parsed.ok) throw new Error("it was accepted");
  return { code: RejectCode[parsed.refusal.code], reason: parsed.refusal.reason };
}

describe("a subject", () => {
  test("names the workflow", () => expect(accepted("1").workflow).toBe("orders"));

  test.each([
    ".",
    "*",
    ">",
    "/",
    "..",
    "",
    "a.b",
    "a.*",
    "a.>",
    "x".repeat(10_000),
    "a\0b",
    "bücher",
    "a b",
    "../x",
  ])("that ends in %j names none", (name) => {
    const { code, reason } = refused(`holdfast.work.${name}`, "1");
    expect(code).toBe("INVALID_NAME");
    expect(reason).toContain("1 to 64 of A-Z a-z 0-9 _ -");
    expect(reason.length).toBeLessThan(300);
  });
});

describe("a JSON body", () => {
  test.each([
    ['{"a":[1,2,{"b":"ü"}]}'],
    ["null"],
    [""],
    ["12"],
    ['"[[[["'],
    [' {"n" : 9007199254740993,\n"e":1e400, "z":-0, "d":0.1234567890123456789012345678901, "s":"\\ud800"} '],
  ])("%s is the input, as it stands", (body) => {
    expect(Buffer.from(accepted(body).inputBytes).toString()).toBe(body);
  });

  test.each([
    "application/json",
    "APPLICATION/JSON",
    "application/json; charset=UTF-8",
    'text/json;charset="utf-8"',
  ])("may come as %s", (type) =>
    expect(Buffer.from(accepted("[1]", { "content-type": type }).inputBytes).toString()).toBe("[1]"),
  );

  test("may have a byte-order mark, which is no part of the input", () => {
    expect(Buffer.from(accepted("\ufeff[1]").inputBytes).toString()).toBe("[1]");
  });

  test.each([
    ["{", "usable JSON"],
    ["{a:1}", "usable JSON"],
    ["\ufeff\ufeff1", "U+FEFF"],
    [Buffer.from("\ufeff[1]", "utf16le"), "byte-order mark of UTF-16"],
    [Buffer.from("\ufeff[1]", "utf16le").swap16(), "byte-order mark of UTF-16"],
    [
      '{"a":1,\n"b":{"c":1,"\\u0063":2}}',
      'the name "c" stands twice in one object, the second time at line 2, column 12 (/b/c)',
    ],
    ["undefined", "usable JSON"],
    ["NaN", "usable JSON"],
    [Uint8Array.of(0x22, 0xff, 0xfe, 0x22), "not UTF-8"],
    [Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), "not UTF-8"],
    ["[".repeat(JSON_DEPTH_MAX + 1) + "]".repeat(JSON_DEPTH_MAX + 1), "levels deep"],
    ["[".repeat(500_000), "levels deep"],
  ])("%.30s is refused as malformed", (body, why) => {
    expect(refused("holdfast.work.orders", body)).toEqual({
      code: "MALFORMED",
      reason: expect.stringContaining(why),
    });
  });

  test("of the greatest depth is taken", () => {
    const body = "[".repeat(JSON_DEPTH_MAX) + "]".repeat(JSON_DEPTH_MAX);
    expect(Buffer.from(accepted(body).inputBytes).toString()).toBe(body);
  });

  test.each(["text/plain", "application/xml", "application/json; charset=latin1", "\u0001"])(
    "of the type %j is not understood",
    (type) => expect(refused("holdfast.work.orders", "1", { "Content-Type": type }).code).toBe("UNSUPPORTED"),
  );
});

describe("a protobuf body", () => {
  const type = { "Content-Type": "application/x-protobuf" };
  const body = (fields: Parameters<typeof init<typeof StartRunRequestSchema>>[1]) =>
    encode(StartRunRequestSchema, init(StartRunRequestSchema, fields));

  test("is a StartRunRequest", () => {
    const request = accepted(
      body({ runId: "r-1", inputJson: '{"a":1}', priority: 3, onConflict: OnConflict.REJECT }),
      type,
    );
    expect(Buffer.from(request.inputBytes).toString()).toBe('{"a":1}');
    expect(request).toMatchObject({
      runId: "r-1",
      priority: 3,
      onConflict: OnConflict.REJECT,
    });
  });

  test("may name the subject's workflow, and no other", () => {
    expect(accepted(body({ workflow: "orders" }), type).workflow).toBe("orders");
    expect(refused("holdfast.work.orders", body({ workflow: "others" }), type).code).toBe("MALFORMED");
  });

  test("that is none, or whose JSON is none, is malformed", () => {
    expect(refused("holdfast.work.orders", Uint8Array.of(0xff, 0xff, 0xff), type).code).toBe("MALFORMED");
    expect(refused("holdfast.work.orders", body({ inputJson: "{" }), type).code).toBe("MALFORMED");
    expect(refused("holdfast.work.orders", body({ priority: 1_000_000 }), type).code).toBe("MALFORMED");
  });

  test("must agree with the headers", () => {
    expect(accepted(body({ runId: "r" }), { ...type, "Holdfast-Run-Id": "r" }).runId).toBe("r");
    expect(
      refused("holdfast.work.orders", body({ runId: "r" }), { ...type, "Holdfast-Run-Id": "s" }).reason,
    ).toContain("two values for the run id");
  });
});

describe("headers", () => {
  test("give run id, priority, start time and trace", () => {
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    expect(
      accepted("1", {
        "holdfast-run-id": "mine",
        "Holdfast-Priority": "-5",
        "Holdfast-Start-At": "2030-01-31T12:00:00.5+01:00",
        traceparent,
      }),
    ).toMatchObject({
      runId: "mine",
      priority: -5,
      startAtMs: Date.parse("2030-01-31T11:00:00.500Z"),
      traceparent,
    });
    expect(accepted("1", { "Holdfast-Start-At": "1900000000000" }).startAtMs).toBe(1_900_000_000_000);
  });

  test.each([
    ["Holdfast-Run-Id", "../x", "INVALID_NAME"],
    ["Holdfast-Run-Id", "x".repeat(129), "INVALID_NAME"],
    ["Holdfast-Run-Id", "a b", "INVALID_NAME"],
    ["Holdfast-Priority", "high", "MALFORMED"],
    ["Holdfast-Priority", "1.5", "MALFORMED"],
    ["Holdfast-Priority", "1001", "MALFORMED"],
    ["Holdfast-Priority", "0x10", "MALFORMED"],
    ["Holdfast-Start-At", "tomorrow", "MALFORMED"],
    ["Holdfast-Start-At", "2030-13-45T99:00:00Z", "MALFORMED"],
    ["Holdfast-Start-At", "-1", "MALFORMED"],
    ["Holdfast-Start-At", "999999999999999", "MALFORMED"],
  ])("%s: %.20s is refused", (name, value, code) => {
    expect(refused("holdfast.work.orders", "1", { [name]: value }).code).toBe(code);
  });

  test.each([
    ["2030-02-30T12:00:00Z", /there is no 30 February: February 2030 has 28 days/],
    ["2030-01-31T24:00:00Z", /no hour 24/],
    [
      "1900000000",
      /1900000000 Unix milliseconds are 1970-01-22T23:46:40Z; as seconds they would be 2030-03-17T17:46:40Z; give RFC 3339/,
    ],
    ["1900000000000000", /are after the year 2200; as microseconds they would be 2030-03-17T17:46:40Z/],
    ["tomorrow", /it is no time; give RFC 3339/],
  ])("Holdfast-Start-At: %s says what it would have meant, and the form", (value, why) => {
    expect(refused("holdfast.work.orders", "1", { "Holdfast-Start-At": value }).reason).toMatch(why);
  });

  test.each([
    ["Holdfast-RunId", "Holdfast-Run-Id"],
    ["holdfast-runid", "Holdfast-Run-Id"],
    ["Holdfast-Prio", "Holdfast-Priority"],
    ["Holdfast-StartAt", "Holdfast-Start-At"],
  ])("%s is refused, and %s is named", (name, meant) => {
    const { code, reason } = refused("holdfast.work.orders", "1", { [name]: "1" });
    expect([code, reason]).toEqual(["MALFORMED", expect.stringContaining(`did you mean ${meant}?`)]);
  });

  test("of Holdfast's that do not exist are refused with those that do; anybody else's are not looked at", () => {
    const { reason } = refused("holdfast.work.orders", "1", { "Holdfast-Colour-Of-The-Sky": "blue" });
    expect(reason).toMatch(
      /no header Holdfast-Colour-Of-The-Sky: Holdfast reads Holdfast-Run-Id, Holdfast-Priority, Holdfast-Start-At;/,
    );
    accepted("1", {
      "X-Run": "1",
      Authorization: "x",
      "Holdfast-Reject-Reason": "it was",
      ["x".repeat(200)]: "y",
    });
  });

  test.each(["Holdfast-Run-Id", "Holdfast-Priority", "Holdfast-Start-At", "Content-Type", "Nats-Msg-Id"])(
    "%s that stands there twice is refused",
    (name) => {
      const twice = { [name]: "1", [name.toUpperCase()]: "1" };
      expect(refused("holdfast.work.orders", "1", twice).reason).toContain(
        `the header ${name} stands there twice`,
      );
    },
  );

  test("that can't be read are refused", () => {
    const odd: WorkMessage = { ...message("holdfast.work.orders", "1"), headerProblem: "too many" };
    expect(parseWork(odd)).toMatchObject({ ok: false, refusal: { code: RejectCode.MALFORMED } });
  });

  test("with a broken trace start a new one", () => {
    expect(accepted("1", { traceparent: "nonsense" })).toMatchObject({
      traceparent: "",
      badTraceparent: "nonsense",
    });
    for (const trace of ["", `00-${"a".repeat(32)}-${"b".repeat(16)}-01`])
      expect(accepted("1", { traceparent: trace }).badTraceparent).toBe("");
  });
});

describe("a run id", () => {
  test("that nobody gave derives from the message's id, and else from its place: the same every time", () => {
    const byId = accepted("1", { "Nats-Msg-Id": "m 1 / ü" }, 1);
    expect(accepted("2", { "nats-msg-id": "m 1 / ü" }, 99).runId).toBe(byId.runId);
    expect(byId.runId).toMatch(/^m-[A-Za-z0-9_-]{22}$/);
    expect(accepted("1", { "Nats-Msg-Id": "m 2" }, 1).runId).not.toBe(byId.runId);
    expect(accepted("1", {}, 5).runId).toBe(accepted("2", {}, 5).runId);
    expect(accepted("1", {}, 5).runId).not.toBe(accepted("1", {}, 6).runId);
    expect(accepted("1", {}, 5).runId).toMatch(/^w-[a-z0-9]+-5$/);
  });

  test("of the same message id differs between workflows", () => {
    const other = parseWork(message("holdfast.work.others", "1", { "Nats-Msg-Id": "m" }));
    expect(other.ok && other.request.runId).not.toBe(accepted("1", { "Nats-Msg-Id": "m" }).runId);
  });
});
