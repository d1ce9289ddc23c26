// POST /machine/map (tailcfg.MapRequest and MapResponse; control-protocol.md 5).
//
//   [u32le length][zstd frame of JSON MapResponse]   one message of the response body; several follow on a stream
import { parseAddress } from "../ip.ts";
import { type DiscoKey, type NodeKey, parseDiscoKey, parseNodeKey } from "../keys.ts";
import { NODE_MAX_ENDPOINTS } from "../limits.ts";
import type { DerpMap } from "./derp-map.ts";
import type { DnsConfig } from "./dns.ts";
import type { FilterRule } from "./filter-rule.ts";
import { type Hostinfo, parseHostinfo } from "./hostinfo.ts";
import {
  type JsonObject,
  MalformedRequest,
  readBoolean,
  readInteger,
  readKey,
  readObject,
  readStrings,
} from "./json.ts";
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
  /** `ip:port`, link-local IPv6 left out. The list is whole: a client without endpoints sends none. */
  readonly endpoints: readonly string[];
}

/** Decodes a map request. @throws MalformedRequest */
export function parseMapRequest(body: JsonObject): MapRequest {
  const nodeKey = readKey(body, "NodeKey", parseNodeKey);
  if (nodeKey === null) throw new MalformedRequest("NodeKey is missing");
  const version = readInteger(body, "Version") ?? 0;
  if (version <= 0) throw new MalformedRequest("Version is missing");
  const hostinfo = readObject(body, "Hostinfo");
  const endpoints = readStrings(body, "Endpoints") ?? [];
  return {
    version,
    nodeKey,
    discoKey: readKey(body, "DiscoKey", parseDiscoKey),
    wantsStream: readBoolean(body, "Stream") ?? false,
    omitsPeers: readBoolean(body, "OmitPeers") ?? false,
    isReadOnly: readBoolean(body, "ReadOnly") ?? false,
    hostinfo: hostinfo === undefined ? null : parseHostinfo(hostinfo),
    endpoints: endpoints.filter(isUsableEndpoint).slice(0, NODE_MAX_ENDPOINTS),
  };
}

/** Peers decode endpoints strictly, and one that they cannot decode would end their streams. */
function isUsableEndpoint(endpoint: string): boolean {
  const [, v4, v6, port] = /^(?:([\d.]+)|\[([\da-f.]*:[\da-f:.]*)\]):(\d{1,5})$/i.exec(endpoint) ?? [];
  const address = v4 ?? v6;
  if (address === undefined || parseAddress(address) === undefined || /^fe[89ab][\da-f]:/i.test(address)) return false;
  return Number(port) > 0 && Number(port) <= 0xffff;
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
