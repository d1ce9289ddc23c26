// Hostinfo: what a node says of itself (tailcfg.Hostinfo, control-protocol.md 5.12). Kept as the client sent it, less
// what nobody needs; the fields that the server acts on have readers here, and peers get a trimmed copy. Clients decode
// a message whole or not at all, so whatever reaches peers has been checked to be of the type that they expect.
import { canonicalPrefix } from "../ip.ts";
import { HOSTINFO_MAX, HOSTINFO_MAX_DEPTH } from "../limits.ts";
import {
  isJsonObject,
  type JsonObject,
  MalformedRequest,
  readBoolean,
  readInteger,
  readObject,
  readString,
  readStrings,
  withoutNul,
} from "./json.ts";

/** Hostinfo as stored: a JSON object in the wire's spelling. */
export type Hostinfo = JsonObject;

/** Fields that are never stored: identifiers of the device that no function of this server needs. */
const DROPPED = new Set(["PushDeviceToken", "FrontendLogID", "BackendLogID", "TPM", "WoLMACs"]);
/** Fields that peers need, Services aside. Location is not the node's to say: the server fills it in for exit nodes. */
const FOR_PEERS = ["OS", "Hostname", "ShareeNode", "sshHostKeys", "AppConnector", "PeerRelay"];

/**
 * Takes the Hostinfo of a request for storing. RoutableIPs are masked and spelt canonically, each once.
 * @throws MalformedRequest when a field that the server reads or peers get has the wrong type, or the whole is too large
 */
export function parseHostinfo(raw: JsonObject | undefined): Hostinfo {
  if (raw === undefined) return {};
  const present = Object.entries(raw).filter(([name, value]) => !DROPPED.has(name) && value !== null);
  const { NetInfo, ...rest } = clean(Object.fromEntries(present), HOSTINFO_MAX_DEPTH) as JsonObject;
  const routes = advertisedRoutes(rest);
  const kept: Hostinfo = {
    ...rest,
    ...(routes.length > 0 && { RoutableIPs: [...new Set(routes.map(parseRoute))] }),
    ...(NetInfo !== undefined && { NetInfo }), // last, as where one that is missing is put back
  };
  if (JSON.stringify(kept).length > HOSTINFO_MAX) throw new MalformedRequest("Hostinfo is too large");
  checkTypes(kept);
  return kept;
}

/** A copy without NUL characters. */
function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return withoutNul(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) throw new MalformedRequest("Hostinfo is nested too deeply");
  if (Array.isArray(value)) return value.map((item) => clean(item, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [withoutNul(name), clean(item, depth - 1)]));
}

function parseRoute(text: string): string {
  const prefix = text.includes("/") ? canonicalPrefix(text) : undefined;
  if (prefix === undefined) throw new MalformedRequest("RoutableIPs has an entry that is not a prefix");
  return prefix;
}

/** Reads every field once, so that a wrong type is refused here and later readers may trust what is stored. */
function checkTypes(hostinfo: Hostinfo): void {
  for (const name of ["OS", "Hostname"]) readString(hostinfo, name);
  for (const name of ["ShareeNode", "AppConnector", "PeerRelay"]) readBoolean(hostinfo, name);
  for (const name of ["RequestTags", "sshHostKeys"]) readStrings(hostinfo, name);
  const services = hostinfo.Services;
  if (services !== undefined && !(Array.isArray(services) && services.every(isService))) {
    throw new MalformedRequest("Services is not a list of services");
  }
  preferredDerp(hostinfo);
}

interface Service {
  readonly Proto: string;
  readonly Port: number;
}

function isService(value: unknown): value is Service {
  if (!isJsonObject(value) || typeof value.Proto !== "string") return false;
  return Number.isInteger(value.Port) && Number(value.Port) >= 0 && Number(value.Port) <= 0xffff;
}

/** Host name as the operating system tells it; empty when unknown. */
export function hostnameOf(hostinfo: Hostinfo): string {
  return readString(hostinfo, "Hostname") ?? "";
}

/** Prefixes that the node offers to route (`--advertise-routes`, `--advertise-exit-node`), in its order. */
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
  return netInfo === undefined ? 0 : Math.max(0, readInteger(netInfo, "PreferredDERP") ?? 0);
}

/** The copy that peers see; of its services only those that locate the PeerAPI. */
export function hostinfoForPeers(hostinfo: Hostinfo): Hostinfo {
  const kept: Record<string, unknown> = {};
  for (const name of FOR_PEERS) if (hostinfo[name] !== undefined) kept[name] = hostinfo[name];
  if (Array.isArray(hostinfo.Services)) {
    // Rebuilt, since names match whatever their case: an entry could bring a second `port` of another type.
    const services = hostinfo.Services.filter(isService).filter(({ Proto }) => Proto.startsWith("peerapi"));
    kept.Services = services.map(({ Proto, Port }) => ({ Proto, Port }));
  }
  return kept;
}
