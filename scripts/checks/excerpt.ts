// Cutting what tools print to what a summary has room for.

/** How much to keep: lines from the beginning and from the end, and characters of a line. */
export interface Room {
  readonly lines: number;
  readonly lastLines?: number;
  readonly columns?: number;
}

/** The first and the last lines of a text, each cut; says how many lines and characters are left out. */
export function excerpt(text: string, { lines, lastLines = 0, columns = 600 }: Room): string {
  const all = text
    .trim()
    .split("\n")
    .map((line) => (line.length > columns ? `${line.slice(0, columns)}… (${line.length - columns} more)` : line));
  const missing = all.length - lines - lastLines;
  if (missing <= 0) return all.join("\n");
  const last = lastLines === 0 ? [] : all.slice(-lastLines);
  return [...all.slice(0, lines), `… (${missing} more lines)`, ...last].join("\n");
}
