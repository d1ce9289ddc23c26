// POST /machine/map (tailcfg.MapRequest and MapResponse; control-protocol.md 5).
//
//   [u32le length][zstd frame of JSON MapResponse]   one message of the response body; several follow on a stream
import { type DiscoKey, isZeroKey, type NodeKey, parseDiscoKey, parseNodeKey } from "../keys.ts";
import { NODE_MAX_ENDPOINTS } from "../limits.ts";
import type { DerpMap } from "./derp-map.ts";
import type { DnsConfig } from "./dns.ts";
import type { FilterRule } from "./filter-rule.ts";
import { type Hostinfo, parseHostinfo } from "./hostinfo.ts";
import { type JsonObject, MalformedRequest, readBoolean, readInteger, readObject, readStrings } from "./json.ts";
import type { PeerChange, WireNode } from "./node.ts";
import type { SSHPolicy } from "./ssh.ts";

/** A map request, decoded. */
export interface MapRequest {
  readonly version: number;
  readonly nodeKey: NodeKey;
  /** Null: the client has none yet; the stored one is kept. */
  readonly discoKey: DiscoKey | null;
  readonly wantsStream: boolean;
  readonly omitsPeers: boolean;
  readonly isReadOnly: boolean;
  /** Null: not sent; the stored one is kept. */
  readonly hostinfo: Hostinfo | null;
  /** `ip:port`, link-local IPv6 left out; null: not sent. */
  readonly endpoints: readonly string[] | null;
}

/** Decodes a map request. @throws MalformedRequest */
export function parseMapRequest(body: JsonObject): MapRequest {
  const nodeKey = parseNodeKey(body.NodeKey);
  if (nodeKey === undefined || isZeroKey(nodeKey)) throw new MalformedRequest("NodeKey is missing or malformed");
  const discoKey = parseDiscoKey(body.DiscoKey);
  const hostinfo = readObject(body, "Hostinfo");
  const endpoints = readStrings(body, "Endpoints");
  return {
    version: readInteger(body, "Version") ?? 0,
    nodeKey,
    discoKey: discoKey === undefined || isZeroKey(discoKey) ? null : discoKey,
    wantsStream: readBoolean(body, "Stream") ?? false,
    omitsPeers: readBoolean(body, "OmitPeers") ?? false,
    isReadOnly: readBoolean(body, "ReadOnly") ?? false,
    hostinfo: hostinfo === undefined ? null : parseHostinfo(hostinfo),
    endpoints: endpoints === undefined ? null : endpoints.filter(isUsableEndpoint).slice(0, NODE_MAX_ENDPOINTS),
  };
}

function isUsableEndpoint(endpoint: string): boolean {
  if (endpoint.length > 64 || endpoint.includes("%") || /^\[fe[89ab]/i.test(endpoint)) return false;
  return /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):\d{1,5}$/.test(endpoint);
}

/** A user as peers' owners are shown (tailcfg.UserProfile). */
export interface UserProfile {
  readonly ID: number;
  readonly LoginName: string;
  readonly DisplayName: string;
  readonly ProfilePicURL?: string;
}

/** A map response; on a stream the first must be complete, later ones carry what changed (control-protocol.md 5.6). */
export interface MapResponse {
  readonly KeepAlive?: true;
  readonly Node?: WireNode;
  readonly Peers?: readonly WireNode[];
  readonly PeersChanged?: readonly WireNode[];
  readonly PeersRemoved?: readonly number[];
  readonly PeersChangedPatch?: readonly PeerChange[];
  readonly UserProfiles?: readonly UserProfile[];
  readonly DERPMap?: DerpMap;
  readonly DNSConfig?: DnsConfig;
  readonly PacketFilters?: { readonly [name: string]: readonly FilterRule[] | null };
  readonly SSHPolicy?: SSHPolicy;
  readonly Domain?: string;
  readonly CollectServices?: boolean;
  readonly Health?: readonly string[];
  readonly Debug?: { readonly DisableLogTail?: boolean };
  readonly ControlTime?: string;
}

/** Prefixes a compressed message with its length. */
export function frameMapResponse(compressed: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + compressed.length);
  new DataView(framed.buffer).setUint32(0, compressed.length, true);
  framed.set(compressed, 4);
  return framed;
}
