// What an `Upgrade` request asks for, and how it is refused (control-protocol.md 1.3, 1.4, 7.1). Pure: it sees a method,
// a target and headers, and touches no socket. `control` and `derp` are the native forms that become WebSockets,
// `websocket` is what JS clients send and goes on as it is; other upgrades (h2c) are offers that a server may ignore.
import type { IncomingHttpHeaders } from "node:http";
import { HANDSHAKE_MAX } from "../limits.ts";
import type { Refusal } from "./refusal.ts";

/** Subprotocol, and `Upgrade` token, of the control connection. The client compares it byte for byte. */
export const CONTROL_PROTOCOL = "tailscale-control-protocol";

/** The parts of a request head that are looked at. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersion: string;
  readonly headers: IncomingHttpHeaders;
}

/** What the client asks for. */
export type UpgradeRequest =
  | { readonly kind: "control"; readonly handshake: string }
  | { readonly kind: "derp"; readonly isFastStart: boolean }
  | { readonly kind: "websocket" };

/** The path of a request target, without its query. */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/);
  return end === -1 ? target : target.slice(0, end);
}

/**
 * Tells whether an upgrade offer is ours to answer. Whatever else a client offers on an ordinary path, for example
 * `h2c`, is ignored and the request answered as plain HTTP (RFC 9110 §7.8).
 */
export function isOurUpgrade(head: RequestHead): boolean {
  const token = upgradeToken(head);
  const path = pathOf(head.url ?? "");
  return token === "websocket" || path === "/ts2021" || (path === "/derp" && token === "derp");
}

/** Reads an upgrade request that {@link isOurUpgrade}; every violation has its own text. */
export function readUpgrade(head: RequestHead): UpgradeRequest | Refusal {
  const token = upgradeToken(head);
  if (head.httpVersion !== "1.1") return refused("an upgrade needs HTTP/1.1");
  if (hasBody(head)) return refused("an upgrade request has no body");
  if (token === "websocket")
    return head.method === "GET" ? { kind: "websocket" } : refused("a WebSocket begins with GET");
  return pathOf(head.url ?? "") === "/ts2021" ? readControl(head, token) : readDerp(head);
}

function readControl(head: RequestHead, token: string): UpgradeRequest | Refusal {
  if (token !== CONTROL_PROTOCOL) return missingUpgrade();
  if (head.method !== "POST" && head.method !== "GET") return refused("the upgrade begins with POST");
  const handshake = head.headers["x-tailscale-handshake"];
  if (typeof handshake !== "string" || handshake === "") return refused("missing X-Tailscale-Handshake header");
  if (handshake.length > HANDSHAKE_MAX) return refused("X-Tailscale-Handshake is too long");
  if (!isBase64(handshake)) return refused("X-Tailscale-Handshake is not base64");
  return { kind: "control", handshake };
}

function readDerp(head: RequestHead): UpgradeRequest | Refusal {
  if (head.method !== "GET") return refused("the upgrade begins with GET");
  return { kind: "derp", isFastStart: head.headers["derp-fast-start"] === "1" };
}

/** The answer to `/ts2021` without an `Upgrade` that leads anywhere. */
export function missingUpgrade(): Refusal {
  return refused("missing or unknown Upgrade header; a proxy in front of the gateway may have removed it");
}

function refused(text: string): Refusal {
  return { kind: "refused", cause: "bad-request", status: 400, text };
}

function upgradeToken(head: RequestHead): string {
  return (head.headers.upgrade ?? "").trim().toLowerCase();
}

/** Bytes of a body would be taken for bytes of the tunnel. */
function hasBody(head: RequestHead): boolean {
  return head.headers["transfer-encoding"] !== undefined || Number(head.headers["content-length"] ?? 0) !== 0;
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}
