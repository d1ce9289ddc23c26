// Netmaps as JSON text. Whatever many nodes are shown is encoded once and shared: a peer's JSON per record and view, a
// rule's sources per list, DNS per settings. Records are immutable, so each is the key of its own cache entry and a
// change drops the entry by itself (DESIGN.md 3 #8). What one node alone is shown is not kept.
import type { Sight } from "../policy/engine.ts";
import { UNDERSTANDS_CERTIFICATE_PINS } from "../protocol/control/capability-version.ts";
import { type DerpOverlay, overlayDerpMap, withoutPins } from "../protocol/control/derp-map.ts";
import type { FilterRule } from "../protocol/control/filter-rule.ts";
import { formatTime } from "../protocol/control/json.ts";
import type { SSHRule } from "../protocol/control/ssh.ts";
import { type Service, serviceLabel } from "../tailnet/entities/configuration/virtual-address.ts";
import { isServed, type Node, type NodeId } from "../tailnet/entities/node.ts";
import { hostedServices } from "../tailnet/service-hosts.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import type { Deployment } from "./deployment.ts";
import type { NetmapDelta } from "./netmap-delta.ts";
import { capabilitiesOf } from "./node-capabilities.ts";
import { PeerChunks, type Segment } from "./peer-chunks.ts";
import { PeerList } from "./peer-list.ts";
import { SegmentsByText } from "./segments-by-text.ts";
import { toDnsConfig } from "./to-dns-config.ts";
import { fullName, type NodeView, toPeer, toSelf, wireUserId } from "./to-node.ts";
import { toUserProfile } from "./to-user-profile.ts";

/** Behind the peers. Shared, since two bytes cost as much to compress as two thousand. */
const END: Segment = { isShared: true, text: () => "]}" };

/** A name and its value in JSON, if it has one. */
type Member = readonly [string, string | undefined];

/** What a delta is put together from. */
interface DeltaParts {
  readonly removed: string | undefined;
  readonly whole: readonly string[];
  readonly patches: readonly string[];
  readonly rest: readonly Member[];
}

/** The views of one record that were met, with their JSON; nearly always one. */
type EncodedPeer = { readonly view: string; readonly json: string }[];

/** Encodes full netmaps and deltas of one tailnet. */
export class NetmapEncoder {
  readonly #deployment: Deployment;
  #derpMap: { readonly overlay: DerpOverlay | null; readonly full: string; readonly withoutPins: string } | undefined;
  readonly #peers = new WeakMap<Node, EncodedPeer>();
  readonly #lists = new WeakMap<Sight, PeerList>();
  readonly #chunks = new PeerChunks();
  readonly #common = new SegmentsByText();
  readonly #texts = new WeakMap<object, string>();
  #lastDelta: { readonly parts: readonly unknown[]; readonly message: string | undefined } = {
    parts: [],
    message: undefined,
  };
  #lastSsh: { readonly rules: readonly SSHRule[]; readonly text: string } = { rules: [], text: '{"rules":[]}' };
  #lastPatches = "";
  #lastPatchMessage = "";

  constructor(deployment: Deployment) {
    this.#deployment = deployment;
  }

  /** The first message of a stream: everything the node may know (control-protocol.md 5.5). */
  full(tailnet: Tailnet, node: Node, now: number, omitsPeers = false): string {
    return this.segments(tailnet, node, now, omitsPeers)
      .map((segment) => segment.text())
      .join("");
  }

  /** The same in segments, of which most are shared with the first messages of other nodes. */
  segments(tailnet: Tailnet, node: Node, now: number, omitsPeers = false): readonly Segment[] {
    const isActive = isServed(node, now);
    const list = isActive && !omitsPeers ? this.#listOf(tailnet, node) : undefined;
    const runs = list?.runsFor(node.id, (peer) => this.#peer(tailnet, node.id, peer)) ?? [];
    const common = members([
      ["DERPMap", this.#derpMapFor(tailnet, node)],
      ["DNSConfig", this.#dns(tailnet, node)],
      ["PacketFilters", isActive ? this.#packetFilters(tailnet, node) : '{"base":[]}'],
      ["SSHPolicy", isActive ? this.#sshPolicy(tailnet, node) : '{"rules":[]}'],
      ["Domain", JSON.stringify(this.#deployment.tailnetName)],
      ["CollectServices", "false"],
      ["Debug", '{"DisableLogTail":true}'],
    ]);
    const rest = members([
      ["Node", this.#self(tailnet, node)],
      ["UserProfiles", this.#profiles(tailnet, new Set([...(list?.userIds ?? []), wireUserId(node)]))],
      ["ControlTime", JSON.stringify(formatTime(now))],
    ]);
    if (runs.length === 0) return [this.#common.segmentOf(`{${common},`), own(`${rest}}`)];
    const chunks = this.#chunks.cut(runs);
    // What is the viewer's own is compressed as one, where both parts of it can stand side by side.
    if (chunks.at(-1)?.isShared === false) {
      return [this.#common.segmentOf(`{${common},"Peers":[`), ...chunks, own(`],${rest}}`)];
    }
    return [this.#common.segmentOf(`{${common},`), own(`${rest},"Peers":[`), ...chunks, END];
  }

  /** What changed for one node; undefined when that is nothing. */
  delta(tailnet: Tailnet, node: Node, delta: NetmapDelta): string | undefined {
    if (isPatchOnly(delta)) return this.#patchMessage(delta.patches);
    const whole = ascending(delta.wholePeers).flatMap((id) => tailnet.nodes.get(id) ?? []);
    const userIds = new Set(delta.userIds);
    for (const peer of whole) if (delta.newPeers.has(peer.id)) userIds.add(wireUserId(peer));
    if (delta.hasNewSelf) userIds.add(wireUserId(node));
    const removed = delta.removedPeers.size > 0 ? JSON.stringify(ascending(delta.removedPeers)) : undefined;
    return this.#deltaMessage({
      removed,
      whole: whole.map((peer) => this.#peer(tailnet, node.id, peer)),
      patches: [...delta.patches.values()],
      rest: [
        ["Node", delta.hasNewSelf ? this.#self(tailnet, node) : undefined],
        ["UserProfiles", userIds.size > 0 ? this.#profiles(tailnet, userIds) : undefined],
        ["PacketFilters", delta.hasNewFilter ? this.#packetFilters(tailnet, node) : undefined],
        ["SSHPolicy", delta.hasNewSsh ? this.#sshPolicy(tailnet, node) : undefined],
        ["DNSConfig", delta.hasNewDns ? this.#dns(tailnet, node) : undefined],
        ["DERPMap", delta.hasNewDerpMap ? this.#derpMapFor(tailnet, node) : undefined],
      ],
    });
  }

  /** Most listeners are told the same, of the same strings: then it is the message of the one before. */
  #deltaMessage({ removed, whole, patches, rest }: DeltaParts): string | undefined {
    const parts = [removed, ...whole, "", ...patches, ...rest.map((member) => member[1])];
    if (isSame(parts, this.#lastDelta.parts)) return this.#lastDelta.message;
    const text = object([
      ["PeersRemoved", removed],
      ["PeersChanged", list(whole)],
      ["PeersChangedPatch", list(patches)],
      ...rest,
    ]);
    this.#lastDelta = { parts, message: text === "{}" ? undefined : text };
    return this.#lastDelta.message;
  }

  /** A last message that makes the client ask its user to log in again (control-protocol.md 5.15). */
  farewell(tailnet: Tailnet, node: Node, now: number): string {
    const keyExpiresAt = Math.min(node.keyExpiresAt ?? now, now) - 1_000;
    return object([["Node", this.#self(tailnet, { ...node, keyExpiresAt, isKeyExpiryDisabled: false })]]);
  }

  #listOf(tailnet: Tailnet, node: Node): PeerList | undefined {
    const sight = tailnet.engine.sightOf(node.id);
    if (sight === undefined) return undefined;
    const list = this.#lists.get(sight) ?? new PeerList(tailnet, sight);
    this.#lists.set(sight, list);
    return list;
  }

  #self(tailnet: Tailnet, node: Node): string {
    const { engine } = tailnet;
    const known = engine.addressesOf(node.id, node.id);
    const view: NodeView = {
      addresses: known.length > 0 ? known : [node.ipv4, node.ipv6], // the engine knows authorised nodes only
      routes: engine.ownRoutes(node.id),
      capMap: capabilitiesOf(tailnet, node, this.#deployment.tailnetName),
    };
    return JSON.stringify(toSelf(node, view, this.#deployment.magicDnsSuffix));
  }

  #peer({ engine }: Tailnet, viewer: NodeId, peer: Node): string {
    const view: NodeView = {
      addresses: engine.addressesOf(viewer, peer.id),
      routes: engine.peerRoutes(viewer, peer.id),
      capMap: engine.peerCapMapOf(peer.id),
    };
    const key = keyOf(view);
    const encoded = this.#peers.get(peer) ?? [];
    const known = encoded.find((entry) => entry.view === key);
    if (known !== undefined) return known.json;
    const json = JSON.stringify(toPeer(peer, view, this.#deployment.magicDnsSuffix));
    encoded.push({ view: key, json });
    this.#peers.set(peer, encoded);
    return json;
  }

  /** The commonest message: cheap fields of a peer, told to everybody who sees it as one and the same string. */
  #patchMessage(patches: ReadonlyMap<NodeId, string>): string {
    const items = patches.size === 1 ? (patches.values().next().value ?? "") : [...patches.values()].join(",");
    if (items !== this.#lastPatches) {
      this.#lastPatches = items;
      this.#lastPatchMessage = `{"PeersChangedPatch":[${items}]}`;
    }
    return this.#lastPatchMessage;
  }

  #packetFilters(tailnet: Tailnet, node: Node): string {
    const rules = tailnet.engine.packetFilterOf(node.id); // one list for all who share it
    const text = this.#texts.get(rules) ?? `{"base":[${rules.map((rule) => this.#filterRule(rule)).join(",")}]}`;
    this.#texts.set(rules, text);
    return text;
  }

  /** Rules of different nodes share their sources, which make up most of their length. */
  #filterRule({ SrcIPs, ...rest }: FilterRule): string {
    return `{"SrcIPs":${this.#text(SrcIPs)},${JSON.stringify(rest).slice(1)}`;
  }

  #sshPolicy(tailnet: Tailnet, node: Node): string {
    const rules = tailnet.engine.sshPolicyOf(node.id)?.rules ?? [];
    if (!isSame(rules, this.#lastSsh.rules))
      this.#lastSsh = { rules, text: `{"rules":[${rules.map((rule) => this.#text(rule)).join(",")}]}` };
    return this.#lastSsh.text;
  }

  #profiles(tailnet: Tailnet, userIds: ReadonlySet<number>): string {
    return `[${ascending(userIds)
      .flatMap((id) => toUserProfile(tailnet, id) ?? [])
      .map((profile) => JSON.stringify(profile))
      .join(",")}]`;
  }

  /** The deployment's relays as the tailnet's policy has them. */
  #derpMapFor({ compiledPolicy }: Tailnet, { capabilityVersion }: Node): string {
    const overlay = compiledPolicy.network.derpMap;
    if (this.#derpMap?.overlay !== overlay) {
      const map = overlayDerpMap(this.#deployment.derpMap, overlay);
      this.#derpMap = { overlay, full: JSON.stringify(map), withoutPins: JSON.stringify(withoutPins(map)) };
    }
    const isOld = capabilityVersion < UNDERSTANDS_CERTIFICATE_PINS;
    return isOld ? this.#derpMap.withoutPins : this.#derpMap.full;
  }

  #dns(tailnet: Tailnet, node: Node): string {
    const { settings } = tailnet;
    const { magicDnsSuffix } = this.#deployment;
    const services = visibleServices(tailnet, node);
    if (!settings.isHttpsOn && services.length === 0) {
      return this.#text(settings, () => toDnsConfig(settings, { magicDnsSuffix }));
    }
    const hosted = hostedServices(tailnet, node).map(({ name }) => `${serviceLabel(name)}.${magicDnsSuffix}`);
    const certDomains = settings.isHttpsOn ? [fullName(node, magicDnsSuffix), ...hosted] : [];
    return JSON.stringify(toDnsConfig(settings, { magicDnsSuffix, services, certDomains }));
  }

  /** JSON of what is derived from `source`, which never changes once it is made. */
  #text(source: object, derive = () => source): string {
    const text = this.#texts.get(source) ?? JSON.stringify(derive());
    this.#texts.set(source, text);
    return text;
  }
}

/** Services that a node hosts, or reaches on a peer. */
function visibleServices(tailnet: Tailnet, node: Node): readonly Service[] {
  const { services, "service-reports": reports } = tailnet.records;
  if (services.size === 0) return [];
  const hosts = [...reports.keys()].map(Number);
  const routes = new Set(hosts.flatMap((host) => tailnet.engine.peerRoutes(node.id, host).allowed));
  const own = hostedServices(tailnet, node);
  return [...services.values()].filter((service) => own.includes(service) || routes.has(`${service.ipv4}/32`));
}

/** Tells views of one record apart; empty for a node with both addresses and nothing special, as nearly all are. */
function keyOf({ addresses, routes, capMap }: NodeView): string {
  const hasCapabilities = Object.keys(capMap).length > 0;
  if (addresses.length === 2 && routes.allowed.length === 0 && !hasCapabilities) return "";
  return `${addresses.join()} ${routes.allowed.join()} ${hasCapabilities ? JSON.stringify(capMap) : ""}`;
}

function isPatchOnly(delta: NetmapDelta): boolean {
  const hasLists = delta.wholePeers.size + delta.removedPeers.size + delta.userIds.size > 0;
  const hasParts = delta.hasNewSelf || delta.hasNewFilter || delta.hasNewSsh || delta.hasNewDns || delta.hasNewDerpMap;
  return delta.patches.size > 0 && !hasLists && !hasParts;
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

function ascending(ids: ReadonlySet<NodeId>): NodeId[] {
  return [...ids].sort((a, b) => a - b);
}

function list(items: readonly string[]): string | undefined {
  return items.length > 0 ? `[${items.join(",")}]` : undefined;
}

function own(text: string): Segment {
  return { isShared: false, text: () => text };
}

/** A JSON object of encoded members, leaving out those without a value. */
function object(list: readonly Member[]): string {
  return `{${members(list)}}`;
}

function members(list: readonly Member[]): string {
  const present = list.filter((member) => member[1] !== undefined);
  return present.map(([name, value]) => `"${name}":${value}`).join(",");
}
