// What a series of replacements touched besides the nodes themselves.

/** Sources and prefixes that may not be what they were. */
export interface Journal {
  /** Sources whose content may have changed, with the key that they had before. */
  readonly sources: Map<number, string>;
  /** Subnet prefixes whose routers, primary or access may have changed. */
  readonly prefixes: Set<string>;
}

/** A journal of nothing. */
export function emptyJournal(): Journal {
  return { sources: new Map(), prefixes: new Set() };
}
