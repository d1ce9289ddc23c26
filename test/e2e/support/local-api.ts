// tailscaled's local API (upstream ipn/localapi) over its unix socket: what `tailscale status --json` and
// `tailscale ping` ask, without starting a process each time. Fields keep upstream's spelling (ipnstate.Status,
// ipnstate.PingResult); only what tests look at is declared.
import { isIP } from "node:net";
import { replyTo } from "./local-http.ts";

/** What `tailscale status --json` says of one node; only what tests look at. */
export interface NodeStatus {
  readonly ID: string;
  readonly PublicKey: string;
  readonly HostName: string;
  readonly DNSName: string;
  readonly OS: string;
  readonly UserID: number;
  readonly TailscaleIPs: readonly string[] | null;
  readonly AllowedIPs?: readonly string[];
  readonly PrimaryRoutes?: readonly string[];
  readonly Tags?: readonly string[];
  readonly Addrs: readonly string[] | null;
  readonly CurAddr: string;
  readonly Relay: string;
  readonly Online: boolean;
  readonly Active: boolean;
  readonly ExitNode: boolean;
  readonly ExitNodeOption: boolean;
  readonly KeyExpiry?: string;
  readonly Expired?: boolean;
  readonly CapMap?: Readonly<Record<string, unknown>>;
  readonly sshHostKeys?: readonly string[];
}

/** `tailscale status --json`; only what tests look at. */
export interface Status {
  readonly Version: string;
  readonly BackendState: "NoState" | "NeedsLogin" | "NeedsMachineAuth" | "Stopped" | "Starting" | "Running";
  readonly AuthURL: string;
  readonly TailscaleIPs: readonly string[] | null;
  readonly Self: NodeStatus;
  readonly Health: readonly string[] | null;
  readonly MagicDNSSuffix: string;
  readonly CurrentTailnet: { Name: string; MagicDNSSuffix: string; MagicDNSEnabled: boolean } | null;
  readonly CertDomains: readonly string[] | null;
  readonly Peer: Readonly<Record<string, NodeStatus>> | null;
  readonly User: Readonly<Record<string, { ID: number; LoginName: string; DisplayName: string }>> | null;
}

/** One answered ping and the way it came; only disco pings know their way. */
export interface Pong {
  readonly path: "direct" | "derp" | "peer-relay" | "unknown";
  /** The region's code, or an address and port. */
  readonly via: string;
  readonly latencyMs: number;
}

/** The kinds of `tailscale ping`. */
export type PingType = "disco" | "TSMP" | "ICMP" | "peerapi";

/** Upstream's ipnstate.PingResult; only what `Pong` is made of. */
interface PingResult {
  readonly Err: string;
  readonly LatencySeconds: number;
  readonly Endpoint: string;
  readonly PeerRelay?: string;
  readonly DERPRegionCode: string;
}

/**
 * Calls the local API and returns the body.
 * @throws Error with the body when the status is not 2xx, or when no answer comes in time
 */
async function call(socketPath: string, method: string, path: string, timeoutMs = 30_000): Promise<string> {
  const options = { socketPath, method, path, headers: { Host: "local-tailscaled.sock" } };
  const reply = await replyTo(options, timeoutMs);
  if (reply.status < 200 || reply.status > 299) throw new Error(`local API ${path}: ${reply.status} ${reply.body}`);
  return reply.body;
}

/** What `tailscale status --json` prints. */
export async function getStatus(socketPath: string): Promise<Status> {
  return JSON.parse(await call(socketPath, "GET", "/localapi/v0/status")) as Status;
}

/** Asks for a new login while the present one goes on, as the menu entry of a desktop client does. */
export async function reauthenticate(socketPath: string): Promise<void> {
  await call(socketPath, "POST", "/localapi/v0/login-interactive");
}

/** Pings a peer once; the error says so when no answer comes in time. */
export async function ping(socketPath: string, target: string, type: PingType, timeoutMs: number): Promise<Pong> {
  const ip = isIP(target) ? target : addressOf(await getStatus(socketPath), target);
  const path = `/localapi/v0/ping?ip=${encodeURIComponent(ip)}&type=${type}`;
  const result = JSON.parse(await call(socketPath, "POST", path, timeoutMs)) as PingResult;
  if (result.Err) throw new Error(`ping ${target}: ${result.Err}`);
  return toPong(result);
}

/** A token by which others know the node, for one audience; what `tailscale id-token` prints. */
export async function identityToken(socketPath: string, audience: string): Promise<string> {
  const answer = await call(socketPath, "GET", `/localapi/v0/id-token?aud=${encodeURIComponent(audience)}`);
  return (JSON.parse(answer) as { id_token: string }).id_token;
}

/** All peers in a status, in no particular order. */
export function peersOf(status: Status): NodeStatus[] {
  return Object.values(status.Peer ?? {});
}

function addressOf(status: Status, name: string): string {
  const peer = peersOf(status).find(({ HostName, DNSName }) =>
    [HostName, DNSName, DNSName.slice(0, -1)].includes(name),
  );
  const ip = peer?.TailscaleIPs?.[0];
  if (!ip) throw new Error(`no peer is called ${name}`);
  return ip;
}

function toPong(result: PingResult): Pong {
  const latencyMs = Math.round(result.LatencySeconds * 1000);
  if (result.PeerRelay) return { path: "peer-relay", via: result.PeerRelay, latencyMs };
  if (result.DERPRegionCode) return { path: "derp", via: result.DERPRegionCode, latencyMs };
  if (result.Endpoint) return { path: "direct", via: result.Endpoint, latencyMs };
  return { path: "unknown", via: "", latencyMs };
}
