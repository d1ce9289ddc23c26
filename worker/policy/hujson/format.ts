// The canonical form of HuJSON: what two policy files must have in common to count as the same file (api-v2.md 2.6). Tools
// that keep the file in a repository put it into this form and compare its hash with the entity tag, so every byte counts;
// where the reference is odd, so is this.
//
// Learnt from github.com/tailscale/hujson at v0.0.0-20260302212456. test/golden/hujson has what it makes of many files.
import { byteLength, type Extent, extentOfGap, hasComment, layOutGap, trimEnd } from "./gap.ts";
import { blanksLength, type Composite, type Entry, parseTree, printTree, type Value } from "./tree.ts";

/** Longer lines are broken up. */
const LINE_MAX = 80;

/** The document in canonical form; undefined when it is not well-formed. A JSON document stays one. */
export function formatHuJson(text: string): string | undefined {
  const root = parseTree(text);
  if (root === undefined) return undefined;
  const before = layOutGap(root.before, 0);
  root.before = before.slice(blanksLength(before));
  const isStandard = isStandardJson(root);
  tidy(root);
  const expanded = new Set<Composite>();
  measure(root, expanded);
  layOut(root, 0, { expanded, isStandard });
  align(root);
  root.after = `${trimEnd(layOutGap(root.after ?? "", 0))}\n`;
  return printTree(root);
}

/** All gaps and values directly inside, in order. */
function* valuesOf({ entries }: Composite): Generator<Value> {
  for (const { name, value } of entries) {
    if (name !== undefined) yield name;
    yield value;
  }
}

function isStandardJson({ before, item, after }: Value): boolean {
  if (hasComment(before) || hasComment(after ?? "")) return false;
  if (typeof item === "string") return true;
  const hasComma = item.entries.length > 0 && item.entries.at(-1)?.value.after !== null;
  return !hasComma && !hasComment(item.rest) && [...valuesOf(item)].every(isStandardJson);
}

/** Spells strings in one way, and drops blanks where none belong. */
function tidy(value: Value): void {
  const { item } = value;
  if (typeof item === "string") {
    if (item.startsWith('"') && item.includes("\\")) value.item = spell(JSON.parse(item) as string);
    return;
  }
  if (item.entries.length === 0 && !hasComment(item.rest)) item.rest = "";
  for (const inner of valuesOf(item)) {
    if (!hasComment(inner.after ?? "")) inner.after = null;
    tidy(inner);
  }
}

/** A string by RFC 8785 §3.2.2.2, which is how JSON.stringify spells well-formed ones. */
function spell(text: string): string {
  return JSON.stringify(text.toWellFormed());
}

/** Finds the composites that take a line for each entry: those that break already, and those that are too long. */
function measure({ item }: Value, expanded: Set<Composite>): Extent {
  if (typeof item === "string") {
    const length = byteLength(item);
    return { first: length, last: length, breaks: false };
  }
  const lines = new Lines();
  let mustExpand = false;
  lines.add(1);
  for (const { name, value } of item.entries) {
    mustExpand ||= (name ?? value).before.includes("\n");
    if (name !== undefined) {
      measureInto(lines, name, expanded);
      lines.add(2);
    }
    measureInto(lines, value, expanded);
    lines.add(2);
  }
  lines.add(1);
  mustExpand ||= (item.entries.at(-1)?.value.after ?? "").includes("\n") || item.rest.includes("\n");
  const lengths = lines.all();
  if (!mustExpand && lengths.every((length) => length <= LINE_MAX)) {
    return { first: lengths[0] ?? 0, last: lengths.at(-1) ?? 0, breaks: lengths.length > 1 };
  }
  expanded.add(item);
  const firstGap = item.entries[0] === undefined ? item.rest : (item.entries[0].name ?? item.entries[0].value).before;
  return { first: 1 + extentOfGap(firstGap).first, last: 1, breaks: true };
}

function measureInto(lines: Lines, value: Value, expanded: Set<Composite>): void {
  lines.extend(extentOfGap(value.before));
  lines.extend(measure(value, expanded));
  lines.extend(extentOfGap(value.after ?? ""));
}

/** Lengths of the lines that something would take. */
class Lines {
  readonly #ended: number[] = [];
  #length = 0;

  add(length: number): void {
    this.#length += length;
  }

  extend({ first, last, breaks }: Extent): void {
    this.#length += first;
    if (!breaks) return;
    this.#ended.push(this.#length);
    this.#length = last;
  }

  all(): readonly number[] {
    return [...this.#ended, this.#length];
  }
}

interface Style {
  readonly expanded: ReadonlySet<Composite>;
  readonly isStandard: boolean;
}

const TIGHT = { dropsBlankLinesBefore: true, dropsBlankLinesAfter: true };

/** Writes the gaps inside a value anew. */
function layOut({ item }: Value, depth: number, style: Style): void {
  if (typeof item === "string") return;
  const isExpanded = style.expanded.has(item);
  for (const [i, entry] of item.entries.entries()) layOutEntry(entry, i, { depth, isExpanded, style });
  item.rest = layOutGap(item.rest, depth + 1, {
    endsOnNewLine: isExpanded,
    dropsBlankLinesBefore: item.entries.length === 0,
    dropsBlankLinesAfter: true,
    dedentsEnd: true,
  });
  setLastComma(item, isExpanded, style.isStandard);
}

function layOutEntry(
  { name, value }: Entry,
  index: number,
  { depth, isExpanded, style }: { readonly depth: number; readonly isExpanded: boolean; readonly style: Style },
): void {
  const first = name ?? value;
  first.before = layOutGap(first.before, depth + 1, {
    startsOnNewLine: isExpanded,
    dropsBlankLinesBefore: index === 0,
    isNeverEmpty: index !== 0,
  });
  let level = isExpanded ? depth + 1 : depth;
  if (name !== undefined) {
    name.after = layOutAfter(name.after, depth);
    value.before = layOutGap(value.before, depth + 2, { ...TIGHT, isNeverEmpty: true });
    if ((name.after ?? "").includes("\n") || value.before.includes("\n")) level += 1;
  }
  layOut(value, level, style);
  value.after = layOutAfter(value.after, depth);
}

function layOutAfter(gap: string | null, depth: number): string | null {
  return gap === null ? null : layOutGap(gap, depth + 2, TIGHT);
}

/** A comma ends the last line of what is expanded, unless the document is JSON; elsewhere only comments keep one. */
function setLastComma(item: Composite, isExpanded: boolean, isStandard: boolean): void {
  const last = item.entries.at(-1)?.value;
  if (last === undefined) return;
  const isBetweenComments = (last.after ?? "") !== "" && item.rest !== "";
  if (isExpanded && !isStandard) last.after ??= "";
  if (isExpanded || isBetweenComments) return;
  item.rest = (last.after ?? "") + item.rest;
  last.after = null;
}

/** Has the values of an object's neighbouring lines begin in one column. */
function align({ item }: Value): void {
  if (typeof item === "string") return;
  let rows: { readonly value: Value; readonly length: number }[] = [];
  const flush = () => {
    const width = Math.max(0, ...rows.map(({ length }) => length));
    for (const { value, length } of rows) value.before += " ".repeat(width - length);
    rows = [];
  };
  for (const { name, value } of item.entries) {
    if (name === undefined) break;
    const inner = [name.after ?? "", value.before, value.after ?? ""];
    if (!name.before.includes("\n") || inner.some((gap) => gap.includes("\n")) || breaksInside(value)) {
      flush();
      continue;
    }
    if (name.before.split("\n").length > 2) flush();
    const length = byteLength(`${printTree({ ...name, before: "" })}:${value.before}`);
    rows.push({ value, length });
  }
  flush();
  for (const inner of valuesOf(item)) align(inner);
}

function breaksInside({ item }: Value): boolean {
  if (typeof item === "string") return false;
  return [...valuesOf(item)].some(
    (value) => value.before.includes("\n") || (value.after ?? "").includes("\n") || breaksInside(value),
  );
}
