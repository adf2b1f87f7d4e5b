import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cells, cutText, padText, safeText, wrapAround, wrapJson, wrapText } from "./text.js";

describe("text from outside", () => {
  it("never reaches the terminal as a control, a line end or a direction mark", () => {
    expect(safeText("red \u001b[31malert\u001b[0m\nnext\tcell \u202eevil\u2066 \u0085")).toBe(
      "red \\u001b[31malert\\u001b[0m\\nnext\\tcell \\u202eevil\\u2066 \\u0085",
    );
  });

  it("shows a lone surrogate and keeps a whole pair", () => {
    expect(safeText("\ud83d!\ude00 😀")).toBe("\\ud83d!\\ude00 😀");
  });

  it("has no control characters left, whatever it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(/\p{Cc}/u.test(safeText(text))).toBe(false);
      }),
    );
  });
});

describe("measuring", () => {
  it("counts terminal cells, not characters", () => {
    expect(cells("東京")).toBe(4);
    expect(cells("é")).toBe(1);
    expect(cells("e\u0301")).toBe(1);
  });

  it("pads by cells", () => {
    expect(padText("東京", 6)).toBe("東京  ");
    expect(padText("7", 3, "right")).toBe("  7");
  });

  it("cuts between graphemes and never beyond the width", () => {
    expect(cutText("abcdef", 4)).toBe("abc…");
    expect(cutText("東京都", 4)).toBe("東…");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 40 }), (text, width) => {
        const safe = safeText(text);
        const cut = cutText(safe, width);
        expect(cells(cut)).toBeLessThanOrEqual(width);
        expect(cut === safe).toBe(cells(safe) <= width);
      }),
    );
  });
});

describe("wrapping", () => {
  it("breaks prose after spaces, and JSON between members", () => {
    expect(wrapText("one two three", 7)).toEqual(["one two", "three"]);
    expect(wrapJson('{"a b":1,"b":[2,"c, d"]}', 12)).toEqual(['{"a b":1,', '"b":[2,', '"c, d"]}']);
    expect(wrapJson('{"a":"one long text"}', 12)).toEqual(['{"a":"one lo', 'ng text"}']);
  });

  it("breaks a word that is longer than a line", () => {
    expect(wrapText("abcdefgh", 3)).toEqual(["abc", "def", "gh"]);
  });

  it("never breaks the word that is to be copied", () => {
    expect(wrapAround("abcdefgh", "see abcdefgh: it is ijklmnop", 5)).toEqual([
      "see",
      "abcdefgh:",
      "it is",
      "ijklm",
      "nop",
    ]);
  });

  it("ends with an ellipsis beyond the most lines", () => {
    expect(wrapText("one two three four", 5, 2)).toEqual(["one", "two…"]);
  });

  it("keeps every visible character, in order, and every line within the width", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-ascii" }), fc.integer({ min: 4, max: 30 }), (text, width) => {
        const lines = wrapText(text, width);
        for (const line of lines) expect(cells(line)).toBeLessThanOrEqual(width);
        expect(lines.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
      }),
    );
  });
});
