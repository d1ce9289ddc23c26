// What a migration may contain (platform.md 2.4). The rebuilds that drizzle-kit generates lose rows inside a Durable
// Object, where foreign keys cannot be switched off: a migration adds, and anything else is written by hand and says why.

/** Parts of statements that can lose rows, with the reason. */
const DANGEROUS: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/__new_/i, "rebuilds a table"],
  [/\bdrop\s+table\b/i, "drops a table"],
  [/\bpragma\b/i, "relies on a pragma"],
  [/\bon\s+delete\s+cascade\b/i, "deletes rows that it does not name"],
  [/\brename\b/i, "renames what an older version still reads"],
];

/** The comment that vouches for a statement, with the reason after the colon. */
const MARKER = /^[ \t]*--[ \t]*reviewed:[ \t]*\S/im;

/** What is wrong with the text of a migration; nothing when it carries the marker. */
export function migrationProblems(sql: string): string[] {
  if (MARKER.test(sql)) return [];
  const statements = sql.replace(/--.*$/gm, "");
  return DANGEROUS.filter(([pattern]) => pattern.test(statements)).map(([, why]) => why);
}

/** The tags of files that are not in ascending order of their number, or whose number is not one more than the last. */
export function misnumbered(tags: readonly string[]): string[] {
  return tags.filter((tag, index) => !tag.startsWith(`${String(index).padStart(4, "0")}_`));
}
