// What a change of nodes, users or policy does to what nodes are told. An effect names the views that may differ; the
// caller sends only those (policy.md 26.4).

/** How the peer list of one viewer changed. Peer ids, ascending. */
export interface ViewerEffect {
  readonly added: readonly number[];
  readonly removed: readonly number[];
  /** Peers that stay visible but whose addresses, routes or capabilities differ in this viewer's view. */
  readonly changed: readonly number[];
}

/** Effects by viewer, as in a map; visiting all is cheaper than looking one up. */
export type ViewerEffects = Pick<ReadonlyMap<number, ViewerEffect>, "size" | "get"> & {
  keys(): Iterable<number>;
  values(): Iterable<ViewerEffect>;
  forEach(visit: (effect: ViewerEffect, viewer: number) => void): void;
  [Symbol.iterator](): Iterator<[number, ViewerEffect]>;
};

/**
 * Everything that one change did. Node ids throughout. A removed node is named in nobody's sets but as `removed`. What
 * differs is always named. `filters` and `sshPolicies` may name nodes whose new ones turn out equal, when a source that
 * they list has changed beside them; `changed` may name a peer whose only change is an address that is hidden from the
 * viewer; the rest is exact.
 */
export interface PolicyEffect {
  /** Viewers whose peers changed. */
  readonly viewers: ViewerEffects;
  /** Nodes with a new packet filter. */
  readonly filters: ReadonlySet<number>;
  /** Nodes with a new SSH policy. */
  readonly sshPolicies: ReadonlySet<number>;
  /** Nodes with new attributes of their own. */
  readonly capMaps: ReadonlySet<number>;
  /** Prefix, or prefix and region → new primary router, null when there is none any more. */
  readonly primaries: ReadonlyMap<string, number | null>;
  /** Nodes whose own addresses, AllowedIPs or PrimaryRoutes changed, new ones included. */
  readonly selves: ReadonlySet<number>;
}
