// Random HuJSON documents as people might write them: comments of both kinds in every gap, blank lines, carriage returns,
// long lines, escapes, characters of several bytes.
import fc from "fast-check";

const word = fc.constantFrom(
  "a",
  "tag:web",
  "群組:ä",
  "*:22,80",
  "user@example.com",
  "x".repeat(30),
  "😀",
  "192.0.2.0/24",
);
const text = fc.oneof(
  word.map((each) => JSON.stringify(each)),
  fc.constantFrom('"a\\/b"', '"\\u00e9"', '"\\ud800"', '"line\\nbreak"', '"\\u0001"', '"tab\\t"', '"\\u2028"', '""'),
);
const scalar = fc.oneof(text, fc.constantFrom("1", "-2.50", "1E5", "true", "false", "null"));
const lineComment = fc
  .tuple(word, fc.constantFrom("\n", " \n", "\r\n", "\u00a0\n"))
  .map(([each, end]) => `// ${each}${end}`);
const blockComment = fc.oneof(
  word.map((each) => `/* ${each} */`),
  fc.constantFrom(
    "/**/",
    "/* one\n   two */",
    "/*\n * starred\n * text\n */",
    "/*\n\t\tdeep\n\n\t\ttext\n*/",
    "/* a\r\n\t b\r\n */",
    "/*\n *\n * empty star */",
  ),
);
const blank = fc.constantFrom("", "", "", " ", "  ", "\n", "\n\n", "\n\n\n\n", "\t", "\r\n", "\n\t\t", "\r", "\n\r");
const gap = fc.oneof(
  { weight: 8, arbitrary: blank },
  { weight: 1, arbitrary: fc.tuple(blank, lineComment, blank).map((parts) => parts.join("")) },
  { weight: 1, arbitrary: fc.tuple(blank, blockComment, blank).map((parts) => parts.join("")) },
  {
    weight: 1,
    arbitrary: fc.tuple(blank, blockComment, blank, lineComment, blank, blockComment).map((parts) => parts.join("")),
  },
);
const plainGap = fc.constantFrom("", "", " ", "\n", "\n  ");

/** Documents: HuJSON, or plain JSON when `isPlain`. */
export function hujsonDocuments(isPlain: boolean): fc.Arbitrary<string> {
  const between = isPlain ? plainGap : gap;
  const comma = isPlain ? fc.constant("") : fc.constantFrom("", ",");
  const { value } = fc.letrec<{ value: string }>((tie) => {
    const inner = tie("value");
    const padded = fc.tuple(between, inner, between).map((parts) => parts.join(""));
    const member = fc
      .tuple(between, text, between, between, inner, between)
      .map(([a, name, b, c, each, d]) => `${a}${name}${b}:${c}${each}${d}`);
    const list = (open: string, entry: fc.Arbitrary<string>, close: string) =>
      fc
        .tuple(fc.array(entry, { maxLength: 5 }), comma, between)
        .map(([entries, end, rest]) => `${open}${entries.join(",")}${entries.length > 0 ? end : ""}${rest}${close}`);
    return {
      value: fc.oneof(
        { maxDepth: 4, depthSize: "medium", withCrossShrink: true },
        scalar,
        list("[", padded, "]"),
        list("{", member, "}"),
      ),
    };
  });
  return fc.tuple(between, value, between).map((parts) => parts.join(""));
}
