/**
 * What a failure message says, without what differs from one failure to the next: so that failures alike read alike.
 *
 * 1. Pure, and the same on every machine: the fold's signatures are made of it, so a change here changes state (ADR 0022).
 * 2. One pass, left to right, over at most `READ_MAX` units: its time is linear in them, whatever they say.
 * 3. Done again it changes nothing: what it writes (`<n>`, `<id>`, `"*"` …) it reads as such.
 * 4. At most `NORMAL_CHARS_MAX` units, cut between characters.
 *
 * Words of letters stay. Numbers, ids, addresses, times, names of files and whatever stands in quotes do not; neither do lists of
 * them have a length. A short code stays where the word before it says that it is one: "status 404".
 */

export const NORMAL_CHARS_MAX = 256;
const READ_MAX = 2_048;
const CUT = "…";

/** Whatever is put in the place of something; read again, each stays as it is. */
const PLACEHOLDERS = ["<n>", "<id>", "<time>", "<url>", "<email>", "<ip>", "<file>"] as const;
type Placeholder = (typeof PLACEHOLDERS)[number];

/** By the quote that opens: the one that closes. */
const CLOSING: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "`": "`",
  "\u201c": "\u201d",
  "\u2018": "\u2019",
  "\u00ab": "\u00bb",
};

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
/** All that stands between white space, quotes, brackets and the like. */
const BLOB = /[^\s\p{Cc}"'`\u201c\u2018\u00ab<>()[\]{},;|=!?…]+/uy;
/** An address goes on where other words end. */
const ADDRESS = /[^\s\p{Cc}"'`\u201c\u2018\u00ab<>()[\]{}|…]+/uy;
const SPACE = /[\s\p{Cc}]+/uy;
const DATE = /^\d{4}-\d{2}-\d{2}(?:T[\d:.+Z-]*)?$/;
const CLOCK = /^\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?$/;
const IP_V4 = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+|\/\d+)?$/;
const IP_V6 = /^[0-9a-f:.]+(?:%[0-9a-z]+)?$/i;
const PATH_PIECES = /[/\\:]|[^/\\:]+/g;
/** A name with its extension, which is kept where it is of letters. */
const FILE = /^.+?\.(?:([A-Za-z]{1,5})|[A-Za-z0-9]{1,5}|[A-Za-z]{1,5}\d+)(?![A-Za-z0-9])/;
/** A code by itself, or with the word that says so. */
const CODE = /^(?:([A-Za-z]+)[:-])?([0-9A-Z]{1,5})$/;
const SIGNS = /^[+-]+(?=\d)/;
/** What may be one id that is cut in several words, one word, or something between. */
const PARTS = /[A-Za-z0-9_-]+|[^A-Za-z0-9_-]+/g;
const WORDS = /[A-Za-z0-9]+|[_-]+/g;
const CALENDAR = new Set(
  "Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" "),
);
/** After these a short number is a code. */
const CODE_WORDS = new Set(["http", "status", "statuscode", "code", "errno", "signal"]);
const LONG_CODE_WORDS = new Set(["ora", "sqlstate"]);
const LETTERS_MAX = 64;
/** Shorter ones of a to f are words. */
const HEX_MIN = 12;
/** What may stand between a word and its code. */
const JOINS = /^[ :=\-[(#]+$/;

/** Of ASCII: whether a letter, a digit, or what ends a blob. */
const LETTER = 1;
const DIGIT = 2;
const END = 3;
const KINDS = Uint8Array.from({ length: 128 }, (_, code) => {
  const char = String.fromCharCode(code);
  if (/[A-Za-z]/.test(char)) return LETTER;
  if (/[0-9]/.test(char)) return DIGIT;
  return stickyMatch(BLOB, char, 0) === "" ? END : 0;
});
const kindAt = (text: string, at: number): number =>
  at >= text.length ? END : (KINDS[text.charCodeAt(at)] ?? 0);

export function normaliseMessage(message: string): string {
  const text = head(message, READ_MAX);
  return new Masking(text.includes("-") ? text.replace(UUID, "<id>") : text).run();
}

class Masking {
  private out = "";
  private at = 0;
  private full = false;
  /** The last word, as long as nothing but what joins it to a code has come since. */
  private word = "";
  /** Quotes that nothing closes any more. */
  private unclosed = "";

  constructor(private readonly text: string) {}

  run(): string {
    while (this.at < this.text.length && !this.full) this.next();
    return this.out.trimEnd();
  }

  private next(): void {
    const { text, at } = this;
    if (this.plain()) return;
    const char = text.charAt(at);
    const space = stickyMatch(SPACE, text, at);
    if (space !== "") {
      this.at += space.length;
      if (this.out !== "" && !this.out.endsWith(" ")) this.put(" ");
      return;
    }
    if (char === "<") {
      const found = PLACEHOLDERS.find((placeholder) => text.startsWith(placeholder, at));
      this.at += found?.length ?? 1;
      if (found === undefined) this.punctuation(char);
      else this.mask(found);
      return;
    }
    const close = CLOSING[char];
    if (close !== undefined) {
      this.quote(char, close);
      return;
    }
    const blob = stickyMatch(BLOB, text, at);
    if (blob === "") {
      this.at += 1;
      this.punctuation(char);
      return;
    }
    if (blob.includes("://")) {
      const address = stickyMatch(ADDRESS, text, at).replace(/[.,:;!?]{1,8}$/, "");
      this.at += address.length;
      this.mask("<url>");
      return;
    }
    this.at += blob.length;
    this.blob(blob);
  }

  /** Most of what messages are made of: a blob of letters or of digits alone, which needs none of the closer looks. */
  private plain(): boolean {
    const { text, at } = this;
    const kind = kindAt(text, at);
    if (kind !== LETTER && kind !== DIGIT) return false;
    let end = at + 1;
    while (kindAt(text, end) === kind) end += 1;
    const isEnd = kindAt(text, end) === END || (text.charAt(end) === ":" && kindAt(text, end + 1) === END);
    if (!isEnd || CODE_WORDS.has(this.word) || LONG_CODE_WORDS.has(this.word)) return false;
    this.at = end;
    if (kind === LETTER) this.letters(text.slice(at, end));
    else this.mask("<n>");
    return true;
  }

  /** What stands in quotes is a value. An apostrophe opens nothing. */
  private quote(open: string, close: string): void {
    const { text, at } = this;
    this.at += 1;
    const before = text.charAt(at - 1);
    const masked = text.startsWith(`*${close}`, at + 1);
    const end = masked ? at + 2 : /[A-Za-z0-9>]/.test(before) ? -1 : this.closing(open, close);
    if (end < 0) {
      this.punctuation(open);
      return;
    }
    this.at = end + 1;
    this.join(`${open}*${close}`, false);
  }

  private closing(open: string, close: string): number {
    if (this.unclosed.includes(open)) return -1;
    for (let end = this.text.indexOf(close, this.at); end >= 0; end = this.text.indexOf(close, end + 1))
      if (close !== "'" || !/[A-Za-z0-9<…]/.test(this.text.charAt(end + 1))) return end;
    this.unclosed += open;
    return -1;
  }

  private blob(whole: string): void {
    const signs = SIGNS.exec(whole)?.[0] ?? "";
    const unsigned = whole.slice(signs.length);
    const tail = /[.:]*$/.exec(unsigned.slice(-8))?.[0] ?? "";
    const blob = unsigned.slice(0, unsigned.length - tail.length);
    const mask = maskOf(blob);
    const code = CODE.exec(blob);
    if (code !== null && isCode(code[1]?.toLowerCase() ?? this.word, code[2] as string)) {
      this.put(blob);
      this.word = "";
    } else if (mask !== undefined) this.mask(mask);
    else this.path(blob);
    if (tail !== "") this.punctuation(tail);
  }

  /** The name of a file is what varies of a path; what kind of file it is does not. */
  private path(blob: string): void {
    let inPath = false;
    for (const piece of blob.match(PATH_PIECES) ?? []) {
      const file = inPath ? FILE.exec(piece) : null;
      if (file !== null) {
        this.mask("<file>");
        if (file[1] !== undefined) {
          this.punctuation(".");
          this.oneWord(file[1]);
        }
      }
      this.parts(piece.slice(file?.[0].length ?? 0));
      inPath = piece === "/" || piece === "\\";
    }
  }

  private parts(text: string): void {
    for (const part of text.match(PARTS) ?? []) {
      if (!/^[A-Za-z0-9_-]/.test(part)) for (const char of part) this.punctuation(char);
      else if (isLongId(part)) this.mask("<id>");
      else for (const word of part.match(WORDS) ?? []) this.oneWord(word);
    }
  }

  private oneWord(word: string): void {
    if (/^[_-]/.test(word)) {
      this.punctuation(word);
    } else if (/^[A-Za-z]+$/.test(word)) {
      this.letters(word);
    } else {
      this.mixed(word);
    }
  }

  private letters(word: string): void {
    const { length } = word;
    if (length === 3 && CALENDAR.has(word)) this.mask("<time>");
    else if (length > LETTERS_MAX || (length >= HEX_MIN && /^[a-f]+$/i.test(word))) this.mask("<id>");
    else {
      this.put(word);
      this.word = word.toLowerCase();
    }
  }

  /** A word with digits: "42", "30s", "node7", "01ARZ3". */
  private mixed(word: string): void {
    const [, name = "", digits = "", unit = ""] = /^([A-Za-z]*)(\d+)([A-Za-z]*)$/.exec(word) ?? [];
    const named = name.length >= 4 && name.length <= LETTERS_MAX && unit === "" && !/^[a-f]+$/i.test(name);
    if (named && !CALENDAR.has(name)) {
      this.put(name);
      this.mask("<n>");
    } else if (digits !== "" && name === "" && unit.length <= 3 && !CALENDAR.has(unit)) {
      this.mask("<n>");
      if (unit !== "") this.put(unit);
    } else {
      this.mask("<id>");
    }
  }

  private mask(placeholder: Placeholder): void {
    this.join(placeholder, placeholder === "<n>");
  }

  /** A list of the same has no length, a number no decimals, a date with a time is one time. */
  private join(masked: string, isNumber: boolean): void {
    this.word = "";
    const { out } = this;
    let end = out.length;
    if (end > 0 && out.charAt(end - 1) === " ") end -= 1;
    if (end > 0 && ",.".includes(out.charAt(end - 1))) end -= 1;
    if (out.endsWith(masked, end)) {
      const between = out.slice(end);
      const isSame =
        between === " " ? masked === "<time>" : between === "." ? isNumber : !between.includes(".");
      if (isSame) {
        this.out = out.slice(0, end);
        return;
      }
    }
    this.put(masked);
  }

  private punctuation(text: string): void {
    if (this.word !== "" && !JOINS.test(text)) this.word = "";
    this.put(text);
  }

  /** Nothing is put in part. */
  private put(token: string): void {
    if (this.full) return;
    if (this.out.length + token.length > NORMAL_CHARS_MAX - CUT.length) {
      this.out += CUT;
      this.full = true;
    } else {
      this.out += token;
    }
  }
}

function maskOf(blob: string): Placeholder | undefined {
  const at = blob.indexOf("@", 1);
  if (at > 0 && at < blob.length - 1) return "<email>";
  if (!/\d/.test(blob)) return undefined;
  if (DATE.test(blob) || CLOCK.test(blob)) return "<time>";
  const isV6 = IP_V6.test(blob) && (blob.includes("::") || blob.split(":").length >= 8);
  return isV6 || IP_V4.test(blob) ? "<ip>" : undefined;
}

/** As random ids are that have more than letters and digits: long, with digits and both cases. */
const isLongId = (part: string): boolean =>
  part.length >= 16 && count(part, /\d/g) >= 2 && count(part, /[A-Z]/g) >= 2 && count(part, /[a-z]/g) >= 2;

const isCode = (before: string, word: string): boolean =>
  (CODE_WORDS.has(before) && /^\d{1,3}$/.test(word)) ||
  (LONG_CODE_WORDS.has(before) && /^[0-9A-Z]{1,5}$/.test(word));

const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;

function stickyMatch(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}

/** At most `limit` units, never half a surrogate pair. */
function head(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit);
}
