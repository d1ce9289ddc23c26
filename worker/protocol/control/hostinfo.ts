// Hostinfo: what a node says of itself (tailcfg.Hostinfo, control-protocol.md 5.12). Kept as the client sent it, less
// what nobody needs; the fields that the server acts on have readers here, and peers get a trimmed copy.
import { HOSTINFO_MAX } from "../limits.ts";
import { isJsonObject, type JsonObject, MalformedRequest, readInteger, readObject, readString, readStrings } from "./json.ts";

/** Hostinfo as stored: a JSON object in the wire's spelling. */
export type Hostinfo = JsonObject;

/** Fields that are never stored: identifiers of the device that no function of this server needs. */
const DROPPED = new Set(["PushDeviceToken", "FrontendLogID", "BackendLogID", "TPM", "WoLMACs"]);
/** Fields that peers need (control-protocol.md 5.12); Services locate the PeerAPI. */
const FOR_PEERS = ["OS", "Hostname", "Services", "Location", "ShareeNode", "sshHostKeys", "AppConnector", "PeerRelay"];

/**
 * Takes the Hostinfo of a request for storing.
 * @throws MalformedRequest when a field that the server reads has the wrong type or the whole is too large
 */
export function parseHostinfo(raw: JsonObject | undefined): Hostinfo {
  if (raw === undefined) return {};
  const kept = Object.fromEntries(
    Object.entries(raw)
      .filter(([name, value]) => !DROPPED.has(name) && value !== null)
      .map(([name, value]) => [name, typeof value === "string" ? value.replaceAll("\u0000", "") : value]),
  );
  if (JSON.stringify(kept).length > HOSTINFO_MAX) throw new MalformedRequest("Hostinfo is too large");
  // Read once so that a wrong type is refused here and every later reader may trust what is stored.
  hostnameOf(kept);
  advertisedRoutes(kept);
  requestedTags(kept);
  preferredDerp(kept);
  return kept;
}

/** Host name as the operating system tells it; empty when unknown. */
export function hostnameOf(hostinfo: Hostinfo): string {
  return readString(hostinfo, "Hostname") ?? "";
}

/** Operating system name, for example `linux`; empty when unknown. */
export function osOf(hostinfo: Hostinfo): string {
  return readString(hostinfo, "OS") ?? "";
}

/** Prefixes that the node offers to route (`--advertise-routes`, `--advertise-exit-node`), as sent. */
export function advertisedRoutes(hostinfo: Hostinfo): readonly string[] {
  return readStrings(hostinfo, "RoutableIPs") ?? [];
}

/** Tags that the node asks for (`--advertise-tags`). */
export function requestedTags(hostinfo: Hostinfo): readonly string[] {
  return readStrings(hostinfo, "RequestTags") ?? [];
}

/** Home DERP region by the node's last NetInfo; 0 when it does not say. */
export function preferredDerp(hostinfo: Hostinfo): number {
  const netInfo = readObject(hostinfo, "NetInfo");
  return netInfo === undefined ? 0 : (readInteger(netInfo, "PreferredDERP") ?? 0);
}

/** The copy that peers see. */
export function hostinfoForPeers(hostinfo: Hostinfo): Hostinfo {
  const kept: Record<string, unknown> = {};
  for (const name of FOR_PEERS) if (hostinfo[name] !== undefined) kept[name] = hostinfo[name];
  const services = hostinfo.Services;
  if (Array.isArray(services)) {
    kept.Services = services.filter((s) => isJsonObject(s) && typeof s.Proto === "string" && s.Proto.startsWith("peerapi"));
  }
  return kept;
}
