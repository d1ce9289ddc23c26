// Sources of rules to autogroup:self: for each user the user's own nodes that match the rule (policy.md 9.5). Kept by
// user, since a rule means something else on the devices of each.
import { formatRange } from "../../../protocol/ip.ts";
import { type PrefixSet, prefixSet } from "../../prefix-set.ts";
import { addHash, hashText, NO_ADDRESSES } from "../nodes/address-hash.ts";
import { rangeText } from "../nodes/node-address.ts";
import { isSelected } from "../nodes/node-class.ts";
import type { NodeRecord } from "../nodes/node-record.ts";
import type { Plan } from "../plan.ts";
import type { TemplateSource } from "./filter-template.ts";

/** What self sources read of the tailnet. */
export interface SelfWorld {
  readonly plan: Plan;
  /** Ids of the users that have untagged nodes. */
  readonly userIds: Iterable<number>;
  nodesOf(userId: number): readonly NodeRecord[];
}

/** Self sources of all users of a tailnet. */
export class SelfSources {
  readonly #world: SelfWorld;
  readonly #sources = new Map<number, readonly TemplateSource[]>();
  readonly #usersByKey = new Map<string, Set<number>>();

  constructor(world: SelfWorld) {
    this.#world = world;
  }

  /** A self source of the plan for one user. */
  sourceOf(userId: number, index: number): TemplateSource {
    return this.#sourcesOf(userId)[index] as TemplateSource;
  }

  #sourcesOf(userId: number): readonly TemplateSource[] {
    const known = this.#sources.get(userId);
    if (known !== undefined) return known;
    const nodes = this.#world.nodesOf(userId);
    const sources = this.#world.plan.selfSources.map((atoms) =>
      selfSource(nodes.filter((node) => isSelected(node.class, atoms))),
    );
    this.#sources.set(userId, sources);
    for (const { key } of sources) {
      const users = this.#usersByKey.get(key);
      if (users === undefined) this.#usersByKey.set(key, new Set([userId]));
      else users.add(userId);
    }
    return sources;
  }

  /** Forgets what was known of a user whose nodes change. */
  forget(userId: number): void {
    for (const { key } of this.#sources.get(userId) ?? []) {
      const users = this.#usersByKey.get(key);
      users?.delete(userId);
      if (users?.size === 0) this.#usersByKey.delete(key);
    }
    this.#sources.delete(userId);
  }

  /** Ids of the users with a self source of one of these keys. */
  usersWith(keys: ReadonlySet<string>): Set<number> {
    const found = new Set<number>();
    if (this.#world.plan.selfSources.length === 0) return found;
    for (const userId of this.#world.userIds) this.#sourcesOf(userId);
    for (const key of keys) for (const userId of this.#usersByKey.get(key) ?? []) found.add(userId);
    return found;
  }
}

/** All addresses of nodes as a source. */
export function selfSource(nodes: readonly NodeRecord[]): TemplateSource {
  const hashes = nodes.flatMap((node) => node.addresses.map((address) => address.hash));
  let texts: readonly string[] | null = null;
  return {
    key: hashText(hashes.reduce(addHash, NO_ADDRESSES)),
    texts: () => {
      texts ??= renderAddresses(nodes);
      return texts;
    },
  };
}

function renderAddresses(nodes: readonly NodeRecord[]): readonly string[] {
  const ranges: PrefixSet = prefixSet(nodes.flatMap((node) => node.addresses));
  return ranges.map((range) => rangeText(range, formatRange)).sort();
}
