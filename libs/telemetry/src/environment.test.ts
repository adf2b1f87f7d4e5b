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

  test("a span has a unit and bounds; without one it is the fallback", () => {
    const span = (value?: string) => new Environment({ S: value }).spanMs("S", "10m", "10s", "30d");
    expect([span(), span("10s"), span(" 2h "), span("30d")]).toEqual([
      600_000, 10_000, 7_200_000, 2_592_000_000,
    ]);
    for (const bad of ["9s", "31d", "600", "10 m", "1.5h", "-1m", "5M", "soon"])
      expect(() => span(bad)).toThrow(
        `S is ${JSON.stringify(bad)}; use 10s to 30d: a whole number with s, m, h or d, such as 10m`,
      );
  });

  test("an unknown log level is refused with those there are", () => {
    expect(() => new Environment({ HOLDFAST_LOG_LEVEL: "loud" }).logLevel()).toThrow(
      /"loud"; use one of trace/,
    );
    expect(new Environment({}).logLevel()).toBe("info");
  });
});
