// Who may reach what (policy.md 25): what one node may send to another, read from the packet filter of the receiver, so
// that postures, via, routes and rules to autogroup:self are all in the answer. Of the sender its own addresses count, not
// those of networks behind it; whether a Service or program listens is nobody's question here.
import type { FilterRule, NetPortRange, PortRange } from "../protocol/control/filter-rule.ts";
import { type Address, isIPv4, parseAddress, parseRange } from "../protocol/ip.ts";
import type { PolicyEngine } from "./engine.ts";
import { contains, EVERYTHING, type PrefixSet, prefixSet } from "./prefix-set.ts";

/** What may be sent in one way. */
export interface Access {
  /** Null: TCP, UDP and ICMP. */
  readonly protocol: number | null;
  readonly ports: readonly PortRange[];
  /** Addresses of the receiver, ranges that it carries, or `*` for everything that it has and carries. */
  readonly destinations: readonly string[];
}

/** A peer with what may be sent to it, or what it may send. */
export interface PeerAccess {
  readonly peer: number;
  readonly access: readonly Access[];
}

/** From a node to its peers, or to a node from its peers. */
export type ReachDirection = "from" | "to";

/** Answers for one engine as it stands; sources that many filters share are read once. */
export class ReachQuestions {
  readonly #engine: PolicyEngine;
  readonly #sources = new Map<readonly string[], PrefixSet>();

  constructor(engine: PolicyEngine) {
    this.#engine = engine;
  }

  /** The peers with access from or to a node, by id; without those that see it and may send nothing. */
  peersOf(node: number, direction: ReachDirection): PeerAccess[] {
    return this.#engine.peersOf(node).flatMap((peer) => {
      const access = direction === "from" ? this.between(node, peer) : this.between(peer, node);
      return access.length === 0 ? [] : [{ peer, access }];
    });
  }

  /** What one node may send to another. */
  between(sender: number, receiver: number): Access[] {
    const addresses = this.#engine.addressesOf(receiver, sender).flatMap((text) => parseAddress(text) ?? []);
    const found = new Map<string, { readonly protocol: number | null; readonly port: PortRange; at: Set<string> }>();
    for (const rule of this.#engine.packetFilterOf(receiver)) {
      const families = this.#familiesOf(rule, addresses);
      for (const { IP, Ports } of families.size === 0 ? [] : (rule.DstPorts ?? [])) {
        if (!isOfFamily({ IP, Ports }, families)) continue;
        const protocol = rule.IPProto?.[0] ?? null;
        const key = `${protocol} ${Ports.First}-${Ports.Last}`;
        const entry = found.get(key) ?? { protocol, port: Ports, at: new Set<string>() };
        entry.at.add(IP);
        found.set(key, entry);
      }
    }
    return joined([...found.values()]);
  }

  /** Families of the addresses that a rule lets through: whatever else it says is for packets that there are not. */
  #familiesOf({ SrcIPs }: FilterRule, addresses: readonly Address[]): Set<boolean> {
    const known = this.#sources.get(SrcIPs);
    const set =
      known ?? (SrcIPs.includes("*") ? EVERYTHING : prefixSet(SrcIPs.flatMap((text) => parseRange(text) ?? [])));
    this.#sources.set(SrcIPs, set);
    return new Set(addresses.filter((address) => contains(set, address)).map(isIPv4));
  }
}

function isOfFamily({ IP }: NetPortRange, families: ReadonlySet<boolean>): boolean {
  const range = IP === "*" ? undefined : parseRange(IP);
  return range === undefined || families.has(isIPv4(range.first));
}

/** One entry for all ports of a protocol that are open at the same destinations. */
function joined(
  found: readonly { readonly protocol: number | null; readonly port: PortRange; readonly at: ReadonlySet<string> }[],
): Access[] {
  const byPlace = new Map<string, { protocol: number | null; ports: PortRange[]; destinations: readonly string[] }>();
  for (const { protocol, port, at } of found) {
    // What reaches everything reaches each address too.
    const destinations = at.has("*") ? ["*"] : [...at].sort();
    const key = `${protocol} ${destinations.join(" ")}`;
    const entry = byPlace.get(key);
    if (entry === undefined) byPlace.set(key, { protocol, ports: [port], destinations });
    else entry.ports.push(port);
  }
  return [...byPlace.values()];
}
