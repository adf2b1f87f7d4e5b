/** Texts of JSON as senders write them: numbers that JavaScript can't hold, escapes, white space, names of all kinds. */
import * as fc from "fast-check";

export interface TextsOf {
  /** A name may stand twice in an object. */
  readonly duplicates?: boolean;
}

const NUMBERS = fc.oneof(
  fc.constantFrom("9007199254740993", "1e400", "-1e400", "-0", "0.0", "1E+2", "-0.0e-0", "1e-400"),
  fc.stringMatching(/^-?[1-9][0-9]{0,39}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?$/),
);

const CHARS = fc.oneof(
  fc.constantFrom(
    "\\u0000",
    "\\ud800",
    "\\udc00\\ud800",
    "\\n",
    "\\/",
    '\\"',
    "\\\\",
    "\\u00E9",
    "\u2028",
    "é",
    "😀",
    "\u0000",
  ),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
);

/** As it stands between quotes. */
const STRINGS = fc
  .array(CHARS, { maxLength: 6 })
  .map((chars) =>
    chars
      .map((char) => (char.length > 1 && char.startsWith("\\") ? char : JSON.stringify(char).slice(1, -1)))
      .join(""),
  );

const SPACE = fc.constantFrom("", "", "", " ", "\n", "\r\n", "\t ");

/** With white space around it, too. */
export function anyJsonText({ duplicates = false }: TextsOf = {}): fc.Arbitrary<string> {
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc
      .tuple(
        SPACE,
        fc.oneof(
          { maxDepth: 4, depthSize: "small" },
          fc.oneof(NUMBERS, STRINGS.map(quoted), fc.constantFrom("true", "false", "null")),
          fc.array(tie("value"), { maxLength: 4 }).map((parts) => `[${parts.join(",")}]`),
          objects(tie("value"), duplicates),
        ),
        SPACE,
      )
      .map((parts) => parts.join("")),
  }));
  return value;
}

const quoted = (text: string): string => `"${text}"`;

function objects(value: fc.Arbitrary<string>, duplicates: boolean): fc.Arbitrary<string> {
  const name = duplicates ? fc.oneof(fc.constantFrom("a", "\\u0061", "b"), STRINGS) : STRINGS;
  const members = fc.tuple(SPACE, name, SPACE, value);
  const list = duplicates
    ? fc.array(members, { maxLength: 4 })
    : fc.uniqueArray(members, { maxLength: 4, selector: ([, text]) => JSON.parse(quoted(text)) as string });
  return list.map(
    (all) =>
      `{${all.map(([before, text, behind, inner]) => `${before}"${text}"${behind}:${inner}`).join(",")}${all.length === 0 ? " " : ""}}`,
  );
}
