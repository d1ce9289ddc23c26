// What every source file looks like (style.md 3.4, 3.5, 3.7): named for what it exports, short enough to read at one
// sitting, opening with what it is, each export with a sentence. Functions are measured by the linter.
import path from "node:path";
import { Visitor } from "oxc-parser";
import { isTest, type SourceFile } from "./source-files.ts";

/** Longest source file, in lines. */
export const MAX_LINES = 500;

// Services, in the plural or before another word, are what Tailscale calls by that name.
const VAGUE_NAMES = /(^|-)(utils?|helpers?|managers?|common|misc|shared)(-|$)|(^|-)service$/;

/** What is wrong with the form of a file. */
export function formProblems(file: SourceFile): string[] {
  return [...nameProblems(file), ...lengthProblems(file), ...commentProblems(file)].map(
    (problem) => `${file.path}: ${problem}`,
  );
}

function nameProblems({ path: file }: SourceFile): string[] {
  const name = path.basename(file).replace(/\..*$/, "");
  return [
    ...(/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) ? [] : ["its name is not in kebab-case"]),
    ...(VAGUE_NAMES.test(name) ? ["its name says nothing about what is in it"] : []),
  ];
}

function lengthProblems({ text }: SourceFile): string[] {
  const lines = text.trimEnd().split("\n").length;
  return lines > MAX_LINES ? [`${lines} lines are more than ${MAX_LINES}`] : [];
}

function commentProblems(file: SourceFile): string[] {
  const isOpened = /\.test\.ts$/.test(file.path) || /^(#!.*\n)?\/[/*]/.test(file.text);
  return [
    ...(isOpened ? [] : ["it does not open with a comment that says what it is"]),
    ...(isTest(file.path) ? [] : undocumentedExports(file).map((name) => `${name} is exported without a comment`)),
    ...baselessSuppressions(file),
  ];
}

/** Names of exported declarations without a comment directly above. One comment serves a block of declarations without
 *  a blank line in between, the overloads of a function, and a value and the type of the same name. */
function undocumentedExports({ text, program, comments }: SourceFile): string[] {
  const ends = comments.map(({ end }) => end);
  const documented = new Set<string>();
  const undocumented: string[] = [];
  for (const statement of program.body) {
    if (statement.type !== "ExportNamedDeclaration" || !statement.declaration) continue;
    const isBelow = (end: number): boolean =>
      end <= statement.start && /^\n?[ \t]*$/.test(text.slice(end, statement.start));
    const names = namesOf(statement.declaration);
    if (ends.some(isBelow) || names.some((name) => documented.has(name))) {
      ends.push(statement.end);
      for (const name of names) documented.add(name);
    } else {
      undocumented.push(...names);
    }
  }
  return undocumented;
}

type Declaration = NonNullable<
  Extract<SourceFile["program"]["body"][number], { type: "ExportNamedDeclaration" }>["declaration"]
>;

function namesOf(declaration: Declaration): string[] {
  if (declaration.type === "VariableDeclaration") {
    return declaration.declarations.flatMap(({ id }) => (id.type === "Identifier" ? [id.name] : []));
  }
  const { id } = declaration as { id?: { name?: string } | null };
  return id?.name === undefined ? [] : [id.name];
}

/** Suppressions of a check that do not say why. */
function baselessSuppressions({ comments }: SourceFile): string[] {
  return comments.flatMap(({ value }) => {
    const text = value.trim();
    const reasoned =
      !/^(biome-ignore|oxlint-disable|eslint-disable|@ts-)/.test(text) ||
      /^biome-ignore \S+: \S/.test(text) ||
      /^(oxlint|eslint)-disable\S* .*-- \S/.test(text) ||
      /^@ts-expect-error \S/.test(text);
    return reasoned ? [] : [`a suppression without a reason: ${text}`];
  });
}

/** Calls of `new Date()` without an argument, which read the clock; the linter bans the other ways to do so. */
export function clockReadings({ path: file, program }: SourceFile): string[] {
  const found: string[] = [];
  new Visitor({
    NewExpression({ callee, arguments: args }) {
      if (callee.type === "Identifier" && callee.name === "Date" && args.length === 0)
        found.push(`${file}: new Date()`);
    },
  }).visit(program);
  return found;
}

/** Uses of any of the names as an identifier or property. */
export function usesOf(names: ReadonlySet<string>, { path: file, program }: SourceFile): string[] {
  const found: string[] = [];
  const note = (name: string): void => {
    if (names.has(name)) found.push(`${file}: ${name}`);
  };
  new Visitor({
    Identifier: ({ name }) => note(name),
    Literal: ({ value }) => (typeof value === "string" ? note(value) : undefined),
  }).visit(program);
  return found;
}
