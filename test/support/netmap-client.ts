// A client's side of a map stream: what one stream's messages add up to. A readable twin of the real client's map
// session (control-protocol.md 5.5–5.8, compared with client 1.102.3), field by field and in its order.
import type { DerpMap } from "../../worker/protocol/control/derp-map.ts";
import type { DnsConfig } from "../../worker/protocol/control/dns.ts";
import type { FilterRule } from "../../worker/protocol/control/filter-rule.ts";
import type { MapResponse, UserProfile } from "../../worker/protocol/control/map.ts";
import type { PeerChange, WireNode } from "../../worker/protocol/control/node.ts";
import type { SSHPolicy } from "../../worker/protocol/control/ssh.ts";

/** What a client knows after a message, in a form that two clients can be compared by. */
export interface ClientNetmap {
  readonly self: object;
  readonly peers: readonly object[];
  readonly profiles: readonly (UserProfile | undefined)[];
  readonly derpMap: DerpMap | undefined;
  readonly dns: DnsConfig;
  readonly filter: readonly FilterRule[];
  readonly ssh: SSHPolicy | undefined;
  readonly domain: string;
}

/** The state of one map stream. */
export class NetmapClient {
  #self: WireNode | undefined;
  readonly #peers = new Map<number, WireNode>();
  readonly #profiles = new Map<number, UserProfile>();
  #derpMap: DerpMap | undefined;
  #dns: DnsConfig = {};
  readonly #filters = new Map<string, readonly FilterRule[]>();
  #ssh: SSHPolicy | undefined;
  #domain = "";

  /** Takes one message. @throws Error when it is one that a client refuses */
  apply(message: string): void {
    const sent: MapResponse = JSON.parse(message);
    if (sent.KeepAlive) return;
    const response = upgraded(sent);
    if (this.#self === undefined && response.Node === undefined) throw new Error("initial MapResponse lacked node");
    this.#applyPeers(response);
    if (response.Node) this.#self = response.Node;
    for (const profile of response.UserProfiles ?? []) this.#profiles.set(profile.ID, profile);
    if (response.DERPMap) this.#derpMap = { ...this.#derpMap, ...response.DERPMap };
    this.#applyFilters(response.PacketFilters);
    if (response.DNSConfig) this.#dns = response.DNSConfig;
    if (response.SSHPolicy) this.#ssh = response.SSHPolicy;
    if (response.Domain) this.#domain = response.Domain;
    this.#checkKeys();
  }

  #applyPeers(response: MapResponse): void {
    if (response.Peers && response.Peers.length > 0) {
      this.#peers.clear();
      for (const peer of response.Peers) this.#peers.set(peer.ID, peer);
      return; // the other peer fields of such a message are not looked at
    }
    for (const id of response.PeersRemoved ?? []) this.#peers.delete(id);
    for (const peer of response.PeersChanged ?? []) this.#peers.set(peer.ID, peer);
    for (const change of response.PeersChangedPatch ?? []) {
      const peer = this.#peers.get(change.NodeID);
      if (peer !== undefined) this.#peers.set(change.NodeID, patched(peer, change));
    }
  }

  #applyFilters(filters: MapResponse["PacketFilters"]): void {
    if (!filters) return;
    if (filters["*"] === null) this.#filters.clear();
    for (const [name, rules] of Object.entries(filters)) {
      if (name === "*") continue;
      if (rules === null) this.#filters.delete(name);
      else this.#filters.set(name, rules);
    }
  }

  #checkKeys(): void {
    const nodes = [...this.#peers.values(), ...(this.#self ? [this.#self] : [])];
    if (new Set(nodes.map(({ ID }) => ID)).size !== nodes.length) throw new Error("a node is its own peer");
    if (new Set(nodes.map(({ Key }) => Key)).size !== nodes.length) throw new Error("two nodes have the same key");
    const routes = nodes.slice(0, this.#peers.size).flatMap(({ AllowedIPs = [] }) => AllowedIPs.filter(isSubnet));
    if (new Set(routes).size !== routes.length) throw new Error("two peers have the same subnet route");
  }

  /** The node key that the stream's self node has. */
  get selfKey(): string | undefined {
    return this.#self?.Key;
  }

  /** Ids of the peers, ascending. */
  get peerIds(): number[] {
    return [...this.#peers.keys()].sort((a, b) => a - b);
  }

  /** A peer as it stands; undefined when it is not one. */
  peer(id: number): WireNode | undefined {
    return this.#peers.get(id);
  }

  /** What the client makes of it all. @throws Error before the first message */
  netmap(): ClientNetmap {
    if (this.#self === undefined) throw new Error("no message yet");
    const peers = this.peerIds.flatMap((id) => this.#peers.get(id) ?? []);
    const userIds = [...new Set([this.#self, ...peers].map(({ User }) => User))].sort((a, b) => a - b);
    return {
      self: shownSelf(this.#self),
      peers: peers.map(shownPeer),
      profiles: userIds.map((id) => this.#profiles.get(id)),
      derpMap: this.#derpMap,
      dns: this.#dns,
      filter: [...this.#filters].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, rules]) => rules),
      ssh: this.#ssh,
      domain: this.#domain,
    };
  }
}

function isSubnet(prefix: string): boolean {
  return !/\/(32|128)$|^(0\.0\.0\.0|::)\/0$/.test(prefix);
}

/** A home region of 0 counts as absent, as every absent field does; an empty list of endpoints clears them. */
function patched(peer: WireNode, change: PeerChange): WireNode {
  return {
    ...peer,
    ...(change.DERPRegion && { HomeDERP: change.DERPRegion }),
    ...(change.Cap && { Cap: change.Cap }),
    ...(change.Endpoints && { Endpoints: change.Endpoints }),
    ...(change.Key && { Key: change.Key }),
    ...(change.DiscoKey && { DiscoKey: change.DiscoKey }),
    ...(change.Online !== undefined && { Online: change.Online }),
    ...(change.LastSeen && { LastSeen: change.LastSeen }),
    ...(change.KeyExpiry && { KeyExpiry: change.KeyExpiry }),
  };
}

/** When a peer was last seen means nothing while it is online; no endpoints and an empty list are the same. */
function shownPeer({ LastSeen, Endpoints = [], ...peer }: WireNode): object {
  return { ...peer, Endpoints, ...(!peer.Online && { LastSeen }) };
}

/** What a node reported itself it need not be told again. */
function shownSelf({ Hostinfo: _h, HomeDERP: _r, DiscoKey: _d, Cap: _c, ...self }: WireNode): object {
  return self;
}

/** What is left out of a node stands for what it does to clients (upgradeNode). */
function upgraded({ Node, Peers, PeersChanged, ...rest }: MapResponse): MapResponse {
  const upgrade = (node: WireNode): WireNode => ({ ...node, AllowedIPs: node.AllowedIPs ?? node.Addresses });
  return {
    ...rest,
    ...(Node && { Node: upgrade(Node) }),
    ...(Peers && { Peers: Peers.map(upgrade) }),
    ...(PeersChanged && { PeersChanged: PeersChanged.map(upgrade) }),
  };
}
