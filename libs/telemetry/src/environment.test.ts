import { describe, expect, test } from "vitest";
import { Environment } from "./environment.js";

describe("a process's environment", () => {
  test("blank is not set", () => {
    const env = new Environment({ A: "  ", B: " x " });
    expect(env.text("A")).toBeUndefined();
    expect(env.text("B")).toBe("x");
    expect(env.text("C")).toBeUndefined();
  });

  test("lists are split at commas", () => {
    expect(new Environment({ N: "nats://a:1, nats://b:2" }).list("N", "")).toEqual([
      "nats://a:1",
      "nats://b:2",
    ]);
    expect(new Environment({}).list("N", "nats://c:3")).toEqual(["nats://c:3"]);
  });

  test.each(["-1", "65536", "1.5", "abc", "0x10", "1e3"])("a port of %s is refused by name", (text) => {
    expect(() => new Environment({ P: text }).port("P", 1)).toThrow(/^P is .*; use 0 to 65535/);
  });

  test("an unknown log level is refused with those there are", () => {
    expect(() => new Environment({ HOLDFAST_LOG_LEVEL: "loud" }).logLevel()).toThrow(
      /"loud"; use one of trace/,
    );
    expect(new Environment({}).logLevel()).toBe("info");
  });
});
