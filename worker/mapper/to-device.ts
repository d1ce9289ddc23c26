// Node → device of the public API (api-v2.md 2.1). Hostinfo comes from the device and is only trusted as far as
// parseHostinfo checked it, so fields of another type count as absent here. Left out, because nothing is known of
// them yet: updates, tailnet-lock errors, connections of clones.
import { type DerpMap, overlayDerpMap } from "../protocol/control/derp-map.ts";
import { advertisedRoutes, type Hostinfo, hostnameOf } from "../protocol/control/hostinfo.ts";
import { formatTime, isJsonObject, type JsonObject } from "../protocol/control/json.ts";
import { relayLatencies } from "../protocol/control/relay-latencies.ts";
import { formatPrefix, parsePrefix } from "../protocol/ip.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { TAGGED_DEVICES_LOGIN } from "../tailnet/entities/user.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import type { Deployment } from "./deployment.ts";
import { fullName } from "./to-node.ts";

/** A device with the fields that are shown by default. Times are RFC 3339. */
export interface Device {
  /** IPv4, then IPv6, without prefix length. */
  readonly addresses: readonly string[];
  /** Node number in decimal. */
  readonly id: string;
  /** Stable id, `n…CNTRL`. */
  readonly nodeId: string;
  /** Login name of the owner, or `tagged-devices`. */
  readonly user: string;
  /** Full DNS name without trailing dot. */
  readonly name: string;
  /** Host name as the operating system tells it. */
  readonly hostname: string;
  readonly clientVersion: string;
  readonly updateAvailable: boolean;
  readonly os: string;
  readonly created: string;
  readonly connectedToControl: boolean;
  /** Absent while connected, or when never seen. */
  readonly lastSeen?: string;
  readonly keyExpiryDisabled: boolean;
  /** Stored expiry, in force or not; year 1 when there is none. */
  readonly expires: string;
  readonly authorized: boolean;
  readonly isExternal: boolean;
  readonly isEphemeral: boolean;
  readonly machineKey: string;
  readonly nodeKey: string;
  readonly blocksIncomingConnections: boolean;
  readonly tailnetLockKey: string;
  readonly tailnetLockError: string;
  /** Sorted; absent when untagged. */
  readonly tags?: readonly string[];
}

/** A device with all fields. */
export interface DeviceDetails extends Device, DeviceRoutes {
  readonly clientConnectivity?: ClientConnectivity;
  readonly sshEnabled: boolean;
  readonly distro?: { readonly name: string; readonly version: string; readonly codeName: string };
  /** Absent unless it is collected and the device has answered; `disabled`: its user has not agreed. */
  readonly postureIdentity?: { readonly serialNumbers: readonly string[] } | { readonly disabled: true };
}

/** Routes of a device, each list in order of address family, address and length. */
export interface DeviceRoutes {
  readonly advertisedRoutes: readonly string[];
  /** Approved routes, advertised or not. */
  readonly enabledRoutes: readonly string[];
}

/** What the device found out about its network; null where it does not know. */
export interface ClientConnectivity {
  readonly endpoints: readonly string[];
  /** Code of the home DERP region; empty when there is none. */
  readonly derp: string;
  readonly mappingVariesByDestIP: boolean | null;
  readonly latency: Readonly<Record<string, { readonly preferred?: true; readonly latencyMs: number }>>;
  readonly clientSupports: {
    readonly hairPinning: null;
    readonly ipv6: boolean | null;
    readonly pcp: boolean | null;
    readonly pmp: boolean | null;
    readonly udp: boolean | null;
    readonly upnp: boolean | null;
  };
}

/** A node with the default fields of a device. */
export function toDevice(tailnet: Tailnet, node: Node, { magicDnsSuffix }: Deployment): Device {
  const { hostinfo } = node;
  const owner = node.userId === null ? undefined : tailnet.users.get(node.userId);
  const isConnected = node.isOnline && node.disconnectedAt === null;
  const lastSeenAt = node.disconnectedAt ?? node.lastSeenAt;
  return {
    addresses: [node.ipv4, node.ipv6],
    id: String(node.id),
    nodeId: node.stableId,
    user: owner?.loginName ?? TAGGED_DEVICES_LOGIN,
    name: fullName(node, magicDnsSuffix),
    hostname: hostnameOf(hostinfo),
    clientVersion: textOf(hostinfo, "IPNVersion"),
    updateAvailable: false,
    os: textOf(hostinfo, "OS"),
    created: formatTime(node.createdAt),
    connectedToControl: isConnected,
    ...(!isConnected && lastSeenAt !== null && { lastSeen: formatTime(lastSeenAt) }),
    keyExpiryDisabled: node.isKeyExpiryDisabled,
    expires: node.keyExpiresAt === null ? "0001-01-01T00:00:00Z" : formatTime(node.keyExpiresAt),
    authorized: node.isAuthorized,
    isExternal: false,
    isEphemeral: node.isEphemeral,
    machineKey: node.machineKey,
    nodeKey: node.nodeKey,
    blocksIncomingConnections: hostinfo.ShieldsUp === true,
    tailnetLockKey: node.tailnetLockKey ?? "",
    tailnetLockError: "",
    ...(node.tags.length > 0 && { tags: node.tags }),
  };
}

/** A node with all fields of a device. */
export function toDeviceDetails(tailnet: Tailnet, node: Node, deployment: Deployment): DeviceDetails {
  const { hostinfo } = node;
  const identity = tailnet.records["posture-identities"].get(String(node.id));
  const distro = {
    name: textOf(hostinfo, "Distro"),
    version: textOf(hostinfo, "DistroVersion"),
    codeName: textOf(hostinfo, "DistroCodeName"),
  };
  return {
    ...toDevice(tailnet, node, deployment),
    ...toDeviceRoutes(node),
    ...(isJsonObject(hostinfo.NetInfo) && {
      clientConnectivity: toConnectivity(
        node,
        hostinfo.NetInfo,
        overlayDerpMap(deployment.derpMap, tailnet.compiledPolicy.network.derpMap),
      ),
    }),
    sshEnabled: Array.isArray(hostinfo.sshHostKeys) && hostinfo.sshHostKeys.length > 0,
    ...(distro.name !== "" && { distro }),
    ...(identity !== undefined && {
      postureIdentity: identity.isDisabled ? { disabled: true } : { serialNumbers: identity.serialNumbers },
    }),
  };
}

/** Routes of a node. */
export function toDeviceRoutes(node: Node): DeviceRoutes {
  return {
    advertisedRoutes: sortedRoutes(advertisedRoutes(node.hostinfo)),
    enabledRoutes: sortedRoutes(node.approvedRoutes),
  };
}

/** Prefixes in canonical spelling: IPv4 first, by address, then by length. What is no prefix is left out. */
function sortedRoutes(routes: readonly string[]): string[] {
  return routes
    .flatMap((route) => parsePrefix(route) ?? [])
    .sort((a, b) => (a.address === b.address ? a.bits - b.bits : a.address < b.address ? -1 : 1))
    .map(formatPrefix);
}

/** Properties by which devices can be filtered. */
export const DEVICE_FILTERS = [
  "addresses",
  "id",
  "nodeId",
  "user",
  "name",
  "hostname",
  "clientVersion",
  "updateAvailable",
  "os",
  "created",
  "connectedToControl",
  "lastSeen",
  "keyExpiryDisabled",
  "expires",
  "authorized",
  "isExternal",
  "isEphemeral",
  "machineKey",
  "nodeKey",
  "blocksIncomingConnections",
  "tailnetLockKey",
  "tailnetLockError",
  "tags",
  "advertisedRoutes",
  "enabledRoutes",
  "sshEnabled",
] as const satisfies readonly (keyof DeviceDetails)[];

/** A property and the value that it must equal or, being a list, contain. */
export type DeviceFilter = readonly [property: (typeof DEVICE_FILTERS)[number], value: string];

/** Tells whether a device meets every filter. */
export function meetsFilters(device: DeviceDetails, filters: readonly DeviceFilter[]): boolean {
  return filters.every(([property, wanted]) => {
    const actual = device[property];
    if (actual === undefined) return false;
    return typeof actual === "object" ? actual.includes(wanted) : String(actual) === wanted;
  });
}

function toConnectivity(node: Node, netInfo: JsonObject, derpMap: DerpMap): ClientConnectivity {
  return {
    endpoints: node.endpoints,
    derp: derpMap.Regions[node.homeDerp]?.RegionCode ?? "",
    mappingVariesByDestIP: flagOf(netInfo, "MappingVariesByDestIP"),
    latency: latencyByRegion(node, derpMap),
    clientSupports: {
      hairPinning: null,
      ipv6: flagOf(netInfo, "WorkingIPv6"),
      pcp: flagOf(netInfo, "PCP"),
      pmp: flagOf(netInfo, "PMP"),
      udp: flagOf(netInfo, "WorkingUDP"),
      upnp: flagOf(netInfo, "UPnP"),
    },
  };
}

function latencyByRegion({ hostinfo, homeDerp }: Node, derpMap: DerpMap): ClientConnectivity["latency"] {
  const byName: Record<string, { preferred?: true; latencyMs: number }> = {};
  for (const [id, latencyMs] of relayLatencies(hostinfo)) {
    const region = derpMap.Regions[id];
    if (region !== undefined) byName[region.RegionName] = { ...(id === homeDerp && { preferred: true }), latencyMs };
  }
  return byName;
}

function textOf(hostinfo: Hostinfo, name: string): string {
  const value = hostinfo[name];
  return typeof value === "string" ? value : "";
}

function flagOf(netInfo: JsonObject, name: string): boolean | null {
  const value = netInfo[name];
  return typeof value === "boolean" ? value : null;
}
