// Gaps: blanks and comments between the values of a HuJSON document; how they are measured and laid out.
//
// Learnt from github.com/tailscale/hujson at v0.0.0-20260302212456; lengths count bytes, as they do there.
import { blanksLength, commentLength } from "./tree.ts";

const WHITE_SPACE = /[\t-\r \u0085\p{Z}]/u;

/** What a gap must look like at its place. */
export interface GapLayout {
  readonly startsOnNewLine?: boolean;
  readonly endsOnNewLine?: boolean;
  readonly dropsBlankLinesBefore?: boolean;
  readonly dropsBlankLinesAfter?: boolean;
  /** What follows stands one level further out. */
  readonly dedentsEnd?: boolean;
  /** Is a blank when there is nothing in it. */
  readonly isNeverEmpty?: boolean;
}

/** Lengths of a run of text: of its first and of its last line, which are one unless it breaks. */
export interface Extent {
  readonly first: number;
  readonly last: number;
  readonly breaks: boolean;
}

/** Number of bytes in UTF-8. */
export function byteLength(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit <= 0xdfff)
      bytes += 2; // half of a pair, which is 4 bytes
    else bytes += 3;
  }
  return bytes;
}

/** Tells whether there is more than blanks. */
export function hasComment(gap: string): boolean {
  return blanksLength(gap) < gap.length;
}

/** Room that the comments of a gap take, roughly; blanks are laid out anew and do not count. */
export function extentOfGap(gap: string): Extent {
  const firstEnd = gap.indexOf("\n");
  if (firstEnd < 0) {
    const length = commentsLength(gap);
    return { first: length, last: length, breaks: false };
  }
  const last = gap.slice(gap.lastIndexOf("\n") + 1);
  return { first: commentsLength(gap.slice(0, firstEnd)), last: commentsLength(last), breaks: true };
}

function commentsLength(line: string): number {
  let length = 0;
  let rest = line;
  for (;;) {
    rest = rest.slice(blanksLength(rest));
    if (!rest.startsWith("//") && !rest.startsWith("/*")) return length === 0 ? 0 : length + 1;
    const comment = rest.startsWith("//") ? -1 : commentLength(rest);
    if (comment < 0) return length + 1 + byteLength(rest); // it fills the line
    length += 1 + byteLength(rest.slice(0, comment));
    rest = rest.slice(comment);
  }
}

/** The gap as it is written at a depth of nesting. */
export function layOutGap(gap: string, depth: number, layout: GapLayout = {}): string {
  const source = gap.replaceAll("\r\n", "\n").replaceAll("\n\r", "\n").replaceAll("\r", " ");
  let text = layout.startsOnNewLine === true && !source.includes("\n") ? "\n" : "";
  text = withComments(text, source, depth);
  if (layout.endsOnNewLine === true && !text.endsWith("\n")) text += "\n";
  if (layout.dropsBlankLinesBefore === true) text = text.replace(/^\n+/, (run) => run.slice(-1));
  if (layout.dropsBlankLinesAfter === true) text = text.replace(/\n+$/, "\n");
  if (text.endsWith("\n")) return text + indent(layout.dedentsEnd === true ? depth - 1 : depth);
  return text === "" && layout.isNeverEmpty !== true ? "" : `${text} `;
}

/** Adds the comments of a gap, at most one blank line between two. */
function withComments(start: string, source: string, depth: number): string {
  const parts = [start];
  let isLineStart = start !== "";
  for (let rest = source; rest !== ""; ) {
    const blanks = blanksLength(rest);
    if (blanks > 0) {
      const breaks = Math.min(2, rest.slice(0, blanks).split("\n").length - 1);
      parts.push("\n".repeat(breaks));
      isLineStart ||= breaks > 0;
      rest = rest.slice(blanks);
      continue;
    }
    const length = commentLength(rest);
    const isLine = rest.startsWith("//");
    const comment = rest.slice(0, length);
    parts.push(isLineStart ? indent(depth) : " ");
    parts.push(isLine || !comment.includes("\n") ? trimEnd(comment) : layOutBlock(comment, depth));
    isLineStart = false;
    rest = rest.slice(isLine ? length - 1 : length); // the end of a line is a blank of its own
  }
  return parts.join("");
}

/** A comment of several lines: what they have in common before their text gives way to the indentation. */
function layOutBlock(comment: string, depth: number): string {
  const [first = "", ...lines] = comment.split("\n").map(trimEnd);
  const hasEmptyLine = lines.includes("");
  let shared = lines.find((line) => line !== "") ?? "";
  const last = lines.length - 1;
  for (const [i, line] of lines.entries()) {
    if (line === "") continue;
    if (i === last && line.slice(blanksLength(line)) === "*/") {
      lines[i] = `${shared.slice(0, blanksLength(shared))}*/`;
      break;
    }
    shared = sharedStart(shared, line);
  }
  const margin = blanksLength(shared);
  const isStarred = !hasEmptyLine && shared[margin] === "*";
  const laidOut = lines.map((line) =>
    line === "" ? "" : `${indent(depth)}${isStarred ? " " : ""}${line.slice(margin)}`,
  );
  return [first, ...laidOut].join("\n");
}

/** The part of `shared` before the first difference; a shorter line differs nowhere behind its end. */
function sharedStart(shared: string, line: string): string {
  for (let i = 0; i < shared.length && i < line.length; i++) {
    if (shared[i] !== line[i]) return shared.slice(0, i);
  }
  return shared;
}

/** Without white space at the end, in Go's sense of it. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && WHITE_SPACE.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

function indent(depth: number): string {
  return "\t".repeat(Math.max(0, depth));
}
