// A node of headscale.
import { OLDEST_CAPABILITY_VERSION } from "../../../worker/protocol/control/capability-version.ts";
import { parseHostinfo, preferredDerp } from "../../../worker/protocol/control/hostinfo.ts";
import { isJsonObject, type JsonObject } from "../../../worker/protocol/control/json.ts";
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from "../../../worker/protocol/ip.ts";
import type { Row } from "./read-database.ts";
import { instant, list, text } from "./row-values.ts";

/** What its row does not say. */
export interface NodePlace {
  readonly stableId: string;
  /** Number that is added to those of users. */
  readonly firstUser: number;
  readonly isEphemeral: boolean;
}

/** The node as a record to be imported. @throws Error that names the node and what can not be moved */
export function toNodeRecord(row: Row, { stableId, firstUser, isEphemeral }: NodePlace): JsonObject {
  const name = text(row, "given_name").toLowerCase();
  const ipv4 = parseAddress(text(row, "ipv4"));
  if (ipv4 === undefined) throw new Error(`node ${name} has no IPv4 address, which every node has here`);
  const tags = [...new Set(list(row, "tags"))].sort();
  const userId = row.user_id;
  if (tags.length === 0 && typeof userId !== "number") throw new Error(`node ${name} has neither a user nor tags`);
  const hostinfo = hostinfoOf(row);
  const label = text(row, "hostname").toLowerCase();
  const discoKey = text(row, "disco_key");
  const keyExpiresAt = tags.length > 0 ? null : instant(row, "expiry");
  return {
    id: Number(row.id),
    stableId,
    machineKey: text(row, "machine_key"),
    nodeKey: text(row, "node_key"),
    discoKey: /^discokey:0*$/.test(discoKey) || discoKey === "" ? null : discoKey,
    tailnetLockKey: null,
    userId: tags.length > 0 ? null : firstUser + Number(userId),
    tags,
    name,
    isNameFixed: name !== label && !name.startsWith(`${label}-`),
    ipv4: formatAddress(ipv4),
    ipv6: text(row, "ipv6") || ipv6For(text(row, "ipv4")),
    hostinfo,
    endpoints: list(row, "endpoints"),
    homeDerp: preferredDerp(hostinfo),
    capabilityVersion: OLDEST_CAPABILITY_VERSION,
    createdAt: instant(row, "created_at") ?? 0,
    keyExpiresAt,
    // A person's node always has an expiry here; one that never expired there shall not do so after its next login.
    isKeyExpiryDisabled: tags.length === 0 && keyExpiresAt === null,
    isAuthorized: true,
    isEphemeral,
    approvedRoutes: routesOf(row),
    lastSeenAt: instant(row, "last_seen"),
    authKeyId: null,
    attributes: {},
  };
}

function hostinfoOf(row: Row): JsonObject {
  const value: unknown = JSON.parse(text(row, "host_info") || "{}");
  return parseHostinfo(isJsonObject(value) ? value : {});
}

/** Approved routes, canonical and in the order of addresses. */
function routesOf(row: Row): string[] {
  const prefixes = list(row, "approved_routes").flatMap((route) => parsePrefix(route) ?? []);
  const texts = new Set(prefixes.map(formatPrefix));
  return [...texts].sort(
    (a, b) => Number(a.includes(":")) - Number(b.includes(":")) || a.localeCompare(b, "en", { numeric: true }),
  );
}

/** A network without IPv6 gets addresses that hold those of IPv4. */
function ipv6For(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split(".").map(Number);
  return `fd7a:115c:a1e0::${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}
