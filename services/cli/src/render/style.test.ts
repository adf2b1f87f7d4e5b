import { describe, expect, it } from "vitest";
import { colourStyle, screenWidth, wantsColour } from "./style.js";

describe("colour", () => {
  const terminal = { isTTY: true };
  const pipe = { isTTY: false };

  it("is for terminals only", () => {
    expect(wantsColour(terminal, {})).toBe(true);
    expect(wantsColour(pipe, {})).toBe(false);
    expect(wantsColour(terminal, { TERM: "dumb" })).toBe(false);
  });

  it("obeys NO_COLOR before FORCE_COLOR, and takes an empty one as not set", () => {
    expect(wantsColour(terminal, { NO_COLOR: "1", FORCE_COLOR: "1" })).toBe(false);
    expect(wantsColour(terminal, { NO_COLOR: "" })).toBe(true);
    expect(wantsColour(pipe, { FORCE_COLOR: "1" })).toBe(true);
    expect(wantsColour(pipe, { FORCE_COLOR: "0" })).toBe(false);
  });

  it("is closed where it was opened", () => {
    expect(colourStyle("bad", "x")).toBe("\u001b[31mx\u001b[39m");
    expect(colourStyle("good", "")).toBe("");
  });
});

describe("the width of a screen", () => {
  it("is the terminal's own, else COLUMNS, else none", () => {
    expect(screenWidth({ isTTY: true, columns: 100 }, { COLUMNS: "70" })).toBe(100);
    expect(screenWidth({ isTTY: false }, { COLUMNS: "70" })).toBe(70);
    expect(screenWidth({ isTTY: false }, {})).toBe(Number.POSITIVE_INFINITY);
    expect(screenWidth({ isTTY: true, columns: 0 }, {})).toBe(Number.POSITIVE_INFINITY);
    expect(screenWidth({ isTTY: false }, { COLUMNS: "wide" })).toBe(Number.POSITIVE_INFINITY);
  });
});
