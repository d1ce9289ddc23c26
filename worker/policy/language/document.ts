// Reading a HuJSON document with positions (policy.md 1): JSON with comments and one trailing comma, nothing else.
// Readers take a value apart strictly and note what is wrong instead of throwing, so that all problems of a file come
// out at once. Names of sections and fields match in any case; strings of the policy language are trimmed.
import { createScanner, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";

export type { Node } from "jsonc-parser";

/** A string of the file with the offset at which it stands. */
export interface Text {
  readonly value: string;
  readonly at: number;
}

/** A note about the file: its message and the offset that it is about. */
export interface Note {
  readonly message: string;
  readonly at: number;
}

/** What is wrong (errors) or doubtful (warnings) in one file, in the order of finding. */
export class Problems {
  readonly errors: Note[] = [];
  readonly warnings: Note[] = [];

  error(message: string, at: number): void {
    this.errors.push({ message, at });
  }

  warn(message: string, at: number): void {
    this.warnings.push({ message, at });
  }
}

/** Deepest nesting of arrays and objects; a real policy needs seven. The parser recurses, so this guards the stack. */
const MAX_DEPTH = 100;

/** Parses the document; undefined, with an error noted, unless it is well-formed and its root is an object. */
export function parseDocument(text: string, problems: Problems): Node | undefined {
  const deep = findTooDeep(text);
  if (deep !== undefined) {
    problems.error("nested too deeply", deep);
    return undefined;
  }
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
  const first = errors[0];
  if (first !== undefined) {
    problems.error(syntaxMessage(first), first.offset);
    return undefined;
  }
  if (root?.type !== "object") {
    problems.error("a policy must be an object", root?.offset ?? 0);
    return undefined;
  }
  return root;
}

/** Kinds of tokens of jsonc-parser, whose own names are not there at run time. */
const Token = { openBrace: 1, closeBrace: 2, openBracket: 3, closeBracket: 4, end: 17 } as const;

function findTooDeep(text: string): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (let token: number = scanner.scan(); token !== Token.end; token = scanner.scan()) {
    if (token === Token.openBrace || token === Token.openBracket) depth++;
    else if (token === Token.closeBrace || token === Token.closeBracket) depth--;
    if (depth > MAX_DEPTH) return scanner.getTokenOffset();
  }
  return undefined;
}

/** "CommaExpected" → "syntax error: comma expected". */
function syntaxMessage(error: ParseError): string {
  const words = printParseErrorCode(error.error).replace(/([a-z])([A-Z])/g, "$1 $2");
  return `syntax error: ${words.toLowerCase()}`;
}

/** Fields of an object by canonical name; null values are absent. */
export type Fields = ReadonlyMap<string, Node>;

/**
 * Reads an object with a fixed set of fields. Names match in any case, the last of equal names counts. Undefined when
 * the value is no object.
 */
export function readFields(
  node: Node,
  where: string,
  known: readonly string[],
  problems: Problems,
): Fields | undefined {
  const entries = readEntries(node, where, problems);
  if (entries === undefined) return undefined;
  const canonical = new Map(known.map((name) => [name.toLowerCase(), name]));
  const fields = new Map<string, Node>();
  const seen = new Set<string>();
  for (const [key, value] of entries) {
    const name = canonical.get(key.value.toLowerCase());
    if (name !== undefined && seen.has(name)) {
      problems.warn(`${where}: duplicate key ${quote(key.value)}, the last one counts`, key.at);
    }
    if (name === undefined) problems.error(`${where}: unknown field ${quote(key.value)}`, key.at);
    else if (value.type === "null") fields.delete(name);
    else fields.set(name, value);
    if (name !== undefined) seen.add(name);
  }
  return fields;
}

/** Reads an object with free keys, in file order; the last of equal keys counts. Undefined when it is no object. */
export function readEntries(node: Node, where: string, problems: Problems): [Text, Node][] | undefined {
  if (node.type !== "object") {
    problems.error(`${where}: expected an object`, node.offset);
    return undefined;
  }
  const entries = new Map<string, [Text, Node]>();
  for (const property of node.children ?? []) {
    const [key, value] = property.children ?? [];
    if (key === undefined || value === undefined) continue;
    const name = String(key.value);
    if (entries.has(name)) problems.warn(`${where}: duplicate key ${quote(name)}, the last one counts`, key.offset);
    entries.set(name, [{ value: name, at: key.offset }, value]);
  }
  return [...entries.values()];
}

/** Reads a list; an absent one is empty. */
export function readList(node: Node | undefined, where: string, problems: Problems): readonly Node[] {
  if (node === undefined) return [];
  if (node.type === "array") return node.children ?? [];
  problems.error(`${where}: expected a list`, node.offset);
  return [];
}

/** Reads a list of strings, trimmed of blanks; an absent one is empty. */
export function readTexts(node: Node | undefined, where: string, problems: Problems): Text[] {
  const texts: Text[] = [];
  for (const [i, item] of readList(node, where, problems).entries()) {
    const text = readText(item, `${where}[${i}]`, problems);
    if (text !== undefined) texts.push(text);
  }
  return texts;
}

/** Reads a string, trimmed of blanks; undefined when absent or of another type. */
export function readText(node: Node | undefined, where: string, problems: Problems): Text | undefined {
  if (node === undefined) return undefined;
  if (node.type === "string") return { value: String(node.value).trim(), at: node.offset };
  problems.error(`${where}: expected a string`, node.offset);
  return undefined;
}

/** Reads a boolean; false when absent or of another type. */
export function readBoolean(node: Node | undefined, where: string, problems: Problems): boolean {
  if (node === undefined) return false;
  if (node.type === "boolean") return node.value === true;
  problems.error(`${where}: expected true or false`, node.offset);
  return false;
}

/** The plain JSON value of a node. Objects have no prototype, so that no key is special. */
export function plainValue(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(plainValue);
  if (node.type !== "object") return node.value;
  const object: Record<string, unknown> = Object.create(null);
  for (const property of node.children ?? []) {
    const [key, value] = property.children ?? [];
    if (key !== undefined && value !== undefined) object[String(key.value)] = plainValue(value);
  }
  return object;
}

/** A string in double quotes, as messages show values of the file. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
