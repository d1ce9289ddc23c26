// Paths of the repository that its documents name, and text that may not stand in any file.

const FOLDERS = ["worker", "db", "migrations", "agent", "console", "test", "docs", "scripts", "\\.ci"].join("|");
const PATH = new RegExp(`(?<![\\w/.~-])(?:\\./)?((?:${FOLDERS})/[\\w.*/-]*[\\w*/])`, "g");
const BARE = /`([\w-]+\.(?:md|json|toml|ts|mjs))`|\]\(\.?\/?([\w-]+\.md)[#)]/g;

/** The files and folders that a document names, without duplicates: by their path, where `*` stands for any text, or by
 *  a bare file name. */
export function namedPaths(text: string): string[] {
  const inFolders = [...text.matchAll(PATH)].map((match) => match[1] ?? "");
  const bare = [...text.matchAll(BARE)].map((match) => match[1] ?? match[2] ?? "");
  return [...new Set([...inFolders, ...bare])];
}

/** Whether what a document names is among the files, or is a folder of them. */
export function exists(named: string, files: readonly string[]): boolean {
  const wanted = named.replace(/\/$/, "");
  if (!named.includes("/")) return files.some((file) => file === wanted || file.endsWith(`/${wanted}`));
  if (!wanted.includes("*")) return files.some((file) => file === wanted || file.startsWith(`${wanted}/`));
  const pattern = new RegExp(`^${wanted.replace(/[.]/g, "\\.").replace(/\*+/g, ".*")}(/|$)`);
  return files.some((file) => pattern.test(file));
}

/** Words that tie a file to one machine or to one package registry. The patterns do not match their own text. */
const LOCAL: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/(?<![\w.])\/(work|root)\/[\w.]/, "a path of one machine"],
  [/(?<![\w.])\/(home|Users)\/[\w]/, "a path of one person"],
  [/\bregistry\.(npmjs|yarnpkg)\b/, "a package registry"],
  [/\b(proxy|sum)\.golang\.org\b/, "a package registry"],
  [/\b(pypi\.org|pythonhosted\.org|static\.crates\.io|crates\.io|repo1?\.maven)\b/, "a package registry"],
  [/\b(deb|security)\.debian\.org\b/, "a package registry"],
];

/** What in a text is particular to one machine or registry. */
export function localWords(text: string): string[] {
  return LOCAL.flatMap(([pattern, what]) => {
    const match = pattern.exec(text);
    return match ? [`${what}: ${match[0]}`] : [];
  });
}
