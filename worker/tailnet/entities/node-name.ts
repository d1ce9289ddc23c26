// DNS labels of nodes (control-protocol.md 5.9): lower case letters, digits and hyphens, at most 63, unique.

const MAX_LABEL = 63;

/**
 * Makes a DNS label of a host name: its first label without accents and apostrophes, other characters as hyphens;
 * `node` when nothing is left. Never an internationalised name (`xn--…`): browsers would show it in another script.
 */
export function labelOf(hostname: string): string {
  const first = hostname.normalize("NFKD").toLowerCase().split(".")[0] ?? "";
  const label = first
    .replaceAll(/[\p{M}'’]+/gu, "")
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replace(/^-+/, "")
    .replace(/^xn-{2,}/, "xn-")
    .slice(0, MAX_LABEL)
    .replace(/-+$/, "");
  return label === "" ? "node" : label;
}

/** Tells whether a text is a valid label as it stands. */
export function isLabel(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text);
}

/** The label itself, or the first of `label-1`, `label-2`, … that is free. */
export function uniqueLabel(label: string, isTaken: (label: string) => boolean): string {
  if (!isTaken(label)) return label;
  for (let n = 1; ; n++) {
    const suffix = `-${n}`;
    const candidate = label.slice(0, MAX_LABEL - suffix.length).replace(/-+$/, "") + suffix;
    if (!isTaken(candidate)) return candidate;
  }
}
