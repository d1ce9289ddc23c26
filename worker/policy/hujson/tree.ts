// HuJSON (JSON with comments and trailing commas) as a tree that keeps every byte: values, and the gaps around them, which
// hold blanks and comments. For the formatter; what a policy means is read elsewhere (policy/parse.ts).
//
//   gap value gap                               the document
//   { gap name gap : gap value gap , … gap }    an object; the gap behind the last value counts as the object's own
//   [ gap value gap , … gap ]                   an array, likewise

/** A value with the gaps around it. */
export interface Value {
  before: string;
  item: string | Composite;
  /** Null: nothing stands between the value and what ends it. Of a last value: no comma follows it. */
  after: string | null;
}

/** An object or an array. */
export interface Composite {
  readonly isObject: boolean;
  readonly entries: readonly Entry[];
  /** The gap before the closing bracket. */
  rest: string;
}

/** A member of an object, or an element of an array, which has no name. */
export interface Entry {
  readonly name: Value | undefined;
  readonly value: Value;
}

/** Deeper documents are no policy files. */
const DEPTH_MAX = 500;
const BLANKS = /[ \t\r\n]*/y;
const SCALAR = /[-+.0-9A-Za-z]+/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;

/** The tree of a document; undefined when it is not well-formed or nested too deeply. */
export function parseTree(text: string): Value | undefined {
  try {
    const reader = new Reader(text);
    const value = reader.value(0);
    return reader.isAtEnd ? value : undefined;
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

/** The text of a tree. */
export function printTree({ before, item, after }: Value): string {
  return `${before}${typeof item === "string" ? item : printComposite(item)}${after ?? ""}`;
}

/** Length of the comment at the start of a text; 0: there is none, -1: it does not end. */
export function commentLength(text: string): number {
  if (!text.startsWith("//") && !text.startsWith("/*")) return 0;
  const end = text[1] === "/" ? "\n" : "*/";
  const at = text.indexOf(end, 2);
  return at < 0 ? -1 : at + end.length;
}

/** Length of the blanks at the start of a text. */
export function blanksLength(text: string): number {
  return match(BLANKS, text, 0).length;
}

class MalformedError extends Error {}

function printComposite({ isObject, entries, rest }: Composite): string {
  const printed = entries.map(({ name, value }) => `${name ? `${printTree(name)}:` : ""}${printTree(value)}`).join(",");
  const comma = entries.length > 0 && entries.at(-1)?.value.after !== null ? "," : "";
  return isObject ? `{${printed}${comma}${rest}}` : `[${printed}${comma}${rest}]`;
}

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  value(depth: number): Value {
    if (depth > DEPTH_MAX) throw new MalformedError();
    const before = this.#gap();
    return { before, item: this.#item(depth), after: this.#gap() || null };
  }

  #item(depth: number): string | Composite {
    const first = this.#text[this.#at];
    if (first === "{" || first === "[") return this.#composite(depth, first === "{");
    const literal = match(first === '"' ? STRING : SCALAR, this.#text, this.#at);
    if (!isLiteral(literal)) throw new MalformedError();
    this.#at += literal.length;
    return literal;
  }

  #composite(depth: number, isObject: boolean): Composite {
    const close = isObject ? "}" : "]";
    const entries: Entry[] = [];
    this.#at += 1;
    for (;;) {
      const start = this.#at;
      const rest = this.#gap();
      if (this.#take(close)) {
        const last = entries.at(-1);
        if (last !== undefined) last.value.after ??= "";
        return { isObject, entries, rest };
      }
      this.#at = start;
      const value = this.#entry(depth + 1, isObject, entries);
      if (this.#take(",")) continue;
      if (!this.#take(close)) throw new MalformedError();
      const ownRest = value.after ?? "";
      value.after = null;
      return { isObject, entries, rest: ownRest };
    }
  }

  #entry(depth: number, isObject: boolean, entries: Entry[]): Value {
    const name = isObject ? this.value(depth) : undefined;
    if (name !== undefined && !(typeof name.item === "string" && name.item.startsWith('"') && this.#take(":"))) {
      throw new MalformedError();
    }
    const value = this.value(depth);
    entries.push({ name, value });
    return value;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #gap(): string {
    const start = this.#at;
    for (;;) {
      this.#at += match(BLANKS, this.#text, this.#at).length;
      if (this.#text[this.#at] !== "/") return this.#text.slice(start, this.#at);
      const length = this.#commentLength();
      if (length < 0) throw new MalformedError();
      if (length === 0) return this.#text.slice(start, this.#at);
      this.#at += length;
    }
  }

  /** As {@link commentLength}, without a copy of all that follows. */
  #commentLength(): number {
    const kind = this.#text[this.#at + 1];
    if (kind !== "/" && kind !== "*") return 0;
    const end = kind === "/" ? "\n" : "*/";
    const at = this.#text.indexOf(end, this.#at + 2);
    return at < 0 ? -1 : at + end.length - this.#at;
  }
}

function isLiteral(text: string): boolean {
  try {
    JSON.parse(text);
    return text !== "";
  } catch {
    return false;
  }
}
