// Netmaps as JSON text. A peer's JSON is made once per record and route view and shared by all who see it: records are
// immutable, so the record itself is the cache key and a change drops the entry by itself (DESIGN.md 3 #8).
import type { RouteView } from "../policy/engine.ts";
import { UNDERSTANDS_CERTIFICATE_PINS } from "../protocol/control/capability-version.ts";
import { withoutPins } from "../protocol/control/derp-map.ts";
import { formatTime } from "../protocol/control/json.ts";
import { isKeyExpired, type Node, type NodeId } from "../tailnet/entities/node.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import type { Deployment } from "./deployment.ts";
import type { NetmapDelta } from "./netmap-delta.ts";
import { capabilitiesOf } from "./node-capabilities.ts";
import { toDnsConfig } from "./to-dns-config.ts";
import { toPeer, toSelf, wireUserId } from "./to-node.ts";
import { toUserProfile } from "./to-user-profile.ts";

/** The route views of one record that were met, with their JSON; nearly always one. */
type EncodedPeer = { readonly routes: string; readonly json: string }[];

/** Encodes full netmaps and deltas of one tailnet. */
export class NetmapEncoder {
  readonly #deployment: Deployment;
  readonly #derpMap: string;
  readonly #derpMapWithoutPins: string;
  readonly #peers = new WeakMap<Node, EncodedPeer>();

  constructor(deployment: Deployment) {
    this.#deployment = deployment;
    this.#derpMap = JSON.stringify(deployment.derpMap);
    this.#derpMapWithoutPins = JSON.stringify(withoutPins(deployment.derpMap));
  }

  /** The first message of a stream: everything the node may know (control-protocol.md 5.5). */
  full(tailnet: Tailnet, node: Node, now: number, omitsPeers = false): string {
    const isActive = node.isAuthorized && !isKeyExpired(node, now);
    const peers = isActive && !omitsPeers ? tailnet.engine.peersOf(node.id) : [];
    const userIds = new Set([wireUserId(node)]);
    const encoded: string[] = [];
    for (const id of peers) {
      const peer = tailnet.nodes.get(id);
      if (peer === undefined) continue;
      userIds.add(wireUserId(peer));
      encoded.push(this.#peer(tailnet, node.id, peer));
    }
    const { magicDnsSuffix, tailnetName } = this.#deployment;
    return object([
      ["Node", this.#self(tailnet, node)],
      ["Peers", encoded.length > 0 ? `[${encoded.join(",")}]` : undefined],
      ["UserProfiles", profiles(tailnet, userIds)],
      ["DERPMap", node.capabilityVersion < UNDERSTANDS_CERTIFICATE_PINS ? this.#derpMapWithoutPins : this.#derpMap],
      ["DNSConfig", JSON.stringify(toDnsConfig(tailnet.settings, magicDnsSuffix))],
      ["PacketFilters", `{"base":${isActive ? JSON.stringify(tailnet.engine.packetFilterOf(node.id)) : "[]"}}`],
      ["SSHPolicy", isActive ? JSON.stringify(tailnet.engine.sshPolicyOf(node.id) ?? { rules: [] }) : '{"rules":[]}'],
      ["Domain", JSON.stringify(tailnetName)],
      ["CollectServices", "false"],
      ["Debug", '{"DisableLogTail":true}'],
      ["ControlTime", JSON.stringify(formatTime(now))],
    ]);
  }

  /** What changed for one node; undefined when that is nothing. */
  delta(tailnet: Tailnet, node: Node, delta: NetmapDelta): string | undefined {
    const whole = [...delta.wholePeers].sort((a, b) => a - b).flatMap((id) => tailnet.nodes.get(id) ?? []);
    const userIds = new Set(delta.userIds);
    for (const peer of whole) if (delta.newPeers.has(peer.id)) userIds.add(wireUserId(peer));
    if (delta.hasNewSelf) userIds.add(wireUserId(node));
    const { engine, settings } = tailnet;
    const text = object([
      ["PeersRemoved", delta.removedPeers.size > 0 ? JSON.stringify([...delta.removedPeers]) : undefined],
      ["PeersChanged", list(whole.map((peer) => this.#peer(tailnet, node.id, peer)))],
      ["PeersChangedPatch", list([...delta.patches.values()])],
      ["Node", delta.hasNewSelf ? this.#self(tailnet, node) : undefined],
      ["UserProfiles", userIds.size > 0 ? profiles(tailnet, userIds) : undefined],
      ["PacketFilters", delta.hasNewFilter ? `{"base":${JSON.stringify(engine.packetFilterOf(node.id))}}` : undefined],
      ["SSHPolicy", delta.hasNewSsh ? JSON.stringify(engine.sshPolicyOf(node.id) ?? { rules: [] }) : undefined],
      [
        "DNSConfig",
        delta.hasNewDns ? JSON.stringify(toDnsConfig(settings, this.#deployment.magicDnsSuffix)) : undefined,
      ],
    ]);
    return text === "{}" ? undefined : text;
  }

  /** A last message that makes the client ask its user to log in again (control-protocol.md 5.15). */
  farewell(tailnet: Tailnet, node: Node, now: number): string {
    const expired: Node = {
      ...node,
      keyExpiresAt: Math.min(node.keyExpiresAt ?? now, now) - 1_000,
      isKeyExpiryDisabled: false,
    };
    return object([["Node", this.#self(tailnet, expired)]]);
  }

  #self(tailnet: Tailnet, node: Node): string {
    const routes = tailnet.engine.ownRoutes(node.id);
    return JSON.stringify(toSelf(node, routes, capabilitiesOf(tailnet, node), this.#deployment.magicDnsSuffix));
  }

  #peer(tailnet: Tailnet, viewer: NodeId, peer: Node): string {
    const view = tailnet.engine.peerRoutes(viewer, peer.id);
    const routes = routesKey(view);
    const encoded = this.#peers.get(peer) ?? [];
    const known = encoded.find((entry) => entry.routes === routes);
    if (known !== undefined) return known.json;
    const json = JSON.stringify(toPeer(peer, view, this.#deployment.magicDnsSuffix));
    this.#peers.set(peer, [...encoded, { routes, json }]);
    return json;
  }
}

function routesKey(view: RouteView): string {
  return view.allowed.length === 0 ? "" : view.allowed.join();
}

function profiles(tailnet: Tailnet, userIds: ReadonlySet<number>): string {
  const found = [...userIds].sort((a, b) => a - b).flatMap((id) => toUserProfile(tailnet, id) ?? []);
  return JSON.stringify(found);
}

function list(items: readonly string[]): string | undefined {
  return items.length > 0 ? `[${items.join(",")}]` : undefined;
}

/** A JSON object of encoded members, leaving out those without a value. */
function object(members: readonly (readonly [string, string | undefined])[]): string {
  const present = members.filter((member) => member[1] !== undefined);
  return `{${present.map(([name, value]) => `"${name}":${value}`).join(",")}}`;
}
