// The TypeScript of this repository as the checks of its structure see it: every file that git knows or would add,
// parsed with oxc, with its imports resolved to paths inside the repository.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { type Comment, type Program, parseSync } from "oxc-parser";

/** The root of this repository. */
export const ROOT = path.resolve(import.meta.dirname, "../..");

/** One import or re-export. */
export interface Import {
  /** As written. */
  readonly specifier: string;
  /** For a relative specifier: the file it names, relative to the root. */
  readonly target: string | null;
  /** Nothing of it is left at run time. */
  readonly isType: boolean;
}

/** One parsed file; `path` is relative to the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly program: Program;
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
}

/** Paths of all files that git tracks, or would if they were added, relative to the root.
 *  @throws when there are none, which would make every check pass. */
export function repositoryFiles(): string[] {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const files = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" })
    .split("\0")
    .filter((file) => file !== "" && existsSync(path.join(ROOT, file)));
  if (files.length === 0) throw new Error("git lists no files");
  return files;
}

/** The text of a file of the repository. */
export function readText(file: string): string {
  return readFileSync(path.join(ROOT, file), "utf8");
}

/** Parses one file. @throws when it has a syntax error. */
export function parseSource(file: string, text: string): SourceFile {
  const { program, comments, errors, module } = parseSync(file, text);
  if (errors[0]) throw new Error(`${file}: ${errors[0].message}`);
  const written: [specifier: string, isType: boolean][] = [
    ...module.staticImports.map(
      ({ moduleRequest, entries }) =>
        [moduleRequest.value, entries.length > 0 && entries.every((entry) => entry.isType)] as [string, boolean],
    ),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap((entry) =>
        entry.moduleRequest ? [[entry.moduleRequest.value, entry.isType] as [string, boolean]] : [],
      ),
    ),
    ...module.dynamicImports.map(
      ({ moduleRequest }) =>
        [text.slice(moduleRequest.start, moduleRequest.end).replace(/^["'`]|["'`]$/g, ""), false] as [string, boolean],
    ),
  ];
  return {
    path: file,
    text,
    program,
    comments,
    imports: written.map(([specifier, isType]) => ({
      specifier,
      isType,
      target: specifier.startsWith(".") ? path.posix.join(path.posix.dirname(file), specifier) : null,
    })),
  };
}

/** Every TypeScript file of the repository, parsed. */
export function sourceFiles(): SourceFile[] {
  return repositoryFiles()
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
    .map((file) => parseSource(file, readText(file)));
}

/** Whether the file belongs to the tests, wherever it stands. */
export function isTest(file: string): boolean {
  return /\.(test|fixture|bench)\.ts$/.test(file) || /(^test|\/testing)\//.test(file);
}
