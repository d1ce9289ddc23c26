// What the readers of rule sections (acls, grants, ssh) share: definitions, postures and line numbers.
import type { Posture } from "../policy.ts";
import { type Node, type Problems, quote, readTexts } from "./document.ts";
import type { Definitions } from "./selector.ts";

/** What the rule readers of one file share. */
export interface RuleContext {
  readonly text: string;
  readonly definitions: Definitions;
  /** Postures of rules that name none. */
  readonly defaultPostures: readonly Posture[] | null;
  readonly problems: Problems;
}

/** Counts the lines before ascending offsets of a text. */
export function lineCounter(text: string): (offset: number) => number {
  let line = 1;
  let next = text.indexOf("\n");
  return (offset) => {
    while (next >= 0 && next < offset) {
      line++;
      next = text.indexOf("\n", next + 1);
    }
    return line;
  };
}

/** Reads `srcPosture` of a rule: its own list, or the default. An empty own list asks for nothing. */
export function readSrcPosture(node: Node | undefined, where: string, context: RuleContext): readonly Posture[] | null {
  if (node === undefined) return context.defaultPostures;
  const postures = readPostureNames(node, `${where}.srcPosture`, context.definitions, context.problems);
  return postures.length === 0 ? null : postures;
}

/** Reads a list of posture names. */
export function readPostureNames(
  node: Node,
  where: string,
  definitions: Definitions,
  problems: Problems,
): readonly Posture[] {
  const postures: Posture[] = [];
  for (const name of readTexts(node, where, problems)) {
    const posture = definitions.postures.get(name.value);
    if (posture === undefined) problems.error(`posture not found: ${quote(name.value)}`, name.at);
    else postures.push(posture);
  }
  return postures;
}
