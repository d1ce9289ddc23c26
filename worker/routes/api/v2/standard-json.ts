// HuJSON → JSON: comments and trailing commas become blanks, everything else stays byte for byte, so that keys keep
// their order and spelling and lines keep their numbers (api-v2.md 2.6).
import { createScanner } from "jsonc-parser";

/** The kinds of token that matter here: the package's own enumeration exists for its compiler only. */
const SyntaxKind = {
  CloseBraceToken: 2,
  CloseBracketToken: 4,
  CommaToken: 5,
  LineCommentTrivia: 12,
  BlockCommentTrivia: 13,
  LineBreakTrivia: 14,
  Trivia: 15,
  EOF: 17,
} as const;

/** The text as strict JSON; it must be well-formed HuJSON. */
export function toStandardJson(text: string): string {
  const scanner = createScanner(text, false);
  const parts: string[] = [];
  let comma: number | undefined; // index in `parts` of a comma that nothing but blanks has followed so far
  for (let token: number = scanner.scan(); token !== SyntaxKind.EOF; token = scanner.scan()) {
    const part = text.slice(scanner.getTokenOffset(), scanner.getTokenOffset() + scanner.getTokenLength());
    if (token === SyntaxKind.LineCommentTrivia || token === SyntaxKind.BlockCommentTrivia) {
      parts.push(part.replaceAll(/[^\r\n]/g, " "));
      continue;
    }
    const isClosing = token === SyntaxKind.CloseBraceToken || token === SyntaxKind.CloseBracketToken;
    if (isClosing && comma !== undefined) parts[comma] = " ";
    if (token === SyntaxKind.CommaToken) comma = parts.length;
    else if (token !== SyntaxKind.Trivia && token !== SyntaxKind.LineBreakTrivia) comma = undefined;
    parts.push(part);
  }
  return parts.join("");
}
